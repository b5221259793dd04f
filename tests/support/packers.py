"""Archives that compress, made by real packers where free ones exist, and by hand for RAR."""

import io
import subprocess
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from libs.sandbox.archives import rar4, rar5
from libs.sandbox.archives.names import Files
from services.downloader.unpack.tool import unpacker
from tests.support.rar_streams import rar4_stream, rar5_stream


def deflated(files: Files) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return made.getvalue()


def sevenzipped(directory: Path, files: Files, *switches: str) -> bytes:
    """By 7-Zip itself: solid, LZMA2, unless the switches say otherwise."""
    room = directory / f"packing-{len(list(directory.iterdir()))}"
    for name, data in files:
        (room / name).parent.mkdir(parents=True, exist_ok=True)
        (room / name).write_bytes(data)
    return pack_directory(room, *switches)


def pack_directory(room: Path, *switches: str) -> bytes:
    command = [str(unpacker()), "a", "-t7z", "-snl", *switches, "../made.7z", "."]
    made = room.parent / "made.7z"
    made.unlink(missing_ok=True)
    subprocess.run(command, cwd=room, check=True, capture_output=True, timeout=60)
    return made.read_bytes()


def rar5_compressed(files: Files, *, records: Sequence[bytes] = (), size_bytes: int | None = None) -> bytes:
    made = rar5.SIGNATURE + rar5.main()
    for name, data in files:
        size = len(data) if size_bytes is None else size_bytes
        crc = zlib.crc32(data)
        made += rar5.entry(name, rar5_stream(data), size, method=3, crc=crc, records=records)
    return made + rar5.end()


def rar4_compressed(files: Files) -> bytes:
    made = rar4.SIGNATURE + rar4.main()
    for name, data in files:
        made += rar4.entry(name, rar4_stream(data), len(data), method=0x33, crc=zlib.crc32(data))
    return made + rar4.end()


def rar5_volumes(name: str, data: bytes, part_bytes: int) -> list[bytes]:
    packed = rar5_stream(data)
    made: list[bytes] = []
    for number, at in enumerate(range(0, len(packed), part_bytes)):
        part, after = packed[at : at + part_bytes], at + part_bytes < len(packed)
        crc = zlib.crc32(part if after else data)
        volume = rar5.SIGNATURE + rar5.main(number)
        volume += rar5.entry(name, part, len(data), before=at > 0, after=after, crc=crc, method=3)
        made.append(volume + rar5.end(more=after))
    return made


def rar4_volumes(name: str, data: bytes, part_bytes: int, *, new_naming: bool) -> list[bytes]:
    packed = rar4_stream(data)
    made: list[bytes] = []
    for number, at in enumerate(range(0, len(packed), part_bytes)):
        part, after = packed[at : at + part_bytes], at + part_bytes < len(packed)
        crc = zlib.crc32(part if after else data)
        volume = rar4.SIGNATURE + rar4.main(number, new_naming=new_naming)
        volume += rar4.entry(name, part, len(data), before=at > 0, after=after, crc=crc, method=0x33)
        made.append(volume + rar4.end(number, more=after))
    return made
