"""Volumes of an archive, once their headers are known, and how they go together.

What a parser says about one volume is a claim; `assemble` proves that the claims of all volumes of a set
agree before a byte of it is believed to be the film's.
"""

import re
from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from services.downloader.decrypted import BLOCK_BYTES
from services.downloader.errors import ArchiveRefused, BytesLost
from services.downloader.extents import Extent

from .locks import Lock
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
    lock: Lock | None = None
    """How its bytes are encrypted, if they are in a way that a password opens."""
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
    lock: Lock | None = None
    """How its bytes are encrypted, if they are in a way that a password opens."""
    format: str = "RAR"
    """What the archive is, for telling people."""


def chains(volumes: Iterable[PostedVolume]) -> list[list[PostedVolume]]:
    """Volumes that belong together, each set in the order of its numbers.

    Names are not needed: a volume continues another if its number is the next and it goes on with the same
    file. Names that differ in digits only come first, so that a set with a gap takes nothing from another
    that is whole. What follows a gap in the middle of a file stays with what is before it; `assemble` says
    which volume is missing.
    """
    ordered = sorted(volumes, key=lambda posted: (posted.volume.number, posted.file))
    alike = _linked([[posted] for posted in ordered], by_name=True)
    return _over_gaps(_linked(alike, by_name=False))


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
        if (
            part.entry.split_before
            and unfinished
            and _identity(unfinished[-1].entry) == _identity(part.entry)
        ):
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


def _linked(chains: Sequence[list[PostedVolume]], *, by_name: bool) -> list[list[PostedVolume]]:
    """Longer chains of these, where one follows another; they are in the order of their first numbers."""
    waiting: dict[Hashable, deque[int]] = {}
    for at, chain in enumerate(chains):
        key = (chain[0].volume.number, _begins_in(chain[0]), by_name and _without_digits(chain[0].name))
        waiting.setdefault(key, deque()).append(at)
    taken: set[int] = set()
    found: list[list[PostedVolume]] = []
    for at, chain in enumerate(chains):
        if at in taken:
            continue
        longer = list(chain)
        while not longer[-1].volume.is_last:
            last = longer[-1]
            key = (last.volume.number + 1, _ends_in(last), by_name and _without_digits(last.name))
            following = waiting.get(key)
            # Where no file goes on into the next volume, its number alone does not tell several apart.
            if not following or not (by_name or _ends_in(last) or len(following) == 1):
                break
            taken.add(following[0])
            longer.extend(chains[following.popleft()])
        found.append(longer)
    return found


def _over_gaps(chains: Sequence[list[PostedVolume]]) -> list[list[PostedVolume]]:
    """Puts fragments of one broken set together, so that it is one trouble, told once."""
    whole: list[list[PostedVolume]] = []
    open_ends: dict[Hashable, list[PostedVolume]] = {}
    for chain in chains:
        begins_in = _begins_in(chain[0])
        before = open_ends.get(begins_in)
        if before and before[-1].volume.number < chain[0].volume.number:
            del open_ends[begins_in]
            before.extend(chain)
        else:
            before = None
            whole.append(chain)
        if ends_in := _ends_in(chain[-1]):
            open_ends.setdefault(ends_in, chain if before is None else before)
    return whole


def _begins_in(posted: PostedVolume) -> Hashable:
    """Which file the volume begins in the middle of; None if it begins with a file of its own."""
    first = posted.volume.entries[:1]
    return _identity(first[0]) if first and first[0].split_before else None


def _ends_in(posted: PostedVolume) -> Hashable:
    """Which file goes on after the volume; None if none does."""
    last = posted.volume.entries[-1:]
    return _identity(last[0]) if last and last[0].split_after else None


def _identity(entry: Entry) -> tuple[str, int, bool, bool]:
    return entry.name, entry.size_bytes, entry.stored, entry.encrypted


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
    # What is encrypted is padded to whole blocks, at the end of the last part only.
    expected = _padded(first.size_bytes) if first.lock else first.size_bytes
    if first.stored and (first.lock or not first.encrypted) and packed_bytes != expected:
        raise ArchiveRefused(
            f"the archive is broken: the parts of “{name}” are {packed_bytes} bytes, not {expected}"
        )
    return InnerFile(
        name=name,
        directory=base_name(first.name.replace("\\", "/").rpartition("/")[0]),
        size_bytes=first.size_bytes,
        extents=[Extent(part.file, part.entry.offset, part.entry.packed_bytes) for part in parts],
        stored=first.stored,
        encrypted=first.encrypted,
        crc=last.crc,
        lock=first.lock,
    )


def _padded(size_bytes: int) -> int:
    return -(-size_bytes // BLOCK_BYTES) * BLOCK_BYTES
