"""RAR 5 archives byte by byte, so that a test can also write the ones no packer would."""

import zlib
from collections.abc import Iterable

SIGNATURE = b"Rar!\x1a\x07\x01\x00"

EXTRA_ENCRYPTION = bytes([1, 0, 0, 15]) + bytes(32)
EXTRA_LINK = bytes([5, 1, 0, 5]) + b"/etc/"


def vint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def block(kind: int, flags: int, fields: bytes, data: bytes = b"", records: Iterable[bytes] = ()) -> bytes:
    extra = b"".join(vint(len(record)) + record for record in records)
    flags |= (1 if extra else 0) | (2 if data else 0)
    header = vint(kind) + vint(flags) + (vint(len(extra)) if extra else b"")
    header += (vint(len(data)) if data else b"") + fields + extra
    header = vint(len(header)) + header
    return zlib.crc32(header).to_bytes(4, "little") + header + data


def main(number: int | None = None, *, solid: bool = False) -> bytes:
    """The main header: of a single archive without `number`, else of that volume (from 0)."""
    flags = (0 if number is None else 1) | (2 if number else 0) | (4 if solid else 0)
    return block(1, 0, vint(flags) + (vint(number) if number else b""))


def entry(
    name: str | bytes,
    data: bytes,
    size_bytes: int | None = None,
    *,
    before: bool = False,
    after: bool = False,
    crc: int | None = None,
    method: int = 0,
    directory: bool = False,
    size_unknown: bool = False,
    records: Iterable[bytes] = (),
) -> bytes:
    """A file header and its data; `size_bytes` is the whole file's if this is only a part of it."""
    encoded = name.encode() if isinstance(name, str) else name
    flags = 4 | (1 if directory else 0) | (8 if size_unknown else 0)
    fields = vint(flags) + vint(len(data) if size_bytes is None else size_bytes) + vint(0o100644)
    fields += (zlib.crc32(data) if crc is None else crc).to_bytes(4, "little")
    fields += vint(method << 7) + vint(1) + vint(len(encoded)) + encoded
    return block(2, (8 if before else 0) | (16 if after else 0), fields, data, records)


def service(name: str, data: bytes) -> bytes:
    """A service block ("CMT", "QO", "RR"): laid out like a file, and none."""
    fields = vint(0) + vint(len(data)) + vint(0) + vint(0) + vint(1) + vint(len(name)) + name.encode()
    return block(3, 0, fields, data)


def end(*, more: bool = False) -> bytes:
    return block(5, 0, vint(1 if more else 0))


def archive(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A single archive with these files, stored."""
    return SIGNATURE + main() + b"".join(entry(name, data) for name, data in files) + end()


def volumes(files: Iterable[tuple[str, bytes]], part_bytes: int) -> list[bytes]:
    """The same in volumes that hold `part_bytes` of packed data each, the last one what is left."""
    made: list[bytes] = []
    volume, room = SIGNATURE + main(0), part_bytes
    for name, data in files:
        at = 0
        while at == 0 or at < len(data):
            if room == 0:
                made.append(volume + end(more=True))
                volume, room = SIGNATURE + main(len(made)), part_bytes
            part = data[at : at + room]
            after = at + len(part) < len(data)
            crc = zlib.crc32(part if after else data)
            volume += entry(name, part, len(data), before=at > 0, after=after, crc=crc)
            at, room = at + len(part), room - len(part)
            if not part:
                break
    return [*made, volume + end()]
