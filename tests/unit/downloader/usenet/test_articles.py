"""Where parts go: whatever headers say, landed parts lie in the file, in order, and never overlap."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.downloader.source import Span
from services.downloader.usenet.articles import PartHeader, PartRefused, Parts


def land(parts: Parts, slot: int, file_bytes: int, begin: int, end: int) -> None:
    parts.record(slot, parts.place(slot, PartHeader(file_bytes, begin, end)), file_bytes)


def test_the_first_part_gives_the_grid():
    parts = Parts(range(5))
    assert parts.size_bytes is None
    assert parts.gaps() == []
    land(parts, 0, 4_500, 0, 1_000)
    assert parts.size_bytes == 4_500
    assert [parts.expected(slot) for slot in (1, 4, 5)] == [Span(1_000, 2_000), Span(4_000, 4_500), None]
    assert parts.needed(Span(999, 3_001)) == [1, 2, 3]
    assert parts.gaps() == [Span(1_000, 4_500)]
    assert parts.survey() == ([Span(0, 1_000)], [1, 2, 3, 4])


@pytest.mark.parametrize(("slot", "begin", "end"), [(3, 3_000, 4_000), (4, 4_000, 4_500)])
def test_any_part_gives_the_grid(slot: int, begin: int, end: int):
    parts = Parts(range(5))
    land(parts, slot, 4_500, begin, end)
    assert parts.expected(1) == Span(1_000, 2_000)


def test_listed_parts_beyond_the_end_are_not_wanted():
    parts = Parts(range(9))
    land(parts, 0, 4_500, 0, 1_000)
    assert parts.survey()[1] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("slot", "header"),
    [
        (1, PartHeader(4_501, 1_000, 2_000)),
        (1, PartHeader(4_500, 4_000, 5_000)),
        (1, PartHeader(4_500, 10**12, 10**12 + 1_000)),
        (1, PartHeader(4_500, -5, 995)),
        (1, PartHeader(4_500, 2_000, 1_000)),
        (1, PartHeader(4_500, 1_000, 1_000)),
        (1, PartHeader(4_500, 0, 1_000)),
        (1, PartHeader(4_500, 500, 1_500)),
        (1, PartHeader(4_500, 1_000, 2_500)),
        (4, PartHeader(4_500, 500, 1_000)),
        (2, PartHeader(4_500, 2_000, 3_500)),
    ],
)
def test_impossible_headers_are_refused_however_often_they_come(slot: int, header: PartHeader):
    parts = Parts(range(5))
    land(parts, 0, 4_500, 0, 1_000)
    land(parts, 3, 4_500, 3_000, 4_000)
    refusals = 0
    for _ in range(3):
        with suppress(PartRefused):
            parts.place(slot, header)
            continue
        refusals += 1
    # Only a place between its neighbours is ever believed, and only the second time.
    believable = slot == 1 and header == PartHeader(4_500, 1_000, 2_500)
    assert refusals == (1 if believable else 3)


def test_a_file_larger_than_its_articles_could_hold_is_refused():
    with pytest.raises(PartRefused, match="claims a file"):
        Parts(range(2)).place(0, PartHeader(21 * 1024**2, 0, 1_000))


def test_a_mended_file_needs_nothing():
    parts = Parts(range(5))
    land(parts, 0, 4_500, 0, 1_000)
    parts.mend(4_500)
    assert parts.needed(Span(0, 4_500)) == []
    assert parts.gaps() == []
    assert parts.survey() == ([Span(0, 4_500)], [])


_headers = st.builds(PartHeader, st.sampled_from([100, 101]), st.integers(-5, 105), st.integers(-5, 110))


@given(st.lists(st.tuples(st.integers(0, 9), _headers), max_size=60))
def test_whatever_comes_parts_never_overlap_or_leave_the_file(claims: list[tuple[int, PartHeader]]):
    parts = Parts(range(10))
    landed: dict[int, Span] = {}
    for slot, header in claims:
        if slot in landed:
            continue
        with suppress(PartRefused):
            land(parts, slot, header.file_bytes, header.begin, header.end)
            landed[slot] = Span(header.begin, header.end)
    size = parts.size_bytes or 0
    ordered = [landed[slot] for slot in sorted(landed)]
    assert all(0 <= span.start < span.end <= size for span in ordered)
    assert all(a.end <= b.start for a, b in pairwise(ordered))
    everything = sorted(ordered + parts.gaps())
    assert sum(span.length for span in everything) == size
    assert all(a.end == b.start for a, b in pairwise(everything))


@given(st.lists(st.integers(1, 500), min_size=1, max_size=30), st.data())
def test_reading_an_uneven_file_always_comes_to_an_end(sizes: list[int], data: st.DataObject):
    ends = [sum(sizes[: index + 1]) for index in range(len(sizes))]
    truth = [Span(end - size, end) for size, end in zip(sizes, ends, strict=True)]
    total = ends[-1]
    parts = Parts(range(len(sizes)))
    land(parts, 0, total, 0, sizes[0])
    start = data.draw(st.integers(0, total - 1))
    wanted = Span(start, data.draw(st.integers(start + 1, total)))
    for _ in range(len(sizes)):
        for slot in parts.needed(wanted):
            if slot < len(sizes):
                with suppress(PartRefused):
                    parts.place(slot, PartHeader(total, truth[slot].start, truth[slot].end))
                land(parts, slot, total, truth[slot].start, truth[slot].end)
    assert parts.needed(wanted) == []
    assert not any(gap.start < wanted.end and wanted.start < gap.end for gap in parts.gaps())
