"""Checking and storing what has come, on a thread of its own: the wire doesn't wait for the disk.

Memory: at most ANSWERS_MAX articles wait to be stored (0.7 MiB usually, 10 at most); then the engine waits.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Full, Queue
from typing import Final

from services.downloader.errors import ScratchFull
from services.downloader.source import Span
from services.downloader.usenet.articles import PartRefused

ANSWERS_MAX: Final = 12
END_WITHIN_S: Final = 2.0

Kept = Span | PartRefused | ScratchFull | Exception
"""Where an article's bytes are, or why they aren't; any other exception is a bug."""
Store = Callable[[], Span]
Told = Callable[[Kept], None]


class Keeper:
    """Stores in the order in which it is given what to store. `told` is called on its thread."""

    def __init__(self) -> None:
        self._answers: Queue[tuple[Store, Told] | None] = Queue(ANSWERS_MAX)
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="usenet-keeper", daemon=True)
        self._thread.start()

    def keep(self, store: Store, told: Told) -> None:
        """Blocks while too much waits already."""
        self._answers.put((store, told))

    def close(self) -> None:
        """Stores nothing more. Blocks until the thread is gone, or END_WITHIN_S if its disk hangs."""
        self._is_closing = True
        # If it is full, the thread needs nobody to wake it.
        with suppress(Full):
            self._answers.put_nowait(None)
        self._thread.join(END_WITHIN_S)

    def _run(self) -> None:
        while (answer := self._answers.get()) and not self._is_closing:
            store, told = answer
            told(_outcome(store))


def _outcome(store: Store) -> Kept:
    try:
        return store()
    except Exception as error:
        # Whoever asked raises it on his own thread.
        return error
