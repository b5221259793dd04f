"""Writes RAR5 archives that store one file without compression, whole or cut into volumes.

Format: "RAR 5.0 archive format" (rarlab.com/technote.htm). A volume is the signature, a main header, one
file header followed by its share of the data, and an end header.
"""

import zlib
from pathlib import Path
from struct import pack
from typing import BinaryIO

from libs.sandbox.archives.rar5 import SIGNATURE, block, vint

COPY_BYTES = 1 << 20

MAIN_HEADER, FILE_HEADER, END_HEADER = 1, 2, 5
HAS_DATA, CONTINUES_BEFORE, CONTINUES_AFTER = 0x02, 0x08, 0x10
MAIN_IS_VOLUME, MAIN_HAS_NUMBER = 0x01, 0x02
FILE_HAS_MTIME, FILE_HAS_CRC32 = 0x02, 0x04
END_MORE_VOLUMES = 0x01
HOST_UNIX = 1
VOLUME_OVERHEAD_BYTES = 400
"""More than all the headers of a volume, for a name within NAME_MAX_BYTES."""
NAME_MAX_BYTES = 255


def write_rar(source: Path, archive: Path) -> None:
    """Stores `source` in the single archive `archive`."""
    with source.open("rb") as data, archive.open("wb") as out:
        size_bytes = source.stat().st_size
        out.write(SIGNATURE + _main_header(None))
        out.write(_file_header(source, size_bytes, _crc32(data, 0, size_bytes), 0))
        _copy(data, out, 0, size_bytes)
        out.write(_end_header(more=False))


def write_rar_volumes(source: Path, directory: Path, stem: str, volume_bytes: int) -> list[Path]:
    """Stores `source` in `stem.part01.rar` … of at most `volume_bytes` each; the paths, in order.

    Every volume but the last holds the same number of data bytes, as those of the usual tools do.
    """
    share_bytes = volume_bytes - VOLUME_OVERHEAD_BYTES
    if share_bytes <= 0:
        raise ValueError(f"a volume of {volume_bytes} bytes has no room for data")
    size_bytes = source.stat().st_size
    count = max(1, -(-size_bytes // share_bytes))
    digits = max(2, len(str(count)))
    paths = [directory / f"{stem}.part{number + 1:0{digits}}.rar" for number in range(count)]
    with source.open("rb") as data:
        whole_crc32 = _crc32(data, 0, size_bytes)
        for number, path in enumerate(paths):
            offset = number * share_bytes
            stored_bytes = min(share_bytes, size_bytes - offset)
            last = number == count - 1
            # The last volume's header has the checksum of the whole file, the others' that of their share.
            crc32 = whole_crc32 if last else _crc32(data, offset, stored_bytes)
            flags = (CONTINUES_BEFORE if number else 0) | (0 if last else CONTINUES_AFTER)
            with path.open("wb") as out:
                out.write(SIGNATURE + _main_header(number))
                out.write(_file_header(source, stored_bytes, crc32, flags))
                _copy(data, out, offset, stored_bytes)
                out.write(_end_header(more=not last))
    return paths


def _main_header(volume: int | None) -> bytes:
    if volume is None:
        return block(MAIN_HEADER, 0, vint(0))
    if volume == 0:
        return block(MAIN_HEADER, 0, vint(MAIN_IS_VOLUME))
    return block(MAIN_HEADER, 0, vint(MAIN_IS_VOLUME | MAIN_HAS_NUMBER) + vint(volume))


def _file_header(source: Path, stored_bytes: int, crc32: int, flags: int) -> bytes:
    name, facts = source.name.encode(), source.stat()
    if len(name) > NAME_MAX_BYTES:
        raise ValueError(f"the name {source.name!r} is longer than {NAME_MAX_BYTES} bytes")
    method_stored = vint(0)
    fields = (
        vint(stored_bytes)
        + vint(FILE_HAS_MTIME | FILE_HAS_CRC32)
        + vint(facts.st_size)
        + vint(0o100644)
        + pack("<II", int(facts.st_mtime), crc32)
        + method_stored
        + vint(HOST_UNIX)
        + vint(len(name))
        + name
    )
    return block(FILE_HEADER, flags | HAS_DATA, fields)


def _end_header(*, more: bool) -> bytes:
    return block(END_HEADER, 0, vint(END_MORE_VOLUMES if more else 0))


def _pieces(data: BinaryIO, offset: int, size_bytes: int):
    data.seek(offset)
    while size_bytes:
        piece = data.read(min(COPY_BYTES, size_bytes))
        if not piece:
            raise EOFError("the file became shorter while it was stored")
        size_bytes -= len(piece)
        yield piece


def _crc32(data: BinaryIO, offset: int, size_bytes: int) -> int:
    checksum = 0
    for piece in _pieces(data, offset, size_bytes):
        checksum = zlib.crc32(piece, checksum)
    return checksum


def _copy(data: BinaryIO, out: BinaryIO, offset: int, size_bytes: int) -> None:
    for piece in _pieces(data, offset, size_bytes):
        out.write(piece)
