"""What is cut into slices, and what is shown as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.downloader.repair.packets import CHECKSUM_BYTES, Par2File, Par2Set
from services.downloader.repair.pieces import Piece, cut
from services.downloader.source import Span

SLICE_BYTES = 10


def protected(size_bytes: int, file_id: bytes = b"a", *, checksums: bool = True) -> Par2File:
    slices = -(-size_bytes // SLICE_BYTES)
    told = b"".join(bytes([number % 256]) * CHECKSUM_BYTES for number in range(slices)) if checksums else b""
    return Par2File(
        file_id=file_id, name="film", size_bytes=size_bytes, md5=b"m", md5_16k=b"k", checksums=told
    )


def pieces_of(file: Par2File, holes: list[Span], size_bytes: int | None = None) -> list[Piece]:
    par2 = Par2Set(set_id=b"s", slice_bytes=SLICE_BYTES, files={file.file_id: file}, recovery_blocks=0)
    return cut(par2, {7: file}, lambda _: holes, lambda _: size_bytes or file.size_bytes)


@given(st.integers(1, 300), st.data())
def test_slices_tile_a_file_with_holes_and_none_that_is_touched_is_given(
    size_bytes: int, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, size_bytes - 1))
    hole = Span(start, data.draw(st.integers(start + 1, size_bytes)))
    pieces = pieces_of(protected(size_bytes), [hole])
    assert [piece.start for piece in pieces] == list(range(0, size_bytes, SLICE_BYTES))
    assert sum(piece.length for piece in pieces) == size_bytes
    assert [piece.checksums[0] for piece in pieces] == list(range(len(pieces)))
    for piece in pieces:
        span = Span(piece.start, piece.start + piece.length)
        touched = span.start < hole.end and hole.start < span.end
        assert piece.given == (() if touched else (span,))
        assert piece.size_bytes == SLICE_BYTES


@pytest.mark.parametrize(
    ("file", "holes", "size_bytes", "given_spans"),
    [
        (protected(95), [], 95, [Span(0, 95)]),
        (protected(95), [Span(3, 5)], 97, [Span(0, 3), Span(5, 97)]),
        (protected(95, checksums=False), [Span(0, 5)], 95, [Span(5, 95)]),
        (protected(95), [Span(0, 97)], 97, []),
        (protected(0), [], 0, []),
    ],
    ids=["no hole", "another size", "no checksums", "nothing came", "empty"],
)
def test_what_has_no_hole_or_another_size_is_shown_as_it_is(
    file: Par2File, holes: list[Span], size_bytes: int, given_spans: list[Span]
) -> None:
    (piece,) = pieces_of(file, holes, size_bytes)
    assert (piece.posted, piece.start, piece.length, piece.size_bytes) == (
        7,
        0,
        file.size_bytes,
        file.size_bytes,
    )
    assert (piece.md5, piece.md5_16k, piece.checksums) == (b"m", b"k", file.checksums)
    assert list(piece.given) == given_spans


def test_a_file_that_was_never_posted_has_its_place_among_the_others() -> None:
    here, lost = protected(20, b"here"), protected(30, b"lost")
    par2 = Par2Set(
        set_id=b"s", slice_bytes=SLICE_BYTES, files={b"lost": lost, b"here": here}, recovery_blocks=0
    )
    pieces = cut(par2, {3: here}, lambda _: [], lambda _: 20)
    assert [(piece.posted, piece.size_bytes, list(piece.given)) for piece in pieces] == [
        (None, 30, []),
        (3, 20, [Span(0, 20)]),
    ]
