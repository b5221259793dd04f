"""Files that came out of an archive, as a source: what is in them is found like in posted ones."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from pathlib import Path

from libs.common.ranges import Lying
from services.downloader.source import (
    HEAD_BYTES,
    Census,
    FileCensus,
    Landed,
    Layout,
    Lost,
    PostedFile,
    Span,
    Urgency,
)
from services.downloader.usenet.journal import Record
from services.downloader.usenet.spool import Spool


class Layer:
    """Implements `services.downloader.source.Source`: everything is there, and nothing can be lost."""

    def __init__(self, directory: Path) -> None:
        """Makes the directory. Raises `ScratchFull`."""
        self._spool = Spool(directory, "")
        self._files: list[PostedFile] = []
        self.directory = directory

    def write(self, offset: int, data: bytes, size_bytes: int) -> None:
        """A piece of the file that is added next. Raises `ScratchFull`."""
        record = Record(len(self._files), 0, offset, len(data), size_bytes, crc=None)
        self._spool.write(record, data)

    def add(self, name: str, size_bytes: int) -> None:
        """Of the file just written."""
        index = len(self._files)
        self._spool.complete(index, size_bytes)
        head = self._spool.read(index, 0, HEAD_BYTES)
        self._files.append(PostedFile(index=index, subject="", name=name, size_bytes=size_bytes, head=head))

    def end_writing(self) -> None:
        """Closes what was open for it."""
        self._spool.close()

    @property
    def files(self) -> Sequence[PostedFile]:
        return self._files

    @property
    def bytes_received(self) -> int:
        return 0

    async def open_first(self, files: Collection[int]) -> None:
        """Everything is open."""

    async def open(self) -> None:
        """Everything is open."""

    async def census(self) -> Census:
        files = [FileCensus() for _ in self._files]
        return Census(files=files, articles=0, missing_articles=0, sure=True)

    async def read(self, file: int, offset: int, length: int, urgency: Urgency) -> bytes:  # noqa: ARG002
        return self._spool.read(file, offset, length)

    async def lying(self, file: int, offset: int, length: int, urgency: Urgency) -> Lying | None:
        """It is played when it is in the store."""

    async def fill(self, files: Sequence[int]) -> AsyncGenerator[Landed | Lost]:
        for file in files:
            yield Landed(file=file, span=Span(0, self._files[file].size_bytes))

    def expect(self, name: str, size_bytes: int) -> int:
        raise ValueError(f"“{name}” ({size_bytes} bytes) can't be mended here: all of it has been unpacked")

    def holes(self, file: int) -> Sequence[Span]:  # noqa: ARG002
        return ()

    def crc32(self, file: int) -> int | None:  # noqa: ARG002
        return None

    def path(self, file: int) -> Path:
        return self._spool.path(file)

    async def lay_out(self, film: Layout) -> Path:
        await asyncio.to_thread(self._spool.lay_out, film, range(len(self._files)))
        return self._spool.film_path

    async def spooled(self, file: int, span: Span) -> bytes:
        return await asyncio.to_thread(self._spool.read, file, span.start, span.length)

    async def mend(self, file: int, offset: int, data: bytes) -> None:
        """Nothing here can be damaged."""

    async def mended(self, file: int, size_bytes: int) -> None:
        """Nothing here can be damaged."""

    async def close(self) -> None:
        self._spool.close()
