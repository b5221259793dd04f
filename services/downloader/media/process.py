"""The instance's side of its media process: started, asked, started again if a film brings it down."""

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec
import structlog

from services.downloader.media.messages import (
    ENVELOPE_BYTES_MAX,
    PAYLOAD_BYTES_MAX,
    PREFIX,
    TOO_LARGE,
    TOO_LONG,
    Ask,
    Drop,
    Questions,
    Said,
    Show,
    decode_answer,
    encode,
)
from services.downloader.processes import tail

log = structlog.get_logger(__name__)

ASKED_MAX: Final = 64
"""Questions that wait for their answers at one time; more are refused."""
RESTARTS_MAX: Final = 5
"""A film that brings it down more often isn't prepared any more."""
PACKAGE_ROOT: Final = Path(__file__).parents[3]
_ALLOCATOR: Final = {"MALLOC_ARENA_MAX": "2"}
"""glibc gives each thread 64 MiB of address space to allocate from, which is what is limited."""


class MediaFailed(Exception):
    """The media process can't give this. `str(error)` says why; a download never fails for it."""


class NotToBeHad(MediaFailed):
    """Asking again is in vain: the film is so, or there is no such part of it."""


class ProcessDied(MediaFailed):
    """It ended over this question, or while this one waited for another."""


@asynccontextmanager
async def media_process() -> AsyncGenerator["MediaProcess"]:
    """Running, or on its way: it is good to be asked at once. It ends with the block, whatever it is at."""
    process = MediaProcess()
    keeper = asyncio.create_task(process.run(), name="media-process")
    try:
        yield process
    finally:
        keeper.cancel()
        await asyncio.wait([keeper])


class MediaProcess:
    """Answers questions about one film. For one event loop; as many at once as ASKED_MAX."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._film: Show | None = None
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._ended: str | None = None
        self._running = asyncio.Event()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def show(self, film: Show) -> None:
        """What all questions are about from now on; before the first of them."""
        self._film = film
        if self._process:
            self._say(film)

    async def ask(self, question: Questions, *, is_for_store: bool = False) -> bytes:
        """The answer's bytes, after `show`. Raises `MediaFailed`. Cancelling lets it do something else.

        `is_for_store`: no player waits for it, and it keeps no player waiting.
        """
        if self._film is None:
            raise MediaFailed("there is no film yet")
        if len(self._waiting) >= ASKED_MAX:
            raise MediaFailed("too much is asked of the media process at once")
        await self._running.wait()
        if self._ended:
            raise ProcessDied(self._ended)
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._say(Ask(number=number, question=question, is_for_store=is_for_store))
        try:
            return await answer
        except asyncio.CancelledError:
            if number in self._waiting:
                self._say(Drop(number=number))
            raise
        finally:
            self._waiting.pop(number, None)

    async def run(self) -> None:
        """Keeps it running until cancelled, or until it has died too often."""
        try:
            for deaths in range(RESTARTS_MAX + 1):
                why = await self._live()
                log.warning("media_process_died", why=why, deaths=deaths + 1)
            self._ended = "the media process died too often over this film"
        except OSError as error:
            log.warning("media_process_not_started", error=str(error))
            self._ended = f"the media process can't be started ({error.strerror})"
        except asyncio.CancelledError:
            self._ended = "the media process was stopped"
            raise
        finally:
            self._let_go(self._ended or "the media process is gone")
            self._running.set()

    async def _live(self) -> str:
        """One process from its start to its end; why it ended. Whoever waits for an answer is told."""
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "services.downloader.media.worker"],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=PACKAGE_ROOT,
            env=_ALLOCATOR,
            start_new_session=True,
        )
        said = asyncio.create_task(tail(process.stderr), name="media-process-says")
        try:
            self._process = process
            if self._film:
                self._say(self._film)
            self._running.set()
            await self._hear(process)
        finally:
            self._running.clear()
            self._process = None
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            await _closed(process, said)
        why = _why(process.returncode or 0)
        log.info("media_process_said", text=said.result()[-1000:])
        self._let_go(why)
        return why

    async def _hear(self, process: asyncio.subprocess.Process) -> None:
        """Until it has nothing more to say, or says what it never should."""
        assert process.stdout  # noqa: S101  (it was started with a pipe)
        with suppress(asyncio.IncompleteReadError, msgspec.DecodeError):
            while True:
                prefix = await process.stdout.readexactly(PREFIX.size)
                envelope_bytes, payload_bytes = PREFIX.unpack(prefix)
                if envelope_bytes > ENVELOPE_BYTES_MAX or payload_bytes > PAYLOAD_BYTES_MAX:
                    log.warning("media_process_says_too_much", bytes=payload_bytes)
                    return
                answer = decode_answer(await process.stdout.readexactly(envelope_bytes))
                payload = await process.stdout.readexactly(payload_bytes)
                waiting = self._waiting.get(answer.number)
                if waiting is None or waiting.done():
                    continue
                if answer.why_not is None:
                    waiting.set_result(payload)
                else:
                    waiting.set_exception((NotToBeHad if answer.is_final else MediaFailed)(answer.why_not))

    def _say(self, message: Said) -> None:
        """What a process that is just dying doesn't hear, the next one isn't asked: it is told as failed."""
        if self._process and self._process.stdin and not self._process.stdin.is_closing():
            envelope = encode(message)
            self._process.stdin.write(PREFIX.pack(len(envelope), 0) + envelope)

    def _let_go(self, why: str) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ProcessDied(why))


async def _closed(process: asyncio.subprocess.Process, said: "asyncio.Task[str]") -> None:
    # A pipe that is full keeps `wait` waiting.
    while process.stdout and await process.stdout.read(1 << 20):
        pass
    await said
    await process.wait()


def _why(code: int) -> str:
    if code in (TOO_LONG, -signal.SIGPROF, -signal.SIGXCPU):
        return "the film takes more computing than any film should"
    if code == TOO_LARGE:
        return "the film takes more memory than any film should"
    return f"the media process died over this film ({code})"
