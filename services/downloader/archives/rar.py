"""RAR 5.0 headers, walked without reading what is packed between them.

Source: "RAR 5.0 archive format", the technical note that comes with RAR. A volume is a signature and blocks;
a block is CRC-32 of its header, the header's size, type and flags, then perhaps an extra and a data area.
"""

import zlib
from enum import IntEnum, IntFlag

import msgspec

from services.downloader.errors import ArchiveRefused, NoFilm

from .names import base_name
from .reading import MAX_BLOCKS, MAX_FILE_BYTES, MAX_PATH_BYTES, Read
from .volumes import Entry, Volume

RAR5_SIGNATURE = b"Rar!\x1a\x07\x01\x00"

MAX_HEADER_BYTES = 2 << 20
"""A header's size is a vint of at most three bytes, says the note: below 2 MiB."""
MAX_VINT_BYTES = 10

_FIRST_READ_BYTES = 512
"""Enough for nearly every header, so that one read brings it whole."""


async def walk(read: Read, size_bytes: int) -> Volume:
    """The headers of one volume of `size_bytes`.

    Reads headers only, and stops at the first entry that goes on in the next volume, as nothing of use
    follows it. Raises `ArchiveRefused` for a header that is broken or lies (wrong CRC, outside of the volume,
    too many), `NoFilm` for a format or encryption that can't be opened, and what `read` raises.
    """
    reader = _BlockReader(read, size_bytes)
    at = await reader.signature()
    main: _Fields | None = None
    entries: list[Entry] = []
    more_volumes = False
    for _ in range(MAX_BLOCKS):
        if at >= size_bytes:
            break
        block = await reader.block(at)
        at = block.next_at
        if block.kind == _Kind.ENCRYPTION:
            raise NoFilm("the archive's file names are encrypted, and Matinee can't open that yet")
        if block.kind == _Kind.MAIN:
            main = block.fields
        elif block.kind == _Kind.FILE:
            entries.append(_entry(block))
            if entries[-1].split_after:
                more_volumes = True
                break
        elif block.kind == _Kind.END:
            more_volumes = bool(block.fields.vint() & _END_MORE_VOLUMES)
            break
    else:
        raise ArchiveRefused(f"the archive has more than {MAX_BLOCKS} blocks in one volume")
    if main is None:
        raise ArchiveRefused("the archive has no main header")
    flags = main.vint()
    return Volume(
        number=main.vint() if flags & _MAIN_HAS_NUMBER else 0,
        is_volume=bool(flags & _MAIN_IS_VOLUME),
        is_last=not more_volumes,
        entries=entries,
    )


class _Kind(IntEnum):
    MAIN = 1
    FILE = 2
    SERVICE = 3
    ENCRYPTION = 4
    END = 5


class _Flag(IntFlag):
    EXTRA_AREA = 0x01
    DATA_AREA = 0x02
    SPLIT_BEFORE = 0x08
    SPLIT_AFTER = 0x10


_MAIN_IS_VOLUME = 0x01
_MAIN_HAS_NUMBER = 0x02
_END_MORE_VOLUMES = 0x01

_FILE_DIRECTORY = 0x01
_FILE_HAS_MTIME = 0x02
_FILE_HAS_CRC = 0x04
_FILE_SIZE_UNKNOWN = 0x08
_METHOD_MASK = 0x0380
"""Bits 7 to 9 of the compression information; 0 is "stored"."""

_RECORD_ENCRYPTION = 0x01
_RECORD_REDIRECTION = 0x05


class _Fields:
    """The fields of a header in their order; every read is inside the header or refused."""

    def __init__(self, header: bytes) -> None:
        self._header = header
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._header) - self._at

    def vint(self) -> int:
        """Seven bits per byte, the lowest first; the highest bit says that more follow."""
        value = 0
        for position, byte in enumerate(self._header[self._at : self._at + MAX_VINT_BYTES]):
            value |= (byte & 0x7F) << (7 * position)
            if byte < 0x80:
                self._at += position + 1
                return value
        raise ArchiveRefused("the archive has a broken number in a header")

    def take(self, length: int) -> bytes:
        if length > self.left:
            raise ArchiveRefused("the archive has a header that ends too soon")
        taken = self._header[self._at : self._at + length]
        self._at += length
        return taken


class _Block(msgspec.Struct, frozen=True, kw_only=True):
    kind: int
    flags: int
    fields: _Fields
    """What follows the fields that all headers have, without the extra area."""
    extra: _Fields
    data_at: int
    data_bytes: int

    @property
    def next_at(self) -> int:
        return self.data_at + self.data_bytes


class _BlockReader:
    def __init__(self, read: Read, size_bytes: int) -> None:
        self._read = read
        self._size_bytes = size_bytes

    async def signature(self) -> int:
        """Proves that this is RAR 5; where its first block begins."""
        start = await self._read(0, min(len(RAR5_SIGNATURE), self._size_bytes))
        if start != RAR5_SIGNATURE:
            raise ArchiveRefused("a file that should be a RAR archive isn't one")
        return len(RAR5_SIGNATURE)

    async def block(self, at: int) -> _Block:
        prefix = await self._read(at, min(_FIRST_READ_BYTES, self._size_bytes - at))
        before_size = _Fields(prefix)
        crc = int.from_bytes(before_size.take(4), "little")
        header_bytes = before_size.vint()
        counted_from = len(prefix) - before_size.left
        end = at + counted_from + header_bytes
        if header_bytes > MAX_HEADER_BYTES or end > self._size_bytes:
            raise ArchiveRefused("the archive has a header that reaches outside of its volume")
        whole = prefix[: counted_from + header_bytes]
        if len(prefix) < counted_from + header_bytes:
            whole += await self._read(at + len(prefix), end - at - len(prefix))
        if zlib.crc32(whole[4:]) != crc:
            raise ArchiveRefused("the archive has a header whose checksum is wrong")
        return self._parsed(whole[counted_from:], end)

    def _parsed(self, header: bytes, data_at: int) -> _Block:
        fields = _Fields(header)
        kind, flags = fields.vint(), fields.vint()
        extra_bytes = fields.vint() if flags & _Flag.EXTRA_AREA else 0
        data_bytes = fields.vint() if flags & _Flag.DATA_AREA else 0
        if data_at + data_bytes > self._size_bytes:
            raise ArchiveRefused("the archive says that its data reach outside of their volume")
        if extra_bytes > fields.left:
            raise ArchiveRefused("the archive has a header that ends too soon")
        return _Block(
            kind=kind,
            flags=flags,
            fields=_Fields(fields.take(fields.left - extra_bytes)),
            extra=_Fields(fields.take(extra_bytes)),
            data_at=data_at,
            data_bytes=data_bytes,
        )


def _entry(block: _Block) -> Entry:
    fields = block.fields
    flags, size_bytes = fields.vint(), fields.vint()
    fields.vint()  # attributes
    if flags & _FILE_HAS_MTIME:
        fields.take(4)
    crc = int.from_bytes(fields.take(4), "little") if flags & _FILE_HAS_CRC else None
    compression = fields.vint()
    fields.vint()  # the system it was made on
    name_bytes = fields.vint()
    if name_bytes > MAX_PATH_BYTES:
        raise ArchiveRefused(f"the archive has a file name of {name_bytes} bytes")
    name = fields.take(name_bytes).decode(errors="replace")
    if flags & _FILE_SIZE_UNKNOWN or size_bytes > MAX_FILE_BYTES:
        raise ArchiveRefused(f"the archive does not say how large “{base_name(name)}” is")
    records = _record_kinds(block.extra)
    return Entry(
        name=name,
        size_bytes=size_bytes,
        offset=block.data_at,
        packed_bytes=block.data_bytes,
        split_before=bool(block.flags & _Flag.SPLIT_BEFORE),
        split_after=bool(block.flags & _Flag.SPLIT_AFTER),
        stored=not compression & _METHOD_MASK,
        encrypted=_RECORD_ENCRYPTION in records,
        directory=bool(flags & _FILE_DIRECTORY),
        link=_RECORD_REDIRECTION in records,
        crc=crc,
    )


def _record_kinds(extra: _Fields) -> set[int]:
    kinds: set[int] = set()
    while extra.left:
        record = _Fields(extra.take(extra.vint()))
        kinds.add(record.vint())
    return kinds
