"""Volumes of an archive, once their headers are known, and how they go together.

What a parser says about one volume is a claim; `assemble` proves that the claims of all volumes of a set
agree before a byte of it is believed to be the film's.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from services.downloader.errors import ArchiveRefused, BytesLost
from services.downloader.extents import Extent

from .names import base_name


class NotPosted(BytesLost):
    """A file of the set is not in the release at all: there is nothing of it that could be mended."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One file's header in one volume, and the part of the file that is stored there."""

    name: str
    """As the archive has it: a hostile path. Good for comparing only."""
    size_bytes: int
    """The whole file's size once unpacked, not this part's."""
    offset: int
    """Where in the volume this part's packed bytes begin."""
    packed_bytes: int
    split_before: bool = False
    split_after: bool = False
    stored: bool = True
    encrypted: bool = False
    directory: bool = False
    link: bool = False
    crc: int | None = None
    """CRC-32 of this part's packed bytes if `split_after`, else of the whole file, if the archive has one."""


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """The headers of one volume. A single archive is volume 0 of a set of one."""

    number: int
    """From 0."""
    is_volume: bool
    is_last: bool
    entries: Sequence[Entry]


class PostedVolume(msgspec.Struct, frozen=True, kw_only=True):
    """A volume, and the posted file it is."""

    file: int
    name: str
    volume: Volume


class InnerFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file inside an archive. Its extents are its bytes if it is `stored` and not `encrypted`."""

    name: str
    """Its base name, for showing; never a path."""
    directory: str
    """The base name of the directory it is in; empty at the top. For telling samples, never a path."""
    size_bytes: int
    extents: Sequence[Extent]
    stored: bool
    encrypted: bool
    crc: int | None
    """CRC-32 of the whole file, if the archive has one."""
    format: str = "RAR"
    """What the archive is, for telling people."""


def chains(volumes: Iterable[PostedVolume]) -> list[list[PostedVolume]]:
    """Volumes that belong together, each set in the order of its numbers.

    Names are not needed: a volume continues another if its number is the next and it goes on with the same
    file. Where several could, one whose name differs in digits only is preferred. What follows a gap in the
    middle of a file stays with what is before it; `assemble` says which volume is missing.
    """
    by_number: dict[int, list[PostedVolume]] = {}
    for posted in sorted(volumes, key=lambda posted: (posted.volume.number, posted.file)):
        by_number.setdefault(posted.volume.number, []).append(posted)
    found: list[list[PostedVolume]] = []
    for number in sorted(by_number):
        for first in by_number[number]:
            chain = [first]
            while following := _next_volume(chain[-1], by_number):
                by_number[following.volume.number].remove(following)
                chain.append(following)
            found.append(chain)
    return _over_gaps(found)


def assemble(volumes: Sequence[PostedVolume]) -> list[InnerFile]:
    """The files inside one set of volumes, in the archive's order; directories and links are left out.

    Proven: the numbers are gapless from 0, the last volume ends the set, parts of a file follow each other
    under one name, size and method, and the parts of a stored file add up to its size. Raises `BytesLost`
    naming a volume that is missing, and `ArchiveRefused` for claims that contradict each other.
    """
    ordered = sorted(volumes, key=lambda posted: posted.volume.number)
    _prove_gapless(ordered)
    files: list[list[_Part]] = []
    for part in (_Part(posted.file, entry) for posted in ordered for entry in posted.volume.entries):
        unfinished = files[-1] if files and files[-1][-1].entry.split_after else None
        if part.entry.split_before and unfinished and _same_file(unfinished[-1].entry, part.entry):
            unfinished.append(part)
        elif part.entry.split_before or unfinished:
            name = base_name(part.entry.name)
            raise ArchiveRefused(f"the archive is broken: the parts of “{name}” do not follow each other")
        else:
            files.append([part])
    return [_inner_file(parts) for parts in files if not (parts[0].entry.directory or parts[0].entry.link)]


class _Part(NamedTuple):
    file: int
    entry: Entry


def _next_volume(
    posted: PostedVolume, by_number: Mapping[int, Sequence[PostedVolume]]
) -> PostedVolume | None:
    if posted.volume.is_last:
        return None
    fitting = [
        following
        for following in by_number.get(posted.volume.number + 1, ())
        if _goes_on(posted.volume, following.volume)
    ]
    stem = _without_digits(posted.name)
    alike = [following for following in fitting if _without_digits(following.name) == stem]
    split = any(entry.split_after for entry in posted.volume.entries[-1:])
    # Where no file goes on from one volume to the next, numbers alone do not prove that they are of one set.
    proven = alike or (fitting if split or len(fitting) == 1 else [])
    return proven[0] if proven else None


def _over_gaps(chains: Sequence[list[PostedVolume]]) -> list[list[PostedVolume]]:
    """Puts fragments of one broken set together, so that it is one trouble, told once."""
    whole: list[list[PostedVolume]] = []
    for chain in chains:
        first = chain[0].volume
        before = [
            other
            for other in whole
            if first.number > other[-1].volume.number + 1 and _goes_on(other[-1].volume, first)
        ]
        if first.entries[:1] and first.entries[0].split_before and before:
            before[0].extend(chain)
        else:
            whole.append(chain)
    return whole


def _goes_on(volume: Volume, following: Volume) -> bool:
    last, first = volume.entries[-1:], following.entries[:1]
    if last and last[0].split_after:
        return bool(first) and first[0].split_before and _same_file(last[0], first[0])
    return not first or not first[0].split_before


def _same_file(one: Entry, other: Entry) -> bool:
    return (one.name, one.size_bytes, one.stored, one.encrypted) == (
        other.name,
        other.size_bytes,
        other.stored,
        other.encrypted,
    )


def _without_digits(name: str) -> str:
    return re.sub(r"\d+", "", name)


def _prove_gapless(ordered: Sequence[PostedVolume]) -> None:
    for number, posted in enumerate(ordered):
        if posted.volume.number < number:
            raise ArchiveRefused(f"two files of the archive both say they are its volume {number}")
        if posted.volume.number > number:
            raise _missing(number)
        if posted.volume.is_last != (number == len(ordered) - 1):
            raise (
                _missing(number + 1)
                if not posted.volume.is_last
                else ArchiveRefused(f"the archive ends with volume {number + 1}, but more volumes follow")
            )
    if not ordered:
        raise _missing(0)


def _missing(number: int) -> NotPosted:
    return NotPosted(f"volume {number + 1} of the archive is missing from the release")


def _inner_file(parts: Sequence[_Part]) -> InnerFile:
    first, last = parts[0].entry, parts[-1].entry
    name = base_name(first.name)
    packed_bytes = sum(part.entry.packed_bytes for part in parts)
    if last.split_after:
        raise ArchiveRefused(f"the archive is broken: “{name}” has no end")
    if first.stored and not first.encrypted and packed_bytes != first.size_bytes:
        raise ArchiveRefused(
            f"the archive is broken: the parts of “{name}” are {packed_bytes} bytes, not {first.size_bytes}"
        )
    return InnerFile(
        name=name,
        directory=base_name(first.name.replace("\\", "/").rpartition("/")[0]),
        size_bytes=first.size_bytes,
        extents=[Extent(part.file, part.entry.offset, part.entry.packed_bytes) for part in parts],
        stored=first.stored,
        encrypted=first.encrypted,
        crc=last.crc,
    )
