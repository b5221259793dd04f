"""Where the parts of one posted file are: proven by their headers, never guessed, never trusted alone."""

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Final, Self

import msgspec
import sabctools

from services.downloader.source import Span

PART_BYTES_MAX: Final = 10 * 1024 * 1024
"""What the decoder takes at most."""
FILE_BYTES_MAX: Final = 500 * 1024**3


class PartRefused(Exception):
    """This part is not what it should be. The text says why."""


class PartHeader(msgspec.Struct, frozen=True):
    """What a yEnc part says of itself: its file's size, and the bytes `begin` to `end` (excluded) of it."""

    file_bytes: int
    begin: int
    end: int


def part_header(response: sabctools.NNTPResponse) -> PartHeader:
    """The header of an answer whose body is whole and good. Raises `PartRefused` for any other."""
    if response.data is None or response.format != sabctools.EncodingFormat.YENC:
        raise PartRefused("the article holds no yEnc part")
    # Both are None without a "=yend" line that has a checksum: nothing then proves that the article is whole.
    if response.crc is None or response.crc_expected is None:
        raise PartRefused("the article is damaged: its checksum is wrong or missing")
    if response.bytes_decoded != response.part_size:
        raise PartRefused("the article is damaged: it is shorter or longer than its header says")
    return PartHeader(response.file_size, response.part_begin, response.part_end)


class Parts:
    """The map of one file's parts. Written by the engine's thread, read by the loop's: each call is atomic.

    Parts are counted from 0 (`slot`). Nearly every post cuts its file into equal parts, so the first part
    seen gives the grid and the place of every other one. A header that contradicts the grid is believed only
    when a second fetch says the same; then the file counts as uneven, and its parts only have to fit between
    their neighbours.
    """

    def __init__(self, listed: Sequence[int]) -> None:
        """`listed`: the slots that have an article, ascending."""
        self._lock = Lock()
        self._listed = listed
        self._slot_count = listed[-1] + 1 if listed else 0
        self._size_bytes: int | None = None
        self._part_bytes: int | None = None
        self._uneven = False
        self._bare = False
        self._doubted: dict[int, Span] = {}
        self._landed: dict[int, Span] = {}
        self._order: list[int] = []
        self._mended = False

    @classmethod
    def of_nothing(cls, size_bytes: int) -> Self:
        """Of a file of which no part was posted, and that has this size."""
        parts = cls(())
        parts._size_bytes = parts._part_bytes = size_bytes
        return parts

    @property
    def size_bytes(self) -> int | None:
        """The file's size; None until a part has told it."""
        return self._size_bytes

    def place(self, slot: int, header: PartHeader) -> Span:
        """Where this part goes. Raises `PartRefused` if that can't be true. Changes nothing that is known."""
        with self._lock:
            if self._bare:
                raise PartRefused(f"part {slot + 1} is not uuencoded as the others of its file are")
            span = self._inside_file(slot, header)
            self._check_neighbours(slot, span)
            if not self._uneven and not self._on_grid(slot, span):
                if self._doubted.get(slot) != span:
                    self._doubted[slot] = span
                    raise PartRefused(
                        f"part {slot + 1} says it starts at byte {span.start}, which is not its place"
                    )
                self._uneven = True
            return span

    def place_bare(self, slot: int, length: int, *, begins: bool, ends: bool) -> tuple[Span, int | None]:
        """Where a part goes that tells only its length and whether it begins or ends its file; and the file's
        size if it is known then. Raises `PartRefused` if that can't be told. Changes nothing that is known.
        """
        with self._lock:
            last = self._slot_count - 1
            if begins != (slot == 0) or ends != (slot == last):
                raise PartRefused(f"part {slot + 1} begins or ends its file, or doesn't, against the listing")
            part_bytes = length if slot == 0 else self._part_bytes
            if (
                part_bytes is None
                or self._uneven
                or length > part_bytes
                or (length < part_bytes and not ends)
            ):
                raise PartRefused(f"nothing tells the place of part {slot + 1}, which is uuencoded")
            span = Span(slot * part_bytes, slot * part_bytes + length)
            size_bytes = span.end if ends else self._size_bytes
            if self._size_bytes not in {None, size_bytes}:
                raise PartRefused(f"part {slot + 1} belongs to a file of another size")
            return span, size_bytes

    def record(self, slot: int, span: Span, file_bytes: int | None) -> None:
        """The bytes of a part that was placed are in the spool. A later one may tell the file's size."""
        with self._lock:
            if file_bytes is None:
                self._bare, self._part_bytes = True, span.length
            elif self._size_bytes is None and self._bare:
                self._size_bytes = file_bytes
            elif self._size_bytes is None:
                self._size_bytes = file_bytes
                self._part_bytes = self._grid_from(slot, span, file_bytes)
                self._uneven = self._part_bytes is None
            self._landed[slot] = span
            insort(self._order, slot)

    def telling(self, probe: int) -> int | None:
        """The slot to try next for the file's size, the first one as probe 0; None if none is left."""
        with self._lock:
            if self._bare:
                # The first part is there and has not told it: the last one will.
                return self._slot_count - 1
            return self._listed[probe] if probe < len(self._listed) else None

    def landed(self, slot: int) -> Span | None:
        with self._lock:
            return self._landed.get(slot)

    def survey(self) -> tuple[list[Span], list[int]]:
        """At one moment, ascending: the bytes that have landed, and the slots to fetch that haven't."""
        with self._lock:
            if self._mended:
                return [Span(0, self._size_bytes)] if self._size_bytes else [], []
            count = self._slot_count
            if not self._uneven and self._size_bytes is not None and self._part_bytes is not None:
                count = -(-self._size_bytes // self._part_bytes)
            absent = [slot for slot in self._listed if slot < count and slot not in self._landed]
            return self._runs(), absent

    def expected(self, slot: int) -> Span | None:
        """Where the grid puts a part; None if the file has no grid (yet)."""
        with self._lock:
            if self._uneven or self._part_bytes is None:
                return None
            return self._grid_span(slot)

    def absent(self, slots: Iterable[int]) -> list[Span] | None:
        """The bytes of these slots and of those that nobody listed, merged; None without a grid."""
        with self._lock:
            if self._mended:
                return []
            if self._uneven or self._part_bytes is None or self._size_bytes is None:
                return None
            count = -(-self._size_bytes // self._part_bytes)
            unlisted = (
                set[int]() if len(self._listed) >= count else set(range(count)).difference(self._listed)
            )
            places = (self._grid_span(slot) for slot in sorted(unlisted.union(slots)))
            return merged(place for place in places if place is not None)

    def needed(self, span: Span) -> list[int]:
        """The slots to fetch before `span` can be read. In an uneven file a guess: ask again after."""
        with self._lock:
            if self._mended or span.start >= span.end:
                return []
            if self._size_bytes is None and self._bare:
                return [] if self._part_bytes and span.end <= self._part_bytes else [self._slot_count - 1]
            if self._size_bytes is None:
                return [self._listed[0]]
            slots: dict[int, None] = {}
            position = span.start
            while position < span.end:
                slot, end = self._covering(position, self._size_bytes)
                if slot not in self._landed:
                    slots[slot] = None
                position = max(end, position + 1)
            return list(slots)

    def gaps(self, claimed_bytes: int | None = None) -> list[Span]:
        """The bytes that haven't landed, ascending and disjoint. As long as nothing has told the file's size:
        none; with a claim, as if it were the size, but always something behind what has landed.
        """
        with self._lock:
            if self._mended or (self._size_bytes is None and claimed_bytes is None):
                return []
            runs = self._runs()
            starts = [0, *(run.end for run in runs)]
            size_bytes = self._size_bytes or max(claimed_bytes or 0, starts[-1] + 1)
            ends = [*(run.start for run in runs), size_bytes]
            return [Span(start, end) for start, end in zip(starts, ends, strict=True) if start < end]

    def mend(self, size_bytes: int) -> None:
        """Every byte is there, however it came."""
        with self._lock:
            self._mended, self._size_bytes = True, size_bytes

    def _runs(self) -> list[Span]:
        return merged(self._landed[slot] for slot in self._order)

    def _inside_file(self, slot: int, header: PartHeader) -> Span:
        # The size is bounded by what the listed articles could carry at most.
        size_max = min(FILE_BYTES_MAX, self._slot_count * PART_BYTES_MAX)
        if not 0 < header.file_bytes <= size_max:
            raise PartRefused(f"part {slot + 1} claims a file of {header.file_bytes} bytes")
        if self._size_bytes is not None and header.file_bytes != self._size_bytes:
            raise PartRefused(f"part {slot + 1} belongs to a file of another size")
        if not 0 <= header.begin < header.end <= header.file_bytes:
            raise PartRefused(f"part {slot + 1} lies outside its file")
        if header.end - header.begin > PART_BYTES_MAX or (header.begin == 0) != (slot == 0):
            raise PartRefused(f"part {slot + 1} has an impossible place")
        return Span(header.begin, header.end)

    def _check_neighbours(self, slot: int, span: Span) -> None:
        position = bisect_right(self._order, slot)
        before = self._order[position - 1] if position else None
        after = self._order[position] if position < len(self._order) else None
        if before is not None:
            end = self._landed[before].end
            if span.start < end or (before == slot - 1 and span.start != end):
                raise PartRefused(f"part {slot + 1} doesn't follow the parts before it")
        if after is not None:
            start = self._landed[after].start
            if span.end > start or (after == slot + 1 and span.end != start):
                raise PartRefused(f"part {slot + 1} runs into the parts after it")

    def _on_grid(self, slot: int, span: Span) -> bool:
        return self._size_bytes is None or span == self._grid_span(slot)

    def _grid_span(self, slot: int) -> Span | None:
        if self._part_bytes is None or self._size_bytes is None:
            return None
        start = slot * self._part_bytes
        return (
            Span(start, min(start + self._part_bytes, self._size_bytes)) if start < self._size_bytes else None
        )

    def _grid_from(self, slot: int, span: Span, file_bytes: int) -> int | None:
        if slot == 0:
            return span.length
        part_bytes, remainder = divmod(span.start, slot)
        is_last = span.end == file_bytes and span.length <= part_bytes
        return part_bytes if remainder == 0 and (is_last or span.length == part_bytes) else None

    def _covering(self, position: int, size_bytes: int) -> tuple[int, int]:
        """The slot that has this byte, or most likely has it, and where its bytes end."""
        after_index = bisect_right(self._order, position, key=lambda slot: self._landed[slot].start)
        before, start = -1, 0
        if after_index:
            before = self._order[after_index - 1]
            start = self._landed[before].end
            if position < start:
                return before, start
        after, end = self._slot_count, size_bytes
        if after_index < len(self._order):
            after = self._order[after_index]
            end = self._landed[after].start
        grid = None if self._uneven else self._part_bytes
        if grid and position // grid < self._slot_count:
            return position // grid, min((position // grid + 1) * grid, size_bytes)
        between = max(after - before - 1, 1)
        each = max((end - start) // between, 1)
        return min(before + 1 + (position - start) // each, max(after - 1, before + 1)), min(
            position + each, end
        )


def merged(spans: Iterable[Span]) -> list[Span]:
    """Ascending, disjoint spans, those that touch made one."""
    runs: list[Span] = []
    for span in spans:
        if runs and runs[-1].end == span.start:
            runs[-1] = Span(runs[-1].start, span.end)
        else:
            runs.append(span)
    return runs
