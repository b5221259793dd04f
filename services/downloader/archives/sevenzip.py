"""7z archives: what is stored in them, by their header, which itself may be compressed.

Source: "7zFormat.txt" of the 7-Zip sources. At the front is where the header is; the header is at the end,
and tells of packed streams, of folders (what unpacks one or more of those into one stream), and of the
files that follow each other in those.
"""

import lzma
import struct
import zlib
from collections.abc import Sequence
from itertools import accumulate

from services.downloader.errors import ArchiveRefused, NoFilm
from services.downloader.extents import Extent

from .names import base_name
from .reading import Read
from .sevenzip_streams import Fields, Folder, Id, read_streams
from .volumes import InnerFile, NotPosted

SIGNATURE = b"7z\xbc\xaf\x27\x1c"
MAX_HEADER_BYTES = 16 << 20
"""Of the header, packed and unpacked: what bounds the memory and the time of unpacking it."""
MAX_NESTING = 4
"""A compressed header may be described by another one; 7-Zip makes one."""

_START = struct.Struct("<6sBBIQQI")
_LZMA, _LZMA2 = b"\x03\x01\x01", b"\x21"


async def sevenzip_files(read: Read, size_bytes: int) -> list[InnerFile]:
    """The files in a 7z of `size_bytes`; extents are of file 0, and only of files that are merely copied.

    Proven: checksums of all headers, and that streams lie inside, one after the other. Raises
    `ArchiveRefused` for one that is broken or lies, `NoFilm` for an encrypted header, `NotPosted` if its end
    is missing, and what `read` raises.
    """
    start = await read(0, min(_START.size, size_bytes))
    if len(start) < _START.size or not start.startswith(SIGNATURE):
        raise ArchiveRefused("a file that should be a 7z archive isn't one")
    *_, crc, offset, length, header_crc = _START.unpack(start)
    if zlib.crc32(start[12:]) != crc:
        raise ArchiveRefused("the 7z archive's first header has a wrong checksum")
    if not length:
        return []
    header_at = _START.size + offset
    if header_at + length > size_bytes:
        raise NotPosted("the 7z archive is shorter than it says: its end is missing from the release")
    header = _checked(await _bounded(read, header_at, length), header_crc)
    for _ in range(MAX_NESTING):
        fields = Fields(header)
        kind = fields.byte()
        if kind == Id.HEADER:
            return _files(fields, header_at)
        if kind != Id.ENCODED_HEADER:
            break
        header = await _decoded(read, read_streams(fields, header_at))
    raise ArchiveRefused("the 7z archive has a header of an unknown kind")


async def _bounded(read: Read, offset: int, length: int) -> bytes:
    if length > MAX_HEADER_BYTES:
        raise ArchiveRefused("the 7z archive's header is larger than that of any release")
    return await read(offset, length)


def _checked(data: bytes, crc: int | None) -> bytes:
    if crc is not None and zlib.crc32(data) != crc:
        raise ArchiveRefused("the 7z archive's header has a wrong checksum")
    return data


async def _decoded(read: Read, folders: Sequence[Folder]) -> bytes:
    """The header inside of a compressed one."""
    if len(folders) != 1 or len(folders[0].streams) != 1 or folders[0].size_bytes > MAX_HEADER_BYTES:
        raise ArchiveRefused("the 7z archive's header is not packed as any other")
    folder = folders[0]
    if folder.encrypted:
        raise NoFilm("the archive's file names are encrypted, and Matinee can't open that yet")
    stream = folder.streams[0]
    packed = await _bounded(read, stream.offset, stream.length)
    return _checked(_unpacked(packed, folder), folder.crc)


def _unpacked(packed: bytes, folder: Folder) -> bytes:
    if folder.stored:
        return packed
    try:
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[_filter(folder)])
        data = unpacker.decompress(packed, folder.size_bytes)
    except (lzma.LZMAError, ValueError) as error:
        raise ArchiveRefused("the 7z archive's compressed header is broken") from error
    if len(data) != folder.size_bytes:
        raise ArchiveRefused("the 7z archive's compressed header is broken")
    return data


def _filter(folder: Folder) -> dict[str, int]:
    """For liblzma. Nothing can refer back beyond what has been unpacked, so that bounds the dictionary."""
    coder = folder.coders[0]
    dictionary = max(4096, folder.size_bytes)
    if len(folder.coders) == 1 and coder.method == _LZMA2:
        return {"id": lzma.FILTER_LZMA2, "dict_size": dictionary}
    if len(folder.coders) == 1 and coder.method == _LZMA and len(coder.properties) == 5:
        rest, lc = divmod(coder.properties[0], 9)
        pb, lp = divmod(rest, 5)
        return {"id": lzma.FILTER_LZMA1, "dict_size": dictionary, "lc": lc, "lp": lp, "pb": pb}
    raise NoFilm("the 7z archive's header is compressed in a way that Matinee can't read")


def _files(fields: Fields, data_end: int) -> list[InnerFile]:
    folders: list[Folder] = []
    while (kind := fields.byte()) != Id.END:
        if kind == Id.ARCHIVE_PROPERTIES:
            while fields.byte() != Id.END:
                fields.take(fields.number())
        elif kind == Id.MAIN_STREAMS:
            folders = read_streams(fields, data_end)
        elif kind == Id.FILES:
            return _named(fields, folders)
        else:
            raise ArchiveRefused("the 7z archive has a broken header")
    return []


def _named(fields: Fields, folders: Sequence[Folder]) -> list[InnerFile]:
    count = fields.count()
    empty, names, links = [False] * count, [""] * count, [False] * count
    while (kind := fields.number()) != Id.END:
        about = Fields(fields.take(fields.number()))
        if kind == Id.EMPTY_STREAM:
            empty = about.bits(count)
        elif kind == Id.NAMES:
            names = _names(about, count)
        elif kind == Id.ATTRIBUTES:
            links = _links(about, count)
    contents = iter([content for folder in folders for content in _contents(folder)])
    files: list[InnerFile] = []
    for name, is_empty, is_link in zip(names, empty, links, strict=True):
        content = None if is_empty else next(contents, None)
        if content and not is_link:
            files.append(_inner_file(name, *content))
        elif not is_empty and not content:
            raise ArchiveRefused("the 7z archive names more files than it holds")
    return files


def _names(fields: Fields, count: int) -> list[str]:
    if fields.byte():
        raise ArchiveRefused("the 7z archive keeps a part of its header elsewhere")
    names = fields.take(fields.left // 2 * 2).decode("utf-16-le", "replace").split("\x00")
    if len(names) != count + 1:
        raise ArchiveRefused("the 7z archive does not name all of its files")
    return names[:count]


def _links(fields: Fields, count: int) -> list[bool]:
    """By the Unix mode that 7-Zip keeps in the upper half of the attributes."""
    defined = fields.defined(count)
    if fields.byte():
        raise ArchiveRefused("the 7z archive keeps a part of its header elsewhere")
    return [there and int.from_bytes(fields.take(4), "little") >> 16 & 0xF000 == 0xA000 for there in defined]


def _contents(folder: Folder) -> list[tuple[Folder, int, int, int | None]]:
    starts = accumulate(folder.file_sizes, initial=0)
    return [
        (folder, start, size, crc)
        for start, size, crc in zip(starts, folder.file_sizes, folder.file_crcs, strict=False)
    ]


def _inner_file(name: str, folder: Folder, start: int, size_bytes: int, crc: int | None) -> InnerFile:
    extents = [Extent(0, folder.streams[0].offset + start, size_bytes)] if folder.stored else []
    return InnerFile(
        name=base_name(name),
        directory=base_name(name.replace("\\", "/").rpartition("/")[0]),
        size_bytes=size_bytes,
        extents=extents,
        stored=folder.stored,
        encrypted=folder.encrypted,
        crc=crc,
        format="7z",
    )
