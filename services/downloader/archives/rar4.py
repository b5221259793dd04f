"""RAR 1.5 to 4.x headers, walked without reading what is packed between them.

Source: "RAR version 4.x archive format", the technical note that came with RAR 3 and 4. A volume is a
signature and blocks; a block is the low half of a CRC-32, a type, flags and its header's size, then perhaps
data. Unlike RAR 5, a volume says its number at its very end, and only since RAR 3; its place is therefore
mostly known from its name, which is why a volume is told apart from its place here.
"""

import struct
import zlib
from enum import IntEnum, IntFlag

import msgspec

from services.downloader.decrypted import BLOCK_BYTES, Cipher
from services.downloader.errors import ArchiveRefused, NoFilm

from .locks import Keyring, Rar4Lock
from .reading import MAX_BLOCKS, MAX_FILE_BYTES, MAX_PATH_BYTES, Read
from .volumes import Entry

SIGNATURE = b"Rar!\x1a\x07\x00"

_FIRST_READ_BYTES = 512
"""Enough for nearly every header; at most 64 KiB, as their size is told in two bytes."""


class Headers(msgspec.Struct, frozen=True, kw_only=True):
    """What one volume says; where it is in its set is for others to find out."""

    is_volume: bool
    is_first: bool
    """Only RAR 3 and later say so."""
    new_naming: bool
    """.part1.rar, .part2.rar …, and not .rar, .r00 …"""
    is_last: bool
    number: int | None
    """From 0, if the walk came to an end block that tells it."""
    encrypted: bool
    """All but the main header."""
    end_at: int
    """Where the walk ended; the end block is there unless it has been read already."""
    entries: list[Entry]


async def walk(read: Read, size_bytes: int, keyring: Keyring, most_entries: int | None = None) -> Headers:
    """The headers of one volume of `size_bytes`.

    Reads headers only, and stops at the first entry that goes on in the next volume, or after `most_entries`.
    Raises `ArchiveRefused` for a header that is broken or lies (wrong CRC, outside of the volume, too many),
    `NoFilm` for encrypted headers that no known password opens, and what `read` raises.
    """
    if await read(0, min(len(SIGNATURE), size_bytes)) != SIGNATURE:
        raise ArchiveRefused("a file that should be a RAR archive isn't one")
    reader = _BlockReader(read, size_bytes)
    at = len(SIGNATURE)
    main: _Main | None = None
    number, is_last = None, True
    entries: list[Entry] = []
    for _ in range(MAX_BLOCKS):
        if reader.ends_at(at):
            break
        block = await reader.block(at)
        at = block.data_at + block.data_bytes
        if block.kind == _Kind.MAIN:
            main = _Main(block.flags)
            if main & _Main.PASSWORD:
                reader = _BlockReader(read, size_bytes, keyring)
        elif block.kind == _Kind.FILE:
            entries.append(_entry(block))
            if entries[-1].split_after or len(entries) == most_entries:
                is_last = not entries[-1].split_after
                break
        elif block.kind == _Kind.END:
            number, is_last = _volume_number(block), not block.flags & _End.MORE_VOLUMES
            break
    else:
        raise ArchiveRefused(f"the archive has more than {MAX_BLOCKS} blocks in one volume")
    if main is None:
        raise ArchiveRefused("the archive has no main header")
    return Headers(
        is_volume=bool(main & _Main.VOLUME),
        is_first=bool(main & _Main.FIRST_VOLUME),
        new_naming=bool(main & _Main.NEW_NAMING),
        is_last=is_last,
        number=number,
        encrypted=bool(main & _Main.PASSWORD),
        end_at=at,
        entries=entries,
    )


async def number_at_end(read: Read, size_bytes: int, headers: Headers, keyring: Keyring) -> int | None:
    """The volume's number from 0, by its end block; None if it has none. Costs a read of the volume's end."""
    at = headers.end_at
    reader = _BlockReader(read, size_bytes, keyring if headers.encrypted else None)
    if headers.number is not None:
        return headers.number
    for _ in range(MAX_BLOCKS):
        if reader.ends_at(at):
            return None
        block = await reader.block(at)
        if block.kind == _Kind.END:
            return _volume_number(block)
        at = block.data_at + block.data_bytes
    return None


class _Kind(IntEnum):
    MAIN = 0x73
    FILE = 0x74
    SERVICE = 0x7A
    END = 0x7B


class _Main(IntFlag):
    VOLUME = 0x0001
    COMMENT = 0x0002
    NEW_NAMING = 0x0010
    PASSWORD = 0x0080
    FIRST_VOLUME = 0x0100


class _File(IntFlag):
    SPLIT_BEFORE = 0x0001
    SPLIT_AFTER = 0x0002
    PASSWORD = 0x0004
    COMMENT = 0x0008
    DIRECTORY = 0x00E0
    LARGE = 0x0100
    UNICODE = 0x0200
    SALT = 0x0400


class _End(IntFlag):
    MORE_VOLUMES = 0x0001
    DATA_CRC = 0x0002
    VOLUME_NUMBER = 0x0008


_HAS_DATA = 0x8000
_STORED = 0x30
_OLDER_CIPHERS = frozenset({13, 15, 20, 26})
"""Versions needed to unpack files that are not encrypted with AES."""
SALT_BYTES = 8
_UNIX = 3
_BLOCK = struct.Struct("<HBHH")
_FIELDS = struct.Struct("<IIBIIBBHI")
"""Of a file or service block, after _BLOCK: packed and unpacked size, host, CRC, time, version, method, name
length, attributes."""
_MAIN_BYTES = 13
"""What the checksum of a main header is about: an old comment may follow."""


class _Block(msgspec.Struct, frozen=True, kw_only=True):
    kind: int
    flags: int
    header: bytes
    data_at: int
    data_bytes: int


class _BlockReader:
    """Reads the headers of one volume. With a `keyring` all are encrypted, each with a salt of its own."""

    def __init__(self, read: Read, size_bytes: int, keyring: Keyring | None = None) -> None:
        self._read = read
        self._size_bytes = size_bytes
        self._keyring = keyring
        self._salt = b""
        self._cipher: Cipher | None = None

    def ends_at(self, at: int) -> bool:
        """Whether no header can begin there. Padding may follow the blocks of the last volume."""
        return self._size_bytes - at < self._stored_bytes(_BLOCK.size)

    async def block(self, at: int) -> _Block:
        if self._keyring:
            await self._unlock(at, self._keyring)
        return await self._block(at)

    async def _unlock(self, at: int, keyring: Keyring) -> None:
        async def proves(cipher: Cipher) -> bool:
            self._cipher = cipher
            try:
                block = await self._block(at)
            except ArchiveRefused:
                return False
            return bool(_checked(block.kind, block.flags, block.header))

        salt = await self._read(at, min(SALT_BYTES, self._size_bytes - at))
        if salt != self._salt:
            self._cipher = await keyring.opening(Rar4Lock(salt=salt), proves)
            self._salt = salt
        if self._cipher is None:
            raise NoFilm(f"the archive {keyring.advice}")

    async def _block(self, at: int) -> _Block:
        start = await self._header(at, _FIRST_READ_BYTES)
        if len(start) < _BLOCK.size:
            raise ArchiveRefused("the archive has a header that ends too soon")
        crc, kind, flags, header_bytes = _BLOCK.unpack_from(start)
        if header_bytes < _BLOCK.size:
            raise ArchiveRefused("the archive has a header that ends too soon")
        data_at = at + self._stored_bytes(header_bytes)
        if data_at > self._size_bytes:
            raise ArchiveRefused("the archive has a header that reaches outside of its volume")
        header = start[:header_bytes]
        if len(start) < header_bytes:
            header = await self._header(at, header_bytes)
        checked = _checked(kind, flags, header)
        if checked and zlib.crc32(checked) & 0xFFFF != crc:
            raise ArchiveRefused("the archive has a header whose checksum is wrong")
        data_bytes = _data_bytes(kind, flags, header)
        if data_at + data_bytes > self._size_bytes:
            raise ArchiveRefused("the archive says that its data reach outside of their volume")
        return _Block(kind=kind, flags=flags, header=header, data_at=data_at, data_bytes=data_bytes)

    async def _header(self, at: int, most_bytes: int) -> bytes:
        """The plain bytes of a header that begins at `at`, as far as the volume goes."""
        stored = await self._read(at, min(self._stored_bytes(most_bytes), self._size_bytes - at))
        if not self._cipher:
            return stored
        blocks = stored[SALT_BYTES:]
        whole_blocks = blocks[: len(blocks) - len(blocks) % BLOCK_BYTES]
        return b"".join(self._cipher.decrypt(whole_blocks))[:most_bytes]

    def _stored_bytes(self, header_bytes: int) -> int:
        """An encrypted header has its salt before it, and is padded to whole blocks."""
        if not self._keyring:
            return header_bytes
        return SALT_BYTES - (-header_bytes // BLOCK_BYTES) * BLOCK_BYTES


def _checked(kind: int, flags: int, header: bytes) -> bytes:
    """What the checksum is about; empty for blocks that were checked differently before RAR 3."""
    if kind == _Kind.MAIN:
        return header[2:_MAIN_BYTES] if flags & _Main.COMMENT else header[2:]
    if kind == _Kind.FILE and flags & _File.COMMENT:
        return b""
    return header[2:] if kind in set(_Kind) else b""


def _data_bytes(kind: int, flags: int, header: bytes) -> int:
    if kind in {_Kind.FILE, _Kind.SERVICE}:
        return _sizes(flags, header)[0]
    if not flags & _HAS_DATA:
        return 0
    return int.from_bytes(_bytes(header, _BLOCK.size, 4), "little")


def _sizes(flags: int, header: bytes) -> tuple[int, int]:
    """Packed and unpacked bytes of a file or service block."""
    packed, unpacked = struct.unpack("<II", _bytes(header, _BLOCK.size, 8))
    if flags & _File.LARGE:
        high = struct.unpack("<II", _bytes(header, _BLOCK.size + _FIELDS.size, 8))
        packed, unpacked = packed | high[0] << 32, unpacked | high[1] << 32
        unknown = (1 << 64) - 1
    else:
        unknown = (1 << 32) - 1
    if unpacked == unknown or max(packed, unpacked) > MAX_FILE_BYTES:
        raise ArchiveRefused("the archive does not say how large a file in it is")
    return packed, unpacked


def _bytes(header: bytes, at: int, length: int) -> bytes:
    taken = header[at : at + length]
    if len(taken) < length:
        raise ArchiveRefused("the archive has a header that ends too soon")
    return taken


def _entry(block: _Block) -> Entry:
    flags, header = block.flags, block.header
    fields = _FIELDS.unpack(_bytes(header, _BLOCK.size, _FIELDS.size))
    _, _, host, crc, _, version, method, name_bytes, attributes = fields
    if name_bytes > MAX_PATH_BYTES:
        raise ArchiveRefused(f"the archive has a file name of {name_bytes} bytes")
    name_at = _BLOCK.size + _FIELDS.size + (8 if flags & _File.LARGE else 0)
    name = _name(_bytes(header, name_at, name_bytes), in_unicode=bool(flags & _File.UNICODE))
    return Entry(
        name=name,
        size_bytes=_sizes(flags, header)[1],
        offset=block.data_at,
        packed_bytes=block.data_bytes,
        split_before=bool(flags & _File.SPLIT_BEFORE),
        split_after=bool(flags & _File.SPLIT_AFTER),
        stored=method == _STORED,
        encrypted=bool(flags & _File.PASSWORD),
        lock=_lock(flags, version, header[name_at + name_bytes :]),
        directory=flags & _File.DIRECTORY == _File.DIRECTORY,
        link=host == _UNIX and attributes & 0xF000 == 0xA000,
        crc=crc,
    )


def _lock(flags: int, version: int, after_name: bytes) -> Rar4Lock | None:
    if not flags & _File.PASSWORD or version in _OLDER_CIPHERS:
        return None
    return Rar4Lock(salt=_bytes(after_name, 0, SALT_BYTES) if flags & _File.SALT else b"")


def _name(raw: bytes, *, in_unicode: bool) -> str:
    plain, separator, packed = raw.partition(b"\x00")
    name = _unpacked_name(plain, packed) if in_unicode and separator else None
    return plain.decode("utf-8", "replace") if name is None else name


def _unpacked_name(plain: bytes, packed: bytes) -> str | None:
    """UTF-16, written as how it differs from `plain`; None if it is cut short or refers outside of that.

    The first byte is the high byte that is used most. Then each flag byte, two bits at a time from the top,
    says what follows: 0 a low byte, 1 the same with the common high byte, 2 both bytes, 3 a run of `plain`.
    """
    fields = _NameFields(packed)
    units: list[int] = []
    flags, bits = 0, 0
    try:
        high = fields.byte() << 8
        while fields.left and len(units) <= MAX_PATH_BYTES:
            if not bits:
                flags, bits = fields.byte(), 8
            bits -= 2
            what = flags >> bits & 3
            first = fields.byte()
            if what == 3:
                correction = fields.byte() if first & 0x80 else None
                units += _run(plain, len(units), (first & 0x7F) + 2, correction, high)
            else:
                units.append(first | (0, high, fields.byte() << 8 if what == 2 else 0)[what])
    except IndexError:
        return None
    return struct.pack(f"<{len(units)}H", *units).decode("utf-16-le", "replace")


class _NameFields:
    def __init__(self, packed: bytes) -> None:
        self._packed = packed
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._packed) - self._at

    def byte(self) -> int:
        self._at += 1
        return self._packed[self._at - 1]


def _run(plain: bytes, at: int, length: int, correction: int | None, high: int) -> list[int]:
    run = plain[at : at + length]
    if len(run) < length:
        raise IndexError
    return list(run) if correction is None else [(byte + correction & 0xFF) | high for byte in run]


def _volume_number(block: _Block) -> int | None:
    if not block.flags & _End.VOLUME_NUMBER:
        return None
    at = _BLOCK.size + (4 if block.flags & _End.DATA_CRC else 0)
    return int.from_bytes(_bytes(block.header, at, 2), "little")
