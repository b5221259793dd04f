"""Puts right the checksums of what a mutation changed, so that parsers look further than those."""

import hashlib
import struct
import zlib
from collections.abc import Callable

from libs.sandbox.archives import rar4, rar5, sevenzip

PAR2_MAGIC = b"PAR2\x00PKT"
BLOCKS_MAX = 200


def sealed(data: bytes) -> bytes:
    """The same file with right checksums, as far as its headers can be followed."""
    buffer = bytearray(data)
    for signature, seal in _SEALS.items():
        if data.startswith(signature):
            seal(buffer)
    return bytes(buffer)


def _rar5(data: bytearray) -> None:
    at = len(rar5.SIGNATURE)
    for _ in range(BLOCKS_MAX):
        size, start = _vint(data, at + 4)
        end = start + size
        if not size or end > len(data):
            return
        data[at : at + 4] = zlib.crc32(data[at + 4 : end]).to_bytes(4, "little")
        _, flags_at = _vint(data, start)
        flags, next_at = _vint(data, flags_at)
        if flags & 1:
            _, next_at = _vint(data, next_at)
        at = end + (_vint(data, next_at)[0] if flags & 2 else 0)


def _vint(data: bytearray, at: int) -> tuple[int, int]:
    value = 0
    for shift, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, at + shift + 1
    return 0, at + 10


def _rar4(data: bytearray) -> None:
    at = len(rar4.SIGNATURE)
    for _ in range(BLOCKS_MAX):
        if at + 7 > len(data):
            return
        _, flags, size = struct.unpack_from("<BHH", data, at + 2)
        if size < 7 or at + size > len(data):
            return
        data[at : at + 2] = struct.pack("<H", zlib.crc32(data[at + 2 : at + size]) & 0xFFFF)
        packed = struct.unpack_from("<I", data, at + 7)[0] if flags & 0x8000 and at + 11 <= len(data) else 0
        at += size + packed


def _sevenzip(data: bytearray) -> None:
    if len(data) < 32:
        return
    offset, size = struct.unpack_from("<QQ", data, 12)
    if 32 + offset + size <= len(data):
        data[28:32] = struct.pack("<I", zlib.crc32(data[32 + offset : 32 + offset + size]))
    data[8:12] = struct.pack("<I", zlib.crc32(data[12:32]))


def _par2(data: bytearray) -> None:
    at = 0
    for _ in range(BLOCKS_MAX):
        if at + 64 > len(data):
            return
        end = at + int.from_bytes(data[at + 8 : at + 16], "little")
        if end <= len(data):
            data[at + 16 : at + 32] = hashlib.md5(data[at + 32 : end], usedforsecurity=False).digest()
        at = data.find(PAR2_MAGIC, at + 8)
        if at < 0:
            return


_SEALS: dict[bytes, Callable[[bytearray], None]] = {
    rar5.SIGNATURE: _rar5,
    rar4.SIGNATURE: _rar4,
    sevenzip.SIGNATURE: _sevenzip,
    PAR2_MAGIC: _par2,
}
