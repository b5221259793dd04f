"""A protected set as the par2 program is to see it: cut where that spares it work. Pure.

Recovery blocks are sums over a set's slices in their order; where one file ends and the next begins plays no
part in them. So a file with holes is shown slice by slice, each as a file of its own: the program then need
not look for what is left of it, nor write all of it anew and read that again, only the slices that are gone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from services.downloader.source import HEAD_BYTES, Span

from .blocks import touched_slices
from .packets import CHECKSUM_BYTES, Par2File, Par2Set

_MD5_BYTES = 16


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """What the program sees as one file: a protected file, or one slice of it padded with zeros."""

    posted: int | None
    """Which posted file it is or belongs to; None if it never was posted."""
    start: int
    """Its place in that file."""
    length: int
    """How many of its bytes are the file's."""
    size_bytes: int
    md5: bytes
    md5_16k: bytes
    """Empty if nothing tells it: of a larger slice only the whole's MD5 is known."""
    checksums: bytes
    """See `Par2File.checksums`."""
    given: Sequence[Span]
    """What of the posted file's bytes the program gets; none of a slice that a hole touches."""


def cut(
    par2: Par2Set,
    protected: Mapping[int, Par2File],
    holes: Callable[[int], Sequence[Span]],
    size_bytes: Callable[[int], int],
) -> list[Piece]:
    """All slices of the set, in order. `holes` and `size_bytes`: of a posted file, by its index."""
    posted = {file.file_id: index for index, file in protected.items()}
    pieces: list[Piece] = []
    for file in par2.files.values():
        index = posted.get(file.file_id)
        if index is None:
            pieces.append(_whole(file, None, ()))
        elif holes(index) and file.checksums and size_bytes(index) == file.size_bytes:
            pieces += _slices(file, index, par2.slice_bytes, holes(index))
        else:
            # Of another size, it may have its slices anywhere: the program looks for them.
            pieces.append(_whole(file, index, _between(holes(index), size_bytes(index))))
    return pieces


def _whole(file: Par2File, posted: int | None, given: Sequence[Span]) -> Piece:
    return Piece(
        posted=posted,
        start=0,
        length=file.size_bytes,
        size_bytes=file.size_bytes,
        md5=file.md5,
        md5_16k=file.md5_16k,
        checksums=file.checksums,
        given=given,
    )


def _slices(file: Par2File, posted: int, slice_bytes: int, holes: Sequence[Span]) -> Iterator[Piece]:
    touched = touched_slices(file, slice_bytes, holes)
    for number, start in enumerate(range(0, file.size_bytes, slice_bytes)):
        end = min(start + slice_bytes, file.size_bytes)
        checksums = file.checksums[CHECKSUM_BYTES * number : CHECKSUM_BYTES * (number + 1)]
        yield Piece(
            posted=posted,
            start=start,
            length=end - start,
            size_bytes=slice_bytes,
            md5=checksums[:_MD5_BYTES],
            # The program believes no description of so small a file in which the two differ.
            md5_16k=checksums[:_MD5_BYTES] if slice_bytes <= HEAD_BYTES else b"",
            checksums=checksums,
            given=() if number in touched else (Span(start, end),),
        )


def _between(holes: Sequence[Span], size_bytes: int) -> list[Span]:
    starts = [0, *(hole.end for hole in holes)]
    ends = [*(hole.start for hole in holes), size_bytes]
    return [Span(start, end) for start, end in zip(starts, ends, strict=True) if start < end]
