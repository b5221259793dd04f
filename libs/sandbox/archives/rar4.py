"""RAR 4 archives byte by byte, so that a test can also write the ones no packer would."""

import struct
import zlib
from collections.abc import Iterable

SIGNATURE = b"Rar!\x1a\x07\x00"
UNICODE, SALT, LARGE = 0x0200, 0x0400, 0x0100


def block(kind: int, flags: int, fields: bytes = b"", data: bytes = b"") -> bytes:
    header = struct.pack("<BHH", kind, flags, 7 + len(fields)) + fields
    return struct.pack("<H", zlib.crc32(header) & 0xFFFF) + header + data


def main(number: int | None = None, *, new_naming: bool = True, flags: int = 0, tells: bool = True) -> bytes:
    """The main header: of a single archive without `number`, else of that volume (from 0)."""
    if number is not None:
        flags |= 1 | (0x10 if new_naming else 0) | (0x100 if number == 0 and tells else 0)
    return block(0x73, flags, bytes(6))


def entry(
    name: str | bytes,
    data: bytes,
    size_bytes: int | None = None,
    *,
    before: bool = False,
    after: bool = False,
    crc: int | None = None,
    method: int = 0x30,
    flags: int = 0,
    host: int = 3,
    attributes: int = 0o100644,
    large: bool = False,
    salt: bytes = b"",
    kind: int = 0x74,
) -> bytes:
    """A file header and its data; `size_bytes` is the whole file's if this is only a part of it."""
    encoded = name if isinstance(name, bytes) else name.encode()
    if isinstance(name, str) and not name.isascii():
        flags |= UNICODE
    size_bytes = len(data) if size_bytes is None else size_bytes
    large = large or size_bytes >= 1 << 32
    flags |= 0x8000 | before | (2 if after else 0) | (LARGE if large else 0) | (SALT if salt else 0)
    fields = struct.pack(
        "<IIBIIBBHI",
        len(data) & 0xFFFFFFFF,
        size_bytes & 0xFFFFFFFF,
        host,
        zlib.crc32(data) if crc is None else crc,
        0x5A21_0000,
        29,
        method,
        len(encoded),
        attributes,
    )
    fields += struct.pack("<II", len(data) >> 32, size_bytes >> 32) if large else b""
    return block(kind, flags, fields + encoded + salt, data)


def end(number: int | None = None, *, more: bool = False) -> bytes:
    fields = b"" if number is None else struct.pack("<IH", 0xC0FFEE, number)
    return block(0x7B, 0x4000 | more | (0 if number is None else 2 | 8), fields)


def archive(files: Iterable[tuple[str, bytes]]) -> bytes:
    return SIGNATURE + main() + b"".join(entry(name, data) for name, data in files) + end()


def volumes(
    files: Iterable[tuple[str, bytes]],
    part_bytes: int,
    *,
    new_naming: bool = True,
    tells: bool = True,
) -> list[bytes]:
    """Volumes that hold `part_bytes` of packed data each; without `tells` as before RAR 3: no first-volume
    flag, no numbers."""
    made: list[bytes] = []

    def begin() -> bytes:
        return SIGNATURE + main(len(made), new_naming=new_naming, tells=tells)

    def ended(*, more: bool) -> bytes:
        return end(len(made) if tells else None, more=more)

    volume, room = begin(), part_bytes
    for name, data in files:
        at = 0
        while at == 0 or at < len(data):
            if room == 0:
                made.append(volume + ended(more=True))
                volume, room = begin(), part_bytes
            part = data[at : at + room]
            after = at + len(part) < len(data)
            crc = zlib.crc32(part if after else data)
            volume += entry(name, part, len(data), before=at > 0, after=after, crc=crc)
            at, room = at + len(part), room - len(part)
            if not part:
                break
    return [*made, volume + ended(more=False)]
