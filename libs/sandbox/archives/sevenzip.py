"""7z archives byte by byte, so that a test can also write the ones no packer would."""

import lzma
import struct
import zlib
from collections.abc import Iterable, Sequence

SIGNATURE = b"7z\xbc\xaf\x27\x1c"
COPY = b"\x01\x00"
AES = b"\x24\x06\xf1\x07\x01\x01\x00"
LZMA1 = b"\x23\x03\x01\x01\x05\x5d\x00\x00\x01\x00"
LZMA2 = b"\x21\x21\x01\x08"
_FILTERS = {
    LZMA1: {"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16, "lc": 3, "lp": 0, "pb": 2},
    LZMA2: {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16},
}


def number(value: int) -> bytes:
    """The leading one bits of the first byte count the bytes that follow; it keeps the highest bits."""
    for more in range(8):
        if value < 1 << (7 * more + 7):
            first = (0xFF00 >> more & 0xFF) | value >> 8 * more
            return bytes([first]) + (value & (1 << 8 * more) - 1).to_bytes(more, "little")
    return b"\xff" + value.to_bytes(8, "little")


def numbers(values: Iterable[int]) -> bytes:
    return b"".join(number(value) for value in values)


def crcs(contents: Iterable[bytes]) -> bytes:
    return b"\x0a\x01" + b"".join(struct.pack("<I", zlib.crc32(content)) for content in contents)


def folder(coder: bytes) -> bytes:
    return b"\x01" + coder


def streams(
    packed: Sequence[int],
    folders: Sequence[bytes],
    sizes: Sequence[int],
    sub_streams: bytes = b"",
    at: int = 0,
    folder_crcs: bytes = b"",
) -> bytes:
    """A "StreamsInfo" without its id."""
    made = b"\x06" + number(at) + number(len(packed)) + b"\x09" + numbers(packed) + b"\x00"
    made += b"\x07\x0b" + number(len(folders)) + b"\x00" + b"".join(folders)
    return made + b"\x0c" + numbers(sizes) + folder_crcs + b"\x00" + sub_streams + b"\x00"


def sub_streams(folders: Sequence[Sequence[bytes]]) -> bytes:
    made = b"\x08\x0d" + numbers(len(files) for files in folders)
    if any(len(files) > 1 for files in folders):
        made += b"\x09" + numbers(len(data) for files in folders for data in files[:-1])
    return made + crcs(data for files in folders for data in files) + b"\x00"


def property_(kind: int, data: bytes) -> bytes:
    return number(kind) + number(len(data)) + data


def bits(flags: Sequence[bool]) -> bytes:
    packed = bytearray(-(-len(flags) // 8))
    for at, flag in enumerate(flags):
        packed[at // 8] |= flag << (7 - at % 8)
    return bytes(packed)


def files_info(names: Sequence[str], empty: Sequence[bool] = (), links: Sequence[bool] = ()) -> bytes:
    made = b"\x05" + number(len(names))
    if any(empty):
        made += property_(0x0E, bits(empty))
    made += property_(0x11, b"\x00" + "".join(f"{name}\x00" for name in names).encode("utf-16-le"))
    if links:
        modes = [0x8000 | (0o120777 if link else 0o100644) << 16 for link in links]
        made += property_(0x15, b"\x01\x00" + b"".join(struct.pack("<I", mode) for mode in modes))
    return made + b"\x00"


def archive(
    folders: Sequence[Sequence[tuple[str, bytes]]],
    *,
    coder: bytes = COPY,
    header_coder: bytes | None = None,
    links: Sequence[bool] = (),
) -> bytes:
    """Each folder is one stream of its files; empty files and directories (by an empty name's data) too."""
    names = [name for files in folders for name, _ in files]
    empty = [not data for files in folders for _, data in files]
    full = [kept for files in folders if (kept := [data for _, data in files if data])]
    data = [b"".join(files) for files in full]
    packed = [pack(coder, stream) for stream in data]
    header = b"\x01"
    if full:
        sizes = [len(stream) for stream in data]
        made = streams(
            [len(stream) for stream in packed], [folder(coder)] * len(full), sizes, sub_streams(full)
        )
        header += b"\x04" + made
    header += files_info(names, empty, links) + b"\x00"
    body = b"".join(packed)
    return with_header(body, header) if header_coder is None else packed_header(body, header, header_coder)


def pack(coder: bytes, data: bytes) -> bytes:
    return lzma.compress(data, lzma.FORMAT_RAW, filters=[_FILTERS[coder]]) if coder in _FILTERS else data


def packed_header(body: bytes, header: bytes, coder: bytes) -> bytes:
    packed = pack(coder, header)
    told = streams([len(packed)], [folder(coder)], [len(header)], at=len(body), folder_crcs=crcs([header]))
    return with_header(body + packed, b"\x17" + told)


def with_header(body: bytes, header: bytes, *, offset: int | None = None) -> bytes:
    """An archive whose checksums are right, whatever its header says."""
    offset = len(body) if offset is None else offset
    start = struct.pack("<QQI", offset, len(header), zlib.crc32(header))
    return SIGNATURE + b"\x00\x04" + struct.pack("<I", zlib.crc32(start)) + start + body + header
