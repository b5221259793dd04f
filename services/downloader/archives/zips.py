"""Zip archives: what is stored in them, by their central directory.

Source: PKWARE's APPNOTE.TXT 6.3: §4.3.7 local header, §4.3.12 central directory, §4.3.14 to §4.3.16 its end,
§4.5.3 zip64. The directory at the end is what counts; a local header only tells where the data begin, and
its sizes may be missing (data descriptors).
"""

import struct
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from services.downloader.errors import ArchiveRefused, NoFilm
from services.downloader.extents import Extent

from .names import base_name
from .reading import MAX_ENTRIES, MAX_FILE_BYTES, Read, each
from .volumes import InnerFile

MAX_DIRECTORY_BYTES = 8 << 20
"""The central directory of some ten thousand files."""
MAX_LOCATED = 500
"""Files, the largest first, whose data are located: that costs a read each."""

_COMMENT_BYTES = 0xFFFF
_FIRST_READ_BYTES = 1024
"""Enough for the end of nearly every zip: few have long comments."""
_END = struct.Struct("<4sHHHHIIH")
_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_FULL_16, _FULL_32 = 0xFFFF, 0xFFFFFFFF
_ENCRYPTED, _UTF8 = 0x0001, 0x0800
_ZIP64 = 0x0001
_UNIX_LINK = 0xA000


async def zip_files(read: Read, size_bytes: int) -> list[InnerFile]:
    """The files in a zip of `size_bytes`; extents are of file 0, and only of stored files.

    Proven: directory and data lie inside, no two files share bytes, and local headers agree with the
    directory. Raises `ArchiveRefused` for one that is broken or lies, `NoFilm` for one cut into disks, and
    what `read` raises.
    """
    directory = await _directory(read, size_bytes)
    entries = _entries(await read(directory.offset, directory.size_bytes), directory)
    ends = _ends(entries, directory.offset)
    stored = sorted(
        (entry for entry in entries if entry.stored and not entry.encrypted),
        key=lambda entry: entry.size_bytes,
        reverse=True,
    )
    chosen = stored[:MAX_LOCATED]
    extents = await each(chosen, lambda entry: _located(read, entry, ends[entry.offset]))
    located = {entry.offset: found for entry, found in zip(chosen, extents, strict=True)}
    passed_over = {entry.offset for entry in stored[MAX_LOCATED:]}
    return [
        _inner_file(entry, located.get(entry.offset, []))
        for entry in entries
        if entry.offset not in passed_over
    ]


class _Directory(msgspec.Struct, frozen=True, kw_only=True):
    offset: int
    size_bytes: int
    entries: int


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    raw_name: bytes
    name: str
    flags: int
    method: int
    crc: int
    packed_bytes: int
    size_bytes: int
    offset: int
    """Of its local header."""

    @property
    def stored(self) -> bool:
        return self.method == 0

    @property
    def encrypted(self) -> bool:
        return bool(self.flags & _ENCRYPTED)


async def _directory(read: Read, size_bytes: int) -> _Directory:
    for most in (_FIRST_READ_BYTES, _END.size + _LOCATOR.size + _COMMENT_BYTES):
        start = max(0, size_bytes - most)
        tail = await read(start, size_bytes - start)
        at = _end_in(tail)
        if at is not None and (at >= _LOCATOR.size or not start):
            return await _told_by_end(read, tail, at, start)
    raise ArchiveRefused("the zip archive has no end: it is broken or cut short")


def _end_in(tail: bytes) -> int | None:
    """Where the end record is: its comment reaches exactly to the end of the archive."""
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        if at + _END.size <= len(tail) and at + _END.size + _END.unpack_from(tail, at)[7] == len(tail):
            return at
        at = tail.rfind(b"PK\x05\x06", 0, at)
    return None


async def _told_by_end(read: Read, tail: bytes, at: int, start: int) -> _Directory:
    _, disk, first_disk, here, entries, size_bytes, offset, _ = _END.unpack_from(tail, at)
    end = start + at
    if at >= _LOCATOR.size and tail.startswith(b"PK\x06\x07", at - _LOCATOR.size):
        end = _LOCATOR.unpack_from(tail, at - _LOCATOR.size)[2]
        if end + _END64.size > start + at - _LOCATOR.size:
            raise ArchiveRefused("the zip archive says that its directory is outside of it")
        record = _END64.unpack(await read(end, _END64.size))
        if record[0] != b"PK\x06\x06":
            raise ArchiveRefused("the zip archive has no zip64 record where it says it has")
        disk, first_disk, here, entries, size_bytes, offset = record[4:]
    if disk or first_disk or here != entries:
        raise NoFilm("the release is packed as a zip archive on several disks, which Matinee can't open")
    if offset + size_bytes != end:
        raise ArchiveRefused("the zip archive's directory is not where it says")
    if size_bytes > MAX_DIRECTORY_BYTES or entries > MAX_ENTRIES:
        raise ArchiveRefused(f"the zip archive holds {entries} files, more than any release")
    return _Directory(offset=offset, size_bytes=size_bytes, entries=entries)


def _entries(data: bytes, directory: _Directory) -> list[_Entry]:
    entries: list[_Entry] = []
    at = 0
    for _ in range(directory.entries):
        if at + _CENTRAL.size > len(data):
            raise ArchiveRefused("the zip archive's directory ends too soon")
        fields = _CENTRAL.unpack_from(data, at)
        if fields[0] != b"PK\x01\x02":
            raise ArchiveRefused("the zip archive's directory is broken")
        name_bytes, extra_bytes, comment_bytes, disk, _, attributes, _ = fields[10:]
        name_at = at + _CENTRAL.size
        extra_at = name_at + name_bytes
        at = extra_at + extra_bytes + comment_bytes
        if at > len(data) or disk not in {0, _FULL_16}:
            raise ArchiveRefused("the zip archive's directory is broken")
        raw_name = data[name_at:extra_at]
        is_link = attributes >> 16 & 0xF000 == _UNIX_LINK
        if not raw_name.endswith((b"/", b"\\")) and not is_link:
            entries.append(_entry(fields, raw_name, data[extra_at : extra_at + extra_bytes]))
    return entries


def _entry(fields: Sequence[int], raw_name: bytes, extra: bytes) -> _Entry:
    flags, method, crc = fields[3], fields[4], fields[7]
    size_bytes, packed_bytes, offset = _wide([fields[9], fields[8], fields[16]], extra)
    name = raw_name.decode("utf-8" if flags & _UTF8 else "cp437", "replace")
    entry = _Entry(
        raw_name=raw_name,
        name=name,
        flags=flags,
        method=method,
        crc=crc,
        packed_bytes=packed_bytes,
        size_bytes=size_bytes,
        offset=offset,
    )
    if size_bytes > MAX_FILE_BYTES or (entry.stored and not entry.encrypted and packed_bytes != size_bytes):
        raise ArchiveRefused(f"the zip archive does not say how large “{base_name(name)}” is")
    return entry


def _wide(fields: list[int], extra: bytes) -> list[int]:
    """Sizes and offset, from the zip64 field where they are too large for their own: in this order."""
    wide = _zip64(extra)
    for at, value in enumerate(fields):
        if value == _FULL_32:
            if len(wide) < 8:
                raise ArchiveRefused("the zip archive's directory leaves out a size")
            fields[at], wide = int.from_bytes(wide[:8], "little"), wide[8:]
    return fields


def _zip64(extra: bytes) -> bytes:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == _ZIP64:
            return extra[at + 4 : at + 4 + length]
        at += 4 + length
    return b""


def _ends(entries: Sequence[_Entry], directory_at: int) -> dict[int, int]:
    """Where each entry must have ended, by its offset. Entries that share bytes are an attack."""
    offsets = sorted(entry.offset for entry in entries)
    if len(set(offsets)) < len(offsets) or any(offset >= directory_at for offset in offsets):
        raise ArchiveRefused("the zip archive's files overlap")
    return dict(pairwise([*offsets, directory_at]))


async def _located(read: Read, entry: _Entry, end: int) -> list[Extent]:
    """The extents of a stored file's data; they end before the next file begins."""
    length = _LOCAL.size + len(entry.raw_name)
    header = await read(entry.offset, length) if entry.offset + length <= end else b""
    if len(header) < length or not header.startswith(b"PK\x03\x04"):
        raise ArchiveRefused(f"the zip archive has no “{base_name(entry.name)}” where it says it has")
    fields = _LOCAL.unpack_from(header)
    method, name_bytes, extra_bytes = fields[3], fields[9], fields[10]
    if method != entry.method or name_bytes != len(entry.raw_name) or header[_LOCAL.size :] != entry.raw_name:
        raise ArchiveRefused(f"the zip archive contradicts itself about “{base_name(entry.name)}”")
    data_at = entry.offset + length + extra_bytes
    if data_at + entry.size_bytes > end:
        raise ArchiveRefused("the zip archive's files overlap")
    return [Extent(0, data_at, entry.size_bytes)]


def _inner_file(entry: _Entry, extents: Sequence[Extent]) -> InnerFile:
    return InnerFile(
        name=base_name(entry.name),
        directory=base_name(entry.name.replace("\\", "/").rpartition("/")[0]),
        size_bytes=entry.size_bytes,
        extents=extents,
        stored=entry.stored,
        encrypted=entry.encrypted,
        crc=entry.crc,
        format="zip",
    )
