"""Extents against the plainest oracle there is: arrays with one element per byte."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.downloader.errors import BytesLost
from services.downloader.extents import Coverage, Extent, Ranges, VirtualFile
from services.downloader.source import Landed, Span, Urgency
from tests.support.memory_source import MemorySource

FILE_BYTES = 60


@st.composite
def layouts(draw: st.DrawFn) -> list[Extent]:
    """Disjoint extents of up to three posted files of FILE_BYTES, in any order, some of them empty."""
    extents: list[Extent] = []
    for file in range(draw(st.integers(1, 3))):
        cuts = sorted(draw(st.lists(st.integers(0, FILE_BYTES), min_size=2, max_size=8)))
        extents += [Extent(file, a, b - a) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    return draw(st.permutations(extents))


def posted_bytes(extents: list[Extent]) -> list[tuple[int, int]]:
    """The oracle: for each byte of the virtual file, the file and offset it comes from."""
    return [(e.file, at) for e in extents for at in range(e.offset, e.offset + e.length)]


ranges = st.tuples(st.integers(0, FILE_BYTES), st.integers(0, FILE_BYTES)).map(
    lambda pair: Span(*sorted(pair))
)


@given(layouts(), st.data())
def test_spans_are_the_posted_bytes_of_a_range(extents: list[Extent], data: st.DataObject):
    oracle = posted_bytes(extents)
    film = VirtualFile("film.mkv", extents)
    offset = data.draw(st.integers(0, len(oracle)))
    length = data.draw(st.integers(0, len(oracle) - offset))

    spans = film.spans(offset, length)

    assert film.size_bytes == len(oracle)
    assert posted_bytes(spans) == oracle[offset : offset + length]
    assert all(span.length for span in spans)


@given(layouts(), st.integers(0, 3), ranges)
def test_holding_is_the_inverse_of_spans(extents: list[Extent], file: int, span: Span):
    film = VirtualFile("film.mkv", extents)
    found = [at for held in film.holding(file, span) for at in range(held.start, held.end)]

    wanted = {(file, at) for at in range(span.start, span.end)}
    assert sorted(found) == [at for at, where in enumerate(posted_bytes(extents)) if where in wanted]


@given(layouts(), st.lists(st.tuples(st.integers(0, 3), ranges), max_size=20), st.data())
def test_coverage_is_what_landed(
    extents: list[Extent], landings: list[tuple[int, Span]], data: st.DataObject
):
    film = VirtualFile("film.mkv", extents)
    coverage = Coverage(film)
    landed: set[tuple[int, int]] = set()
    for file, span in landings:
        coverage.land(Landed(file=file, span=span))
        landed |= {(file, at) for at in range(span.start, span.end)}

    there = [where in landed for where in posted_bytes(extents)]
    assert coverage.landed_bytes == sum(there)
    offset = data.draw(st.integers(0, len(there)))
    length = data.draw(st.integers(0, len(there) - offset))
    assert coverage.covers(offset, length) == all(there[offset : offset + length])
    assert not coverage.covers(offset, len(there) - offset + 1)


@given(st.lists(ranges, max_size=30))
def test_ranges_stay_disjoint_sorted_and_merged(added: list[Span]):
    kept = Ranges()
    for span in added:
        kept.add(span.start, span.end)

    spans = list(kept)
    assert {at for s in spans for at in range(s.start, s.end)} == {
        at for s in added for at in range(s.start, s.end)
    }
    assert all(one.end < other.start for one, other in pairwise(spans))
    assert kept.total_bytes == sum(s.length for s in spans)


def test_many_articles_in_the_worst_order_merge_to_one():
    """50,000 articles, every second one first, so that nothing merges for as long as possible."""
    size = 50_000
    coverage = Coverage(VirtualFile("film.mkv", [Extent(0, 0, size * 10)]))
    for article in [*range(0, size, 2), *range(size - 1, 0, -2)]:
        coverage.land(Landed(file=0, span=Span(article * 10, article * 10 + 10)))

    assert coverage.landed_bytes == size * 10
    assert coverage.covers(0, size * 10)


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, 11), (10, 1), (3, -1), (11, 0)])
def test_a_range_outside_is_refused(offset: int, length: int):
    with pytest.raises(ValueError, match="not inside"):
        VirtualFile("film.mkv", [Extent(0, 5, 10)]).spans(offset, length)


@pytest.mark.parametrize(
    "extents",
    [
        [Extent(0, 0, 10), Extent(0, 9, 5)],
        [Extent(0, 4, 2), Extent(0, 0, 10)],
        [Extent(0, -1, 5)],
        [Extent(0, 5, -1)],
    ],
)
def test_extents_that_overlap_or_are_negative_are_refused(extents: list[Extent]):
    with pytest.raises(ValueError):
        VirtualFile("film.mkv", extents)


async def test_read_joins_the_pieces(tmp_path: Path):
    source = MemorySource([("a", b"0123456789"), ("b", b"abcdefghij")], tmp_path)
    await source.open()
    film = VirtualFile("film.mkv", [Extent(1, 2, 4), Extent(0, 5, 5)])

    assert await film.read(source, 0, 9, Urgency.PLAYER) == b"cdef56789"
    assert await film.read(source, 3, 2, Urgency.FILL) == b"f5"
    assert await film.read(source, 9, 0, Urgency.FILL) == b""
    assert {urgency for *_, urgency in source.reads} == {Urgency.PLAYER, Urgency.FILL}


async def test_read_says_when_bytes_are_lost(tmp_path: Path):
    source = MemorySource([("a", bytes(100))], tmp_path, holes={0: [Span(50, 51)]}, article_bytes=10)
    await source.open()
    film = VirtualFile("film.mkv", [Extent(0, 10, 80)])

    assert await film.read(source, 0, 40, Urgency.PLAYER) == bytes(40)
    with pytest.raises(BytesLost):
        await film.read(source, 39, 2, Urgency.PLAYER)
