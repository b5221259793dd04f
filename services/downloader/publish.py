"""From the spool into the store while the film comes down: by renaming it, or part by part.

Memory: nothing worth telling for a rename; else at most PARTS_AT_ONCE parts (8 MiB each up to 75 GB, beyond
that a 9,000th of the film).
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from libs.common.events import Film
from libs.common.objects import ObjectInfo, ObjectStore, StoreError, Upload
from services.downloader.errors import ScratchFull, StorageFailed
from services.downloader.extents import Coverage, VirtualFile
from services.downloader.source import Landed, Source, Urgency

PARTS_AT_ONCE: Final = 3
FLUSH_BYTES: Final = 64 << 20
"""After so many more bytes the disk is told to keep them, so that little is left to keep at the end."""
ABORT_S: Final = 5.0


class Publication(Protocol):
    """One film on its way into the store."""

    @property
    def landed_bytes(self) -> int:
        """How much of the film has come, and is verified if that can be done by the piece."""
        ...

    async def run(self) -> None:
        """Returns when every byte has come and is as far on its way as it can be."""
        ...

    async def complete(self) -> Film:
        """The film is in the store now. After `run`."""
        ...

    async def abort(self) -> None:
        """Best effort: what stays behind is swept with the job's prefix."""
        ...


class Progressive(Publication, Protocol):
    """Of a film that comes down: `land` as bytes come, while `run` does what can be done already."""

    @property
    def stored_bytes(self) -> int:
        """How much of the film is as far on its way as it can be; for showing."""
        ...

    def land(self, landed: Landed) -> None:
        """Take note of verified bytes. Idempotent."""
        ...


async def progressive(
    film: VirtualFile, source: Source, store: ObjectStore, key: str, content_type: str, laid_out: Path | None
) -> Progressive:
    """By a rename if the store can take the spool's file as it is, else by an upload. Raises `StoreError`.

    `laid_out`: where in the spool the film itself lies, if it does (`Source.lay_out`).
    """
    if laid_out and (adopt := store.adopter(laid_out.parent)):
        return Renaming(film, laid_out, partial(adopt, key, laid_out, content_type=content_type))
    upload = await store.start_upload(key, size_bytes=film.size_bytes, content_type=content_type)
    return Uploading(film, source, upload)


class Renaming:
    def __init__(self, film: VirtualFile, path: Path, adopt: Callable[[], Awaitable[ObjectInfo]]) -> None:
        self._film = film
        self._path = path
        self._adopt = adopt
        self._coverage = Coverage(film)
        self._more = asyncio.Event()
        self._flush_at = FLUSH_BYTES

    @property
    def landed_bytes(self) -> int:
        return self._coverage.landed_bytes

    @property
    def stored_bytes(self) -> int:
        return self._coverage.landed_bytes

    def land(self, landed: Landed) -> None:
        self._coverage.land(landed)
        if self.landed_bytes >= min(self._flush_at, self._film.size_bytes):
            self._more.set()

    async def run(self) -> None:
        """Raises `ScratchFull` if the disk can't keep the film."""
        while self.landed_bytes < self._film.size_bytes:
            self._more.clear()
            await self._more.wait()
            self._flush_at = self.landed_bytes + FLUSH_BYTES
            try:
                await asyncio.to_thread(_flush, self._path)
            except OSError as error:
                raise ScratchFull(f"the scratch disk can't keep the film ({error.strerror})") from error

    async def complete(self) -> Film:
        return _film(await self._adopt())

    async def abort(self) -> None:
        """Nothing is in the store yet."""


class Uploading:
    def __init__(self, film: VirtualFile, source: Source, upload: Upload) -> None:
        self._film = film
        self._source = source
        self._upload = upload
        self._coverage = Coverage(film)
        self._parts = -(-film.size_bytes // upload.part_bytes)
        self._ready: asyncio.Queue[int | None] = asyncio.Queue()
        self._queued: set[int] = set()

    @property
    def landed_bytes(self) -> int:
        return self._coverage.landed_bytes

    @property
    def stored_bytes(self) -> int:
        return self._coverage.landed_bytes

    def land(self, landed: Landed) -> None:
        self._coverage.land(landed)
        for span in self._film.holding(landed.file, landed.span):
            first, last = span.start // self._upload.part_bytes, (span.end - 1) // self._upload.part_bytes
            for part in range(first, last + 1):
                if part not in self._queued and self._coverage.covers(*self._range(part)):
                    self._enqueue(part)

    def _enqueue(self, part: int) -> None:
        self._queued.add(part)
        self._ready.put_nowait(part)
        if len(self._queued) == self._parts:
            for _ in range(PARTS_AT_ONCE):
                self._ready.put_nowait(None)

    def _range(self, part: int) -> tuple[int, int]:
        offset = part * self._upload.part_bytes
        return offset, min(self._upload.part_bytes, self._film.size_bytes - offset)

    async def run(self) -> None:
        """Raises `StorageFailed`."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(PARTS_AT_ONCE):
                    tasks.create_task(self._work(), name=f"upload-{number}")
        except* StoreError as errors:
            raise StorageFailed(str(errors.exceptions[0])) from errors

    async def _work(self) -> None:
        while (part := await self._ready.get()) is not None:
            data = await self._film.read(self._source, *self._range(part), Urgency.FILL)
            await self._upload.put_part(part + 1, data)

    async def complete(self) -> Film:
        return _film(await self._upload.complete())

    async def abort(self) -> None:
        await _abort(self._upload)


class Streaming:
    """A film that comes as a stream, once, and is proven at its end: part by part as it comes."""

    def __init__(self, pieces: AsyncIterator[bytes], upload: Upload) -> None:
        self.landed_bytes = 0
        self._pieces = pieces
        self._upload = upload

    async def run(self) -> None:
        """Raises what `pieces` raises, and `StorageFailed`; of several errors an ExceptionGroup."""
        turns = asyncio.Semaphore(PARTS_AT_ONCE)
        part, number, part_bytes = bytearray(), 1, self._upload.part_bytes
        async with asyncio.TaskGroup() as tasks:
            async for piece in self._pieces:
                part += piece
                self.landed_bytes += len(piece)
                while len(part) >= part_bytes:
                    await turns.acquire()
                    tasks.create_task(self._put(number, bytes(part[:part_bytes]), turns))
                    del part[:part_bytes]
                    number += 1
            if part:
                tasks.create_task(self._put(number, bytes(part), turns))

    async def _put(self, number: int, data: bytes, turns: asyncio.Semaphore) -> None:
        try:
            await self._upload.put_part(number, data)
        except StoreError as error:
            raise StorageFailed(str(error)) from error
        finally:
            turns.release()

    async def complete(self) -> Film:
        return _film(await self._upload.complete())

    async def abort(self) -> None:
        await _abort(self._upload)


def _film(stored: ObjectInfo) -> Film:
    return Film(key=stored.key, size_bytes=stored.size_bytes, content_type=stored.content_type)


async def _abort(upload: Upload) -> None:
    with suppress(StoreError, TimeoutError):
        async with asyncio.timeout(ABORT_S):
            await upload.abort()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
