"""A quick start: somebody waits while an instance's process begins.

Measured with everything in the disk's cache: an instance's imports take half as much CPU with this.
"""

import gc
import importlib
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, cast

_UNUSED: Final = {"nats.aio.client": "aiohttp", "structlog": "rich"}
"""Libraries that look for others which they could make use of, for WebSockets and colours, and we don't."""


def import_without_extras() -> None:
    """To be called before anything else imports these libraries."""
    for library, extra in _UNUSED.items():
        if library not in sys.modules and extra not in sys.modules:
            # None: it can't be imported (documented at `sys.modules`). Afterwards it can, by who needs it.
            cast("dict[str, object]", sys.modules)[extra] = None
            try:
                importlib.import_module(library)
            finally:
                del sys.modules[extra]


@contextmanager
def no_garbage() -> Generator[None]:
    """While modules are imported: what that makes stays, and looking through it is in vain."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
