"""A release that is simply there: the Source protocol over bytes in memory, with holes as a test wants."""

import os
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from pathlib import Path
from zlib import crc32

from libs.common.ranges import Lying
from services.downloader.errors import BytesLost
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


class MemorySource:
    """Posted `files` (name and bytes), each cut into articles; a hole loses every article it touches.

    The spool of a file comes into being with its `fill`, in directory `spool`, with zeros where a hole is;
    what is laid out as the film is in both places.
    A file of which every article is lost has the size that a listing claims: somewhat too large.
    `reads` lists what was asked for, so that a test can tell which bytes were needed; `written` what a
    repair brought.
    """

    def __init__(
        self,
        files: Sequence[tuple[str, bytes]],
        spool: Path,
        *,
        holes: Mapping[int, Sequence[Span]] | None = None,
        article_bytes: int = 1000,
    ) -> None:
        self._names = [name for name, _ in files]
        self._bytes = [data for _, data in files]
        self._spool = spool
        self._article_bytes = article_bytes
        self._lost: dict[int, list[Span]] = {
            file: _articles_hit(spans, len(self._bytes[file]), article_bytes)
            for file, spans in (holes or {}).items()
        }
        self._mended: set[int] = set()
        self._film: Layout | None = None
        self.files: Sequence[PostedFile] = ()
        self.bytes_received = 0
        self.reads: list[tuple[int, int, int, Urgency]] = []
        self.filled: list[int] = []
        self.written: list[tuple[int, int, int]] = []

    async def open_first(self, files: Collection[int]) -> None:
        await self.open()

    async def open(self) -> None:
        self.files = [self._posted(index) for index in range(len(self._bytes))]

    async def census(self) -> Census:
        files = [FileCensus(missing=self.holes(file)) for file in range(len(self._bytes))]
        missing = sum(-(-hole.length // self._article_bytes) for file in files for hole in file.missing)
        articles = sum(-(-len(data) // self._article_bytes) for data in self._bytes)
        return Census(files=files, articles=articles, missing_articles=missing, sure=True)

    async def read(self, file: int, offset: int, length: int, urgency: Urgency) -> bytes:
        data = self._bytes[file]
        size_bytes = self.files[file].size_bytes
        if offset < 0 or length < 0 or offset + length > size_bytes:
            raise AssertionError(f"read of {offset}+{length} outside of file {file} ({size_bytes} bytes)")
        self.reads.append((file, offset, length, urgency))
        wanted = Span(offset, offset + length)
        if any(_overlap(wanted, hole) for hole in self.holes(file)):
            raise BytesLost(f"{self._names[file]}: no server has these bytes")
        self.bytes_received += length
        return data[offset : offset + length]

    async def lying(self, file: int, offset: int, length: int, urgency: Urgency) -> Lying | None:
        return None

    async def fill(self, files: Sequence[int]) -> AsyncGenerator[Landed | Lost]:
        for file in files:
            self.filled.append(file)
            data = bytearray(self._bytes[file])
            for hole in self.holes(file):
                data[hole.start : hole.end] = bytes(hole.length)
            if file not in self._mended:
                self.path(file).write_bytes(data.ljust(self.files[file].size_bytes, b"\x00"))
            self._show(file)
            for span in _articles(len(data), self._article_bytes):
                if any(_overlap(span, hole) for hole in self.holes(file)):
                    yield Lost(file=file, span=span, reason="no such article")
                else:
                    yield Landed(file=file, span=span)

    def _show(self, file: int) -> None:
        """What of the spool file is the film's is in the film too."""
        if self._film is None:
            return
        data = self.path(file).read_bytes()
        with (self._spool / "film.spool").open("r+b") as film:
            for start, posted in self._film.places(file, Span(0, len(data))):
                film.seek(start)
                film.write(data[posted.start : posted.end])

    def expect(self, name: str, size_bytes: int) -> int:
        index = len(self._bytes)
        self._names.append(name)
        self._bytes.append(bytes(size_bytes))
        self._lost[index] = [Span(0, size_bytes)]
        posted = PostedFile(index=index, subject="", name=name, size_bytes=size_bytes)
        self.files = [*self.files, posted]
        return index

    def holes(self, file: int) -> Sequence[Span]:
        return [] if file in self._mended else self._lost.get(file, [])

    def crc32(self, file: int) -> int | None:
        return None if self._lost.get(file) or file in self._mended else crc32(self._bytes[file])

    async def lay_out(self, film: Layout) -> Path:
        self._film = film
        path = self._spool / "film.spool"
        path.write_bytes(bytes(film.size_bytes))
        return path

    def path(self, file: int) -> Path:
        return self._spool / f"{file:05}.spool"

    async def spooled(self, file: int, span: Span) -> bytes:
        return self.path(file).read_bytes()[span.start : span.end]

    async def mend(self, file: int, offset: int, data: bytes) -> None:
        self.written.append((file, offset, len(data)))
        with self.path(file).open("r+b") as spool:
            spool.seek(offset)
            spool.write(data)

    async def mended(self, file: int, size_bytes: int) -> None:
        os.truncate(self.path(file), size_bytes)
        self._mended.add(file)
        self._bytes[file] = self.path(file).read_bytes()
        self._show(file)

    async def close(self) -> None:
        pass

    def _posted(self, index: int) -> PostedFile:
        data, name = self._bytes[index], self._names[index]
        head = Span(0, min(len(data), HEAD_BYTES))
        readable = not any(_overlap(head, hole) for hole in self.holes(index))
        known = sum(hole.length for hole in self.holes(index)) < len(data)
        return PostedFile(
            index=index,
            subject=f'"{name}" yEnc',
            name=name,
            size_bytes=len(data) if known else len(data) * 103 // 100,
            head=data[: head.end] if readable else b"",
        )


def _articles(size_bytes: int, article_bytes: int) -> list[Span]:
    return [Span(at, min(at + article_bytes, size_bytes)) for at in range(0, size_bytes, article_bytes)]


def _articles_hit(spans: Sequence[Span], size_bytes: int, article_bytes: int) -> list[Span]:
    return [
        article
        for article in _articles(size_bytes, article_bytes)
        if any(_overlap(article, span) for span in spans)
    ]


def _overlap(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end
