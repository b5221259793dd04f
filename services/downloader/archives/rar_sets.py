"""RAR archives of a release: which files are volumes of which, in which order, and what is in them."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from services.downloader.errors import ArchiveRefused, ReleaseError

from . import rar, rar4
from .locks import Keyring
from .numbering import NUMERIC, Place, rar_place
from .reading import MAX_ENTRIES, Read, each
from .volumes import PostedVolume, Volume


class Opened(NamedTuple):
    """Volumes whose headers are known, and the files (by index) whose headers can't be had."""

    volumes: list[PostedVolume]
    failed: dict[int, ReleaseError]


class Archive(NamedTuple):
    """A file that is a RAR archive or a volume of one."""

    file: int
    name: str
    size_bytes: int
    head: bytes
    read: Read


async def open_volumes(archives: Sequence[Archive], keyring: Keyring) -> Opened:
    """The headers of all volumes. A broken one does not hide the others.

    Raises `ArchiveRefused` if there are more entries than any release has.
    """
    entries = 0

    async def walked(archive: Archive) -> Volume | rar4.Headers | ReleaseError:
        nonlocal entries
        walk = rar4.walk if archive.head.startswith(rar4.SIGNATURE) else rar.walk
        try:
            headers = await walk(archive.read, archive.size_bytes, keyring)
        except ReleaseError as error:
            return error
        entries += len(headers.entries)
        if entries > MAX_ENTRIES:
            raise ArchiveRefused(f"the archives of this release hold more than {MAX_ENTRIES} files")
        return headers

    opened = Opened([], {})
    older: list[_Older] = []
    for archive, headers in zip(archives, await each(archives, walked), strict=True):
        if isinstance(headers, ReleaseError):
            opened.failed[archive.file] = headers
        elif isinstance(headers, Volume):
            opened.volumes.append(PostedVolume(file=archive.file, name=archive.name, volume=headers))
        else:
            older.append(_Older(archive, headers, rar_place(archive.name)))
    believed = _numbers_by_name(older)
    numbers = await each(older, partial(_number, believed, keyring))
    for one, number in zip(older, numbers, strict=True):
        if isinstance(number, ReleaseError):
            opened.failed[one.archive.file] = number
        else:
            opened.volumes.append(_posted(one, number))
    return opened


class _Older(NamedTuple):
    """A RAR 4 volume, and the place that its name claims."""

    archive: Archive
    headers: rar4.Headers
    place: Place | None


async def _number(believed: Mapping[int, int], keyring: Keyring, older: _Older) -> int | ReleaseError:
    archive, headers, place = older
    number = 0 if not headers.is_volume or headers.is_first else believed.get(archive.file)
    if number is None:
        try:
            number = await rar4.number_at_end(archive.read, archive.size_bytes, headers, keyring)
        except ReleaseError as error:
            return error
    if number is None and place:
        # Only to tell which volume is missing: names that are to be believed were believed before.
        number = place.ordinal - (place.scheme == NUMERIC)
    if number is None or number < 0:
        return ArchiveRefused("nothing tells the order of the archive's volumes")
    return number


def _posted(older: _Older, number: int) -> PostedVolume:
    archive, headers, _ = older
    volume = Volume(
        number=number, is_volume=headers.is_volume, is_last=headers.is_last, entries=headers.entries
    )
    return PostedVolume(file=archive.file, name=archive.name, volume=volume)


def _numbers_by_name(older: Sequence[_Older]) -> dict[int, int]:
    """The volumes' numbers, by file, where names are to be believed: it saves a read of each volume's end.

    Names of one stem are believed if they leave no gap, the first says that it is the first (if any does),
    each goes on with what the one before it left open, and none contradicts a number told by an end block.
    """
    sets: dict[tuple[str, str], list[_Older]] = {}
    for one in older:
        if one.place and one.headers.is_volume:
            sets.setdefault((one.place.scheme, one.place.stem), []).append(one)
    numbers: dict[int, int] = {}
    for (scheme, _), members in sets.items():
        members.sort(key=_ordinal)
        begins = 1 if scheme == NUMERIC and _ordinal(members[0]) == 1 else 0
        counted = {one.archive.file: _ordinal(one) - begins for one in members}
        if _believable(members, counted):
            numbers |= counted
    return numbers


def _ordinal(older: _Older) -> int:
    return older.place.ordinal if older.place else 0


def _believable(members: Sequence[_Older], counted: Mapping[int, int]) -> bool:
    says_first = any(one.headers.is_first for one in members)
    left_open = False
    for number, one in enumerate(members):
        headers = one.headers
        goes_on = bool(headers.entries and headers.entries[0].split_before)
        if counted[one.archive.file] != number or goes_on != left_open:
            return False
        if (says_first and headers.is_first != (number == 0)) or headers.number not in {None, number}:
            return False
        left_open = bool(headers.entries and headers.entries[-1].split_after)
    return True
