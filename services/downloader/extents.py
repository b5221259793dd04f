"""Readable bytes over posted files: what a film is, wherever its bytes lie.

A film posted plainly, or stored in volumes of an archive, is a list of extents. This module does arithmetic
on them: which posted bytes make up a range of the film, and which ranges of it are there already.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice, pairwise

import msgspec

from libs.common.ranges import Lying

from .source import Landed, Reads, Source, Span, Urgency


class Extent(msgspec.Struct, frozen=True, order=True):
    """`length` bytes of posted file `file`, from `offset` on."""

    file: int
    offset: int
    length: int

    @property
    def end(self) -> int:
        return self.offset + self.length


class VirtualFile:
    """A file made of extents, in order. Immutable; no posted byte is part of it twice.

    `name` is for showing and for its extension only, never a path. Raises ValueError for extents that are
    negative or overlap: parsers of foreign bytes must have refused those.
    """

    as_posted = True
    """Whether its bytes are posted ones as they are: then it is a `Layout`."""

    def __init__(self, name: str, extents: Iterable[Extent]) -> None:
        self.name = name
        self.extents: Sequence[Extent] = tuple(extent for extent in extents if extent.length)
        starts = list(accumulate((extent.length for extent in self.extents), initial=0))
        self.size_bytes = starts.pop()
        self._starts = starts
        self._posted = _by_posted_file(self.extents, starts)

    def spans(self, offset: int, length: int) -> list[Extent]:
        """The posted bytes that make up `length` bytes from `offset` on, in order.

        O(log extents + what is returned). Raises ValueError for a range that is not inside the file.
        """
        if offset < 0 or length < 0 or offset + length > self.size_bytes:
            raise ValueError(f"{offset}+{length} is not inside {self.size_bytes} bytes")
        found: list[Extent] = []
        at = bisect_right(self._starts, offset) - 1
        while length:
            extent = self.extents[at]
            skip = offset - self._starts[at]
            taken = min(extent.length - skip, length)
            found.append(Extent(extent.file, extent.offset + skip, taken))
            offset, length, at = offset + taken, length - taken, at + 1
        return found

    def holding(self, file: int, span: Span) -> Iterator[Span]:
        """The inverse of `spans`: which ranges of this file take those posted bytes, if any."""
        for start, posted in self.places(file, span):
            yield Span(start, start + posted.length)

    def places(self, file: int, span: Span) -> Iterator[tuple[int, Span]]:
        """See `Layout`: where in this file posted bytes are, and which of them, ascending."""
        pieces = self._posted.get(file, [])
        at = max(bisect_right(pieces, span.start, key=_posted_offset) - 1, 0)
        for extent, start in islice(pieces, at, None):
            if extent.offset >= span.end:
                return
            first, last = max(span.start, extent.offset), min(span.end, extent.end)
            if first < last:
                yield start + first - extent.offset, Span(first, last)

    async def read(self, source: Reads, offset: int, length: int, urgency: Urgency) -> bytes:
        """Exactly these bytes. Raises what `Reads.read` raises, and ValueError for a range outside."""
        return b"".join(
            [await source.read(e.file, e.offset, e.length, urgency) for e in self.spans(offset, length)]
        )

    async def lying(self, source: Source, offset: int, length: int, urgency: Urgency) -> Lying | None:
        """As `read`, but where they lie; see `Source.lying`."""
        found: Lying | None = None
        for extent in self.spans(offset, length):
            more = await source.lying(extent.file, extent.offset, extent.length, urgency)
            found = _joined(found, more) if found else more
            if found is None:
                return None
        return found


class Ranges:
    """A set of byte ranges, kept disjoint and merged.

    `add` finds its place by bisection and swallows what it touches: n additions merge at most n times.
    """

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.total_bytes = 0

    def __iter__(self) -> Iterator[Span]:
        return map(Span, self._starts, self._ends)

    def add(self, start: int, end: int) -> None:
        if start >= end:
            return
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        swallowed = sum(self._ends[first:last]) - sum(self._starts[first:last])
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]
        self.total_bytes += end - start - swallowed

    def covers(self, start: int, end: int) -> bool:
        """Whether every byte from `start` up to `end` is in the set; true for an empty range."""
        at = bisect_right(self._starts, start) - 1
        return start >= end or (at >= 0 and end <= self._ends[at])


class Coverage:
    """Which bytes of `film` have landed. No I/O; telling it the same span twice changes nothing."""

    def __init__(self, film: VirtualFile) -> None:
        self._film = film
        self._touched = Ranges()
        self._posted: dict[int, Ranges] = {}

    @property
    def landed_bytes(self) -> int:
        return self._touched.total_bytes

    def land(self, landed: Landed) -> None:
        for span in self._film.holding(landed.file, landed.span):
            self._touched.add(span.start, span.end)
        self._posted.setdefault(landed.file, Ranges()).add(landed.span.start, landed.span.end)

    def covers(self, offset: int, length: int) -> bool:
        """Whether all of these bytes of the film are there; false for a range that reaches outside.

        An encrypted byte takes more than one posted byte, so that the posted ones are asked for.
        """
        if offset < 0 or offset + length > self._film.size_bytes:
            return False
        return all(
            extent.file in self._posted and self._posted[extent.file].covers(extent.offset, extent.end)
            for extent in self._film.spans(offset, length)
        )


_Piece = tuple[Extent, int]
"""An extent, and where in the virtual file it starts."""


def _joined(one: Lying, other: Lying | None) -> Lying | None:
    """The two as one, if the other begins where the one ends."""
    end = (one.descriptor, one.offset + one.length)
    if other is None or (other.descriptor, other.offset) != end:
        return None
    return Lying(descriptor=one.descriptor, offset=one.offset, length=one.length + other.length)


def _posted_offset(piece: _Piece) -> int:
    return piece[0].offset


def _by_posted_file(extents: Sequence[Extent], starts: Sequence[int]) -> dict[int, list[_Piece]]:
    posted: dict[int, list[_Piece]] = {}
    for piece in sorted(zip(extents, starts, strict=True), key=_posted_offset):
        posted.setdefault(piece[0].file, []).append(piece)
    for pieces in posted.values():
        if pieces[0][0].offset < 0 or any(extent.length < 0 for extent, _ in pieces):
            raise ValueError("an extent is negative")
        if any(one.end > other.offset for (one, _), (other, _) in pairwise(pieces)):
            raise ValueError("two extents share posted bytes")
    return posted
