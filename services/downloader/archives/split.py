"""Files that were cut by size: name.mkv.001, name.mkv.002 … are one file again, without moving a byte."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from services.downloader.errors import ArchiveRefused, BytesLost, ReleaseError

from . import rar, rar4
from .numbering import numeric_place
from .parts import Part
from .reading import MAX_FILE_BYTES
from .volumes import NotPosted


class Unjoined(NamedTuple):
    """Pieces that can't be put together, and why."""

    error: ReleaseError
    pieces: Sequence[Part]


class Joined(NamedTuple):
    parts: list[Part]
    """The files that pieces make, and whatever was no piece."""
    unjoined: list[Unjoined]


def join(parts: Iterable[Part], promised: Iterable[str] = ()) -> Joined:
    """Puts pieces of one name together; `promised` are names that par2 knows of, posted or not.

    Proven: the numbers have no gap from 000 or 001 on, nothing that is promised is missing, and each piece's
    size is exact. Volumes of a RAR archive that are numbered so are left alone: each has a signature.
    """
    sets: dict[tuple[str, str], list[tuple[int, Part]]] = {}
    joined = Joined([], [])
    for part in parts:
        if place := numeric_place(part.name):
            sets.setdefault((part.directory, place.stem), []).append((place.ordinal, part))
        else:
            joined.parts.append(part)
    highest: dict[str, int] = {}
    for place in filter(None, map(numeric_place, promised)):
        highest[place.stem] = max(place.ordinal, highest.get(place.stem, 0))
    for (_, stem), numbered in sets.items():
        numbered.sort(key=_number)
        pieces = [part for _, part in numbered]
        if _are_volumes(pieces):
            joined.parts.extend(pieces)
            continue
        try:
            joined.parts.append(_one(numbered, highest.get(stem, 0)))
        except ReleaseError as error:
            joined.unjoined.append(Unjoined(error, pieces))
    return joined


def _are_volumes(pieces: Sequence[Part]) -> bool:
    """Volumes of a RAR archive may be named like this too, and all of them begin with its signature."""
    signed = [part.head.startswith((rar.RAR5_SIGNATURE, rar4.SIGNATURE)) for part in pieces]
    return any(signed[1:]) or (len(pieces) == 1 and signed[0])


def _number(numbered: tuple[int, Part]) -> int:
    return numbered[0]


def _one(numbered: Sequence[tuple[int, Part]], highest: int) -> Part:
    first_number, first = numbered[0]
    name = first.name.rpartition(".")[0]
    start = min(first_number, 1)
    last = max(highest, numbered[-1][0], start + 1)
    for expected, (number, _) in enumerate(numbered, start):
        if number < expected:
            raise ArchiveRefused(f"two files both say they are piece {number:03} of “{name}”")
        if number > expected:
            raise NotPosted(f"piece {expected:03} of “{name}” is missing from the release")
    if numbered[-1][0] < last:
        raise NotPosted(f"piece {numbered[-1][0] + 1:03} of “{name}” is missing from the release")
    for number, part in numbered:
        if not part.size_is_sure:
            raise BytesLost(f"the beginning of piece {number:03} of “{name}” is missing from the release")
    size_bytes = sum(part.size_bytes for _, part in numbered)
    if size_bytes > MAX_FILE_BYTES:
        raise ArchiveRefused(f"the pieces of “{name}” are larger than any film")
    extents = [extent for _, part in numbered for extent in part.extents]
    return msgspec.structs.replace(first, name=name, size_bytes=size_bytes, extents=extents)
