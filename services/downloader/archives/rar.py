"""RAR 5.0 headers, walked without reading what is packed between them.

Source: "RAR 5.0 archive format", the technical note that comes with RAR. A volume is a signature and blocks;
a block is CRC-32 of its header, the header's size, type and flags, then perhaps an extra and a data area.
"""

import zlib
from enum import IntEnum, IntFlag

import msgspec

from services.downloader.decrypted import BLOCK_BYTES, Cipher
from services.downloader.errors import ArchiveRefused, NoFilm

from .locks import RAR5_CHECK_BYTES, RAR5_SALT_BYTES, Keyring, Rar5Lock
from .names import base_name
from .reading import MAX_BLOCKS, MAX_FILE_BYTES, MAX_PATH_BYTES, Read
from .volumes import Entry, Volume

RAR5_SIGNATURE = b"Rar!\x1a\x07\x01\x00"

MAX_HEADER_BYTES = 2 << 20
"""A header's size is a vint of at most three bytes, says the note: below 2 MiB."""
MAX_VINT_BYTES = 10

_FIRST_READ_BYTES = 512
"""Enough for nearly every header, so that one read brings it whole."""


async def walk(read: Read, size_bytes: int, keyring: Keyring, most_entries: int | None = None) -> Volume:
    """The headers of one volume of `size_bytes`.

    Reads headers only, and stops at the first entry that goes on in the next volume, as nothing of use
    follows it, or after `most_entries`. Raises `ArchiveRefused` for a header that is broken or lies (wrong
    CRC, outside of the volume, too many), `NoFilm` for encrypted headers that no known password opens, and
    what `read` raises.
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
            await reader.unlock(at, _header_lock(block.fields), keyring)
        if block.kind == _Kind.MAIN:
            main = block.fields
        elif block.kind == _Kind.FILE:
            entries.append(_entry(block))
            if entries[-1].split_after or len(entries) == most_entries:
                more_volumes = entries[-1].split_after
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

_ENCRYPTION_AES_256 = 0
_ENCRYPTION_HAS_CHECK = 0x01
_ENCRYPTION_TWEAKED_CRC = 0x02
"""The file's checksum is mixed with a key, so that nobody can guess the file by it."""
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
        self._cipher: Cipher | None = None

    async def signature(self) -> int:
        """Proves that this is RAR 5; where its first block begins."""
        start = await self._read(0, min(len(RAR5_SIGNATURE), self._size_bytes))
        if start != RAR5_SIGNATURE:
            raise ArchiveRefused("a file that should be a RAR archive isn't one")
        return len(RAR5_SIGNATURE)

    async def unlock(self, at: int, lock: Rar5Lock, keyring: Keyring) -> None:
        """From now on headers are encrypted, the first of them at `at`."""

        async def proves(cipher: Cipher) -> bool:
            self._cipher = cipher
            try:
                await self.block(at)
            except ArchiveRefused:
                return False
            return True

        self._cipher = await keyring.opening(lock, proves)
        if self._cipher is None:
            raise NoFilm(f"the archive {keyring.advice}")

    async def block(self, at: int) -> _Block:
        prefix = await self._header(at, _FIRST_READ_BYTES)
        before_size = _Fields(prefix)
        crc = int.from_bytes(before_size.take(4), "little")
        header_bytes = before_size.vint()
        counted_from = len(prefix) - before_size.left
        end = at + self._stored_bytes(counted_from + header_bytes)
        if header_bytes > MAX_HEADER_BYTES or end > self._size_bytes:
            raise ArchiveRefused("the archive has a header that reaches outside of its volume")
        whole = prefix[: counted_from + header_bytes]
        if len(prefix) < counted_from + header_bytes:
            whole = await self._header(at, counted_from + header_bytes)
        if zlib.crc32(whole[4:]) != crc:
            raise ArchiveRefused("the archive has a header whose checksum is wrong")
        return self._parsed(whole[counted_from:], end)

    async def _header(self, at: int, most_bytes: int) -> bytes:
        """The plain bytes of a header that begins at `at`, as far as the volume goes."""
        stored = await self._read(at, min(self._stored_bytes(most_bytes), self._size_bytes - at))
        if not self._cipher:
            return stored
        iv, blocks = stored[:BLOCK_BYTES], stored[BLOCK_BYTES:]
        if len(blocks) < BLOCK_BYTES:
            raise ArchiveRefused("the archive has a header that ends too soon")
        whole_blocks = blocks[: len(blocks) - len(blocks) % BLOCK_BYTES]
        return b"".join(self._cipher.with_iv(iv).decrypt(whole_blocks))[:most_bytes]

    def _stored_bytes(self, header_bytes: int) -> int:
        """An encrypted header has its IV before it, and is padded to whole blocks."""
        if not self._cipher:
            return header_bytes
        return BLOCK_BYTES - (-header_bytes // BLOCK_BYTES) * BLOCK_BYTES

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
    records = _records(block.extra)
    encryption = records.get(_RECORD_ENCRYPTION)
    lock, crc_is_tweaked = _data_lock(encryption) if encryption else (None, False)
    return Entry(
        name=name,
        size_bytes=size_bytes,
        offset=block.data_at,
        packed_bytes=block.data_bytes,
        split_before=bool(block.flags & _Flag.SPLIT_BEFORE),
        split_after=bool(block.flags & _Flag.SPLIT_AFTER),
        stored=not compression & _METHOD_MASK,
        encrypted=encryption is not None,
        lock=lock,
        directory=bool(flags & _FILE_DIRECTORY),
        link=_RECORD_REDIRECTION in records,
        crc=None if crc_is_tweaked else crc,
    )


def _records(extra: _Fields) -> dict[int, _Fields]:
    """By their kinds; what is left in them is what follows that."""
    records: dict[int, _Fields] = {}
    while extra.left:
        record = _Fields(extra.take(extra.vint()))
        records.setdefault(record.vint(), record)
    return records


def _header_lock(fields: _Fields) -> Rar5Lock:
    """Of an archive encryption header."""
    version, flags, log2_rounds = fields.vint(), fields.vint(), fields.take(1)[0]
    if version != _ENCRYPTION_AES_256:
        raise NoFilm("the archive is encrypted in a way that Matinee doesn't know")
    salt = fields.take(RAR5_SALT_BYTES)
    check = fields.take(RAR5_CHECK_BYTES) if flags & _ENCRYPTION_HAS_CHECK else b""
    return Rar5Lock(salt=salt, log2_rounds=log2_rounds, check=check)


def _data_lock(fields: _Fields) -> tuple[Rar5Lock | None, bool]:
    """Of a file's encryption record; and whether the file's checksum is tweaked."""
    version, flags, log2_rounds = fields.vint(), fields.vint(), fields.take(1)[0]
    if version != _ENCRYPTION_AES_256:
        return None, False
    salt, iv = fields.take(RAR5_SALT_BYTES), fields.take(BLOCK_BYTES)
    check = fields.take(RAR5_CHECK_BYTES) if flags & _ENCRYPTION_HAS_CHECK else b""
    lock = Rar5Lock(salt=salt, log2_rounds=log2_rounds, iv=iv, check=check)
    return lock, bool(flags & _ENCRYPTION_TWEAKED_CRC)
