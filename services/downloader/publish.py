"""Uploads the film while it comes down: each part as soon as its bytes are there, in any order.

Memory: at most PARTS_AT_ONCE parts (8 MiB each up to 75 GB, beyond that a 9,000th of the film).
"""

import asyncio
from collections.abc import AsyncIterable, Callable

from libs.common.objects import StoreError, Upload
from services.downloader.errors import StorageFailed
from services.downloader.extents import Coverage, VirtualFile
from services.downloader.source import Landed, Source, Urgency

PARTS_AT_ONCE = 3


class Publisher:
    """One film on its way into the store: `land` as bytes come, while `run` uploads what is whole."""

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
        """How much of the film is verified and in the spool."""
        return self._coverage.landed_bytes

    def land(self, landed: Landed) -> None:
        """Take note of verified bytes. Idempotent."""
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
        """Returns when every part is up. Raises StorageFailed."""
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


async def publish_pieces(pieces: AsyncIterable[bytes], upload: Upload, tell: Callable[[int], None]) -> None:
    """Uploads a film that comes as a stream; returns when it has ended and every part is up.

    `tell` is told how many bytes have come. Raises what `pieces` raises, and StorageFailed; of several errors
    an ExceptionGroup.
    """
    turns = asyncio.Semaphore(PARTS_AT_ONCE)
    part, number, come_bytes = bytearray(), 1, 0

    async def put(number: int, data: bytes) -> None:
        try:
            await upload.put_part(number, data)
        except StoreError as error:
            raise StorageFailed(str(error)) from error
        finally:
            turns.release()

    async with asyncio.TaskGroup() as tasks:
        async for piece in pieces:
            part += piece
            come_bytes += len(piece)
            tell(come_bytes)
            while len(part) >= upload.part_bytes:
                await turns.acquire()
                tasks.create_task(put(number, bytes(part[: upload.part_bytes])), name=f"upload-{number}")
                del part[: upload.part_bytes]
                number += 1
        if part:
            tasks.create_task(put(number, bytes(part)), name=f"upload-{number}")
