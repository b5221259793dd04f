"""What an instance reads from: posted files, wherever they come from.

A `Source` hides whether bytes come from Usenet articles or torrent pieces. Everything above it (archives,
repair, publish, play) knows only posted files and byte ranges in them.
"""

from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Protocol

import msgspec

from libs.common.ranges import Lying

HEAD_BYTES = 16 * 1024
"""How much of a file's beginning `open` brings: what par2 hashes to name a file, and room for any magic."""


class Urgency(IntEnum):
    """Which lane a read takes: a lower number goes first."""

    PLAYER = 0
    DESCRIBE = 1
    FILL = 2


class Span(msgspec.Struct, frozen=True, order=True):
    """Bytes `start` (included) to `end` (excluded) of one file."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


class PostedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a release, as it was posted."""

    index: int
    subject: str
    name: str
    """The best name known without par2: the part header's, else the subject's, else empty."""
    size_bytes: int
    """Exact once `open` has seen the file's first part; until then what the listing claims."""
    head: bytes = b""
    """The first bytes, at most HEAD_BYTES; empty if they could not be had."""


class Landed(msgspec.Struct, frozen=True, kw_only=True):
    """These bytes of a file are verified and in the spool."""

    file: int
    span: Span


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """These bytes of a file can't be had from any server."""

    file: int
    span: Span
    reason: str


class FileCensus(msgspec.Struct, frozen=True, kw_only=True):
    """What the servers say of one posted file, before it is fetched."""

    missing: Sequence[Span] = ()
    """Ascending and disjoint; what a repair or another release would have to bring."""
    exact: bool = True
    """Proven by part headers; else the places are estimated from what the listing claims."""


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """What of a release can be had: one entry for each posted file, by its index."""

    files: Sequence[FileCensus]
    articles: int
    missing_articles: int
    """No server has these. Some of them were asked for in earnest, and none of those came."""
    sure: bool
    """Every server has told about every article; otherwise more may be missing."""

    @property
    def complete(self) -> bool:
        return self.sure and not self.missing_articles


class Layout(Protocol):
    """A file that is made of posted bytes, as they are: none twice, none changed."""

    @property
    def size_bytes(self) -> int: ...

    def places(self, file: int, span: Span) -> Iterator[tuple[int, Span]]:
        """Those of these posted bytes that are part of it, ascending: where in it, and which they are."""
        ...


class Reads(Protocol):
    """As much of a `Source` as whoever only reads needs."""

    async def read(self, file: int, offset: int, length: int, urgency: Urgency) -> bytes:
        """See `Source.read`."""
        ...


class Source(Protocol):
    """The posted files of one release. Not shared between event loops; safe for many readers in one."""

    @property
    def files(self) -> Sequence[PostedFile]: ...

    @property
    def bytes_received(self) -> int:
        """Payload bytes fetched so far: what a progress bar and a speed are made of."""
        ...

    async def open_first(self, files: Collection[int]) -> None:
        """As `open`, of these files only: what is needed sooner than the rest. Before `open`, if at all."""
        ...

    async def open(self) -> None:
        """Learn each file's exact size, name and head. Raises a `DownloaderError` if it can't."""
        ...

    async def census(self) -> Census:
        """Ask which bytes can be had, without fetching them, in what the lines have to spare; after `open`.

        Never delays a read. Ends within some 30 s; what nobody told by then isn't counted as missing.
        """
        ...

    async def read(self, file: int, offset: int, length: int, urgency: Urgency) -> bytes:
        """Exactly these bytes, verified; fetches what isn't there yet. Raises `BytesLost` for a hole."""
        ...

    async def lying(self, file: int, offset: int, length: int, urgency: Urgency) -> Lying | None:
        """As `read`, but where they lie together in an open file; None if they don't, or nobody knows yet.

        Good until the source is closed.
        """
        ...

    def fill(self, files: Sequence[int]) -> AsyncGenerator[Landed | Lost]:
        """Bring the whole of these files into the spool, each byte once; tells as it goes, in any order.

        What is already there is told first. Ends when every byte is landed or lost.
        """
        ...

    def expect(self, name: str, size_bytes: int) -> int:
        """Takes up a file that was never posted, as one of which nothing can be had: until it is mended.

        Gives its index.
        """
        ...

    def holes(self, file: int) -> Sequence[Span]:
        """What a finished `fill` could not get, ascending and disjoint."""
        ...

    def crc32(self, file: int) -> int | None:
        """Of all of a filled file, put together from what its parts told; None if it has or had holes."""
        ...

    async def lay_out(self, film: Layout) -> Path:
        """Have the film's bytes in the spool as the film itself, those to come too; where that is. Once."""
        ...

    def path(self, file: int) -> Path:
        """The spool file: sparse, of `size_bytes` after a `fill`; without what is laid out elsewhere."""
        ...

    async def spooled(self, file: int, span: Span) -> bytes:
        """These bytes from the spool, wherever it has them; after a `fill`, and zeros where nothing came."""
        ...

    async def mend(self, file: int, offset: int, data: bytes) -> None:
        """Put bytes that were made anew and proven in their place; after a `fill`."""
        ...

    async def mended(self, file: int, size_bytes: int) -> None:
        """Every hole has had its `mend`, and this is the file's true size."""
        ...

    async def close(self) -> None: ...
