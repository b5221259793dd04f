"""What a fill tells: each byte of each file once, as landed or lost."""

from hypothesis import given
from hypothesis import strategies as st

from services.downloader.source import Lost, Span
from services.downloader.usenet.articles import PartHeader, Parts
from services.downloader.usenet.filling import Filling, without

_cuts = st.lists(st.integers(0, 60), max_size=24, unique=True).map(sorted)


def spans(cuts: list[int]) -> list[Span]:
    return [Span(start, end) for start, end in zip(cuts[::2], cuts[1::2], strict=False)]


@given(_cuts, st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), max_size=8))
def test_without_takes_away_exactly_what_was_told(cuts: list[int], told: list[tuple[int, int]]):
    holes, taken = spans(cuts), [Span(start, start + length) for start, length in told]
    expected = {byte for hole in holes for byte in range(hole.start, hole.end)}
    expected -= {byte for span in taken for byte in range(span.start, span.end)}
    left = without(holes, taken)
    assert [byte for span in left for byte in range(span.start, span.end)] == sorted(expected)
    assert all(span.length > 0 for span in left)


@given(st.integers(1, 12), st.data())
def test_every_byte_is_told_once(count: int, data: st.DataObject):
    slots = st.sets(st.integers(0, count - 1))
    before, later = data.draw(slots), data.draw(slots)
    size = count * 10 - data.draw(st.integers(0, 9))
    parts = Parts(range(count))

    def land(slot: int) -> None:
        begin = slot * 10
        parts.record(slot, parts.place(slot, PartHeader(size, begin, min(begin + 10, size))), size)

    for slot in before:
        land(slot)
    filling = Filling([parts], [0], lambda _: parts.gaps(), lambda _: "430")
    told = list(filling.already_there())
    for place in filling.absent():
        if place[1] in later:
            land(place[1])
        told += filling.settled(place)
    if not before | later:
        assert told == []
        return
    assert_tiles(sorted(event.span for event in told), size)
    lost = {slot for event in told if isinstance(event, Lost) for slot in slots_of(event.span)}
    assert lost == set(range(count)) - before - later


def slots_of(span: Span) -> range:
    return range(span.start // 10, -(-span.end // 10))


def assert_tiles(told: list[Span], size: int) -> None:
    assert [span.start for span in told] == [0, *(span.end for span in told[:-1])]
    assert told[-1].end == size
