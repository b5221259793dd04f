"""The media process: everything that libav does with a foreign film is done in it, and nothing else is.

`python -m services.downloader.media.worker`, started by `process.py`, which it hears on its standard input
and answers on its standard output (`messages.py`). A film can make libav crash, loop or ask for memory:
that ends this process, which has no rights, no secret but the play server's token, and nothing to lose.

Memory: MEMORY_BYTES of address space at most. The interpreter and libav take some 200 MB of it; the rest is
for the blocks that are kept (`reader.CACHE_BYTES`), and the segment that each hand is at.
"""

import os
import sys
from collections.abc import Callable
from threading import Lock
from typing import Final

from services.downloader.confined import confine
from services.downloader.media import messages

MEMORY_BYTES: Final = 3 << 29
LIFE_CPU_S: Final = 24 * 3600
"""Of the whole process: a film of a day, converted several times over. For one question see `crew.CPU_S`."""


def main() -> None:
    confine(LIFE_CPU_S, MEMORY_BYTES, 0)
    # Nothing foreign is loaded, and no byte read, outside of the limits.
    from services.downloader.media.crew import Crew

    hear = os.fdopen(os.dup(0), "rb")
    tell = _teller(os.dup(1))
    # What a library prints must not get among the answers.
    os.dup2(2, 1)
    crew: Crew | None = None
    while said := _heard(hear.read):
        if isinstance(said, messages.Show):
            crew = Crew(said, tell)
        elif crew is None:
            sys.exit("asked before the film was shown")
        elif isinstance(said, messages.Ask):
            crew.ask(said)
        else:
            crew.drop(said.number)
    # Not `sys.exit`: hands may be inside of libav.
    os._exit(0)


def _heard(read: Callable[[int], bytes]) -> messages.Said | None:
    prefix = read(messages.PREFIX.size)
    if len(prefix) < messages.PREFIX.size:
        return None
    envelope_bytes, _ = messages.PREFIX.unpack(prefix)
    return messages.decode_said(read(envelope_bytes))


def _teller(descriptor: int) -> Callable[[messages.Answer, bytes], None]:
    turn = Lock()

    def tell(answer: messages.Answer, payload: bytes) -> None:
        envelope = messages.encode(answer)
        with turn:
            for part in (messages.PREFIX.pack(len(envelope), len(payload)) + envelope, payload):
                view = memoryview(part)
                while view:
                    view = view[os.write(descriptor, view) :]

    return tell


if __name__ == "__main__":
    main()
