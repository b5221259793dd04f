"""The fields of a 7z header, and what they say about packed streams and the folders made of them.

Source: "7zFormat.txt" of the 7-Zip sources, "PackInfo" to "SubStreamsInfo".
"""

from collections.abc import Sequence
from enum import IntEnum
from itertools import accumulate, pairwise

import msgspec

from services.downloader.errors import ArchiveRefused
from services.downloader.extents import Extent

from .reading import MAX_ENTRIES, MAX_FILE_BYTES

MAX_CODERS = 32
PREFIX_BYTES = 32
"""The first header; positions in an archive count from its end."""
COPY, AES = b"\x00", b"\x06\xf1\x07\x01"


class Id(IntEnum):
    END = 0x00
    HEADER = 0x01
    ARCHIVE_PROPERTIES = 0x02
    MAIN_STREAMS = 0x04
    FILES = 0x05
    PACK = 0x06
    FOLDERS = 0x07
    SUB_STREAMS = 0x08
    SIZES = 0x09
    DIGESTS = 0x0A
    FOLDER = 0x0B
    UNPACKED_SIZES = 0x0C
    SUB_STREAM_COUNT = 0x0D
    EMPTY_STREAM = 0x0E
    NAMES = 0x11
    ATTRIBUTES = 0x15
    ENCODED_HEADER = 0x17


class Fields:
    """The fields of a header in their order; every read is inside the header or refused."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, length: int) -> bytes:
        if length > self.left:
            raise ArchiveRefused("the 7z archive has a header that ends too soon")
        self._at += length
        return self._data[self._at - length : self._at]

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        """The leading one bits of the first byte count the bytes that follow; it keeps the highest bits."""
        first = self.byte()
        more = 8 - (first ^ 0xFF).bit_length()
        low = int.from_bytes(self.take(more), "little")
        return low | (first & (0x7F >> more)) << 8 * more

    def count(self) -> int:
        number = self.number()
        if number > MAX_ENTRIES:
            raise ArchiveRefused(f"the 7z archive says it holds {number} files, more than any release")
        return number

    def size(self) -> int:
        number = self.number()
        if number > MAX_FILE_BYTES:
            raise ArchiveRefused("the 7z archive says that it is larger than any film")
        return number

    def expect(self, wanted: Id) -> None:
        if self.byte() != wanted:
            raise ArchiveRefused("the 7z archive has a broken header")

    def bits(self, count: int) -> list[bool]:
        packed = self.take(-(-count // 8))
        return [bool(packed[at // 8] & 0x80 >> at % 8) for at in range(count)]

    def defined(self, count: int) -> list[bool]:
        return [True] * count if self.byte() else self.bits(count)

    def digests(self, count: int) -> list[int | None]:
        return [int.from_bytes(self.take(4), "little") if there else None for there in self.defined(count)]


class Coder(msgspec.Struct, frozen=True, kw_only=True):
    method: bytes
    properties: bytes
    takes: int
    gives: int


class Folder(msgspec.Struct, kw_only=True):
    coders: Sequence[Coder]
    packed_streams: int
    last_output: int
    """Which of the coders' outputs is what comes out."""
    size_bytes: int = 0
    crc: int | None = None
    streams: Sequence[Extent] = ()
    file_sizes: Sequence[int] = ()
    file_crcs: Sequence[int | None] = ()

    @property
    def stored(self) -> bool:
        return len(self.coders) == self.packed_streams == 1 and self.coders[0].method == COPY

    @property
    def encrypted(self) -> bool:
        return any(coder.method == AES for coder in self.coders)


def read_streams(fields: Fields, data_end: int) -> list[Folder]:
    """The folders of a "StreamsInfo", with where their packed streams are."""
    extents: list[Extent] = []
    folders: list[Folder] = []
    while (kind := fields.byte()) != Id.END:
        if kind == Id.PACK:
            extents = _packed_streams(fields, data_end)
        elif kind == Id.FOLDERS:
            folders = _folders(fields)
        elif kind == Id.SUB_STREAMS:
            _sub_streams(fields, folders)
        else:
            raise ArchiveRefused("the 7z archive has a broken header")
    if sum(folder.packed_streams for folder in folders) > len(extents):
        raise ArchiveRefused("the 7z archive has fewer streams than it says")
    for folder in folders:
        folder.streams, extents = extents[: folder.packed_streams], extents[folder.packed_streams :]
        if folder.stored and folder.streams[0].length != folder.size_bytes:
            raise ArchiveRefused("the 7z archive contradicts itself about the size of a stored file")
    return folders


def _packed_streams(fields: Fields, data_end: int) -> list[Extent]:
    begins, count = PREFIX_BYTES + fields.size(), fields.count()
    sizes: list[int] = []
    while (kind := fields.byte()) != Id.END:
        if kind == Id.SIZES:
            sizes = [fields.size() for _ in range(count)]
        elif kind == Id.DIGESTS:
            fields.digests(count)
        else:
            raise ArchiveRefused("the 7z archive has a broken header")
    starts = list(accumulate(sizes, initial=begins))
    if len(sizes) != count or starts[-1] > data_end:
        raise ArchiveRefused("the 7z archive says that its data reach outside of it")
    return [Extent(0, start, end - start) for start, end in pairwise(starts)]


def _folders(fields: Fields) -> list[Folder]:
    fields.expect(Id.FOLDER)
    count = fields.count()
    if fields.byte():
        raise ArchiveRefused("the 7z archive keeps a part of its header elsewhere")
    folders = [_folder(fields) for _ in range(count)]
    fields.expect(Id.UNPACKED_SIZES)
    for folder in folders:
        sizes = [fields.size() for coder in folder.coders for _ in range(coder.gives)]
        folder.size_bytes = sizes[folder.last_output]
    while (kind := fields.byte()) != Id.END:
        if kind != Id.DIGESTS:
            raise ArchiveRefused("the 7z archive has a broken header")
        for folder, crc in zip(folders, fields.digests(count), strict=True):
            folder.crc = crc
    for folder in folders:
        folder.file_sizes, folder.file_crcs = [folder.size_bytes], [folder.crc]
    return folders


def _folder(fields: Fields) -> Folder:
    coders = [_coder(fields) for _ in range(_few(fields.number()))]
    takes, gives = sum(coder.takes for coder in coders), sum(coder.gives for coder in coders)
    bound = [(fields.number(), fields.number()) for _ in range(gives - 1)]
    packed_streams = takes - len(bound)
    if packed_streams < 1:
        raise ArchiveRefused("the 7z archive has a folder without data")
    if packed_streams > 1:
        for _ in range(packed_streams):
            fields.number()
    free = set(range(gives)) - {output for _, output in bound}
    if len(free) != 1:
        raise ArchiveRefused("the 7z archive has a folder that leads nowhere")
    return Folder(coders=coders, packed_streams=packed_streams, last_output=free.pop())


def _few(number: int) -> int:
    if not 1 <= number <= MAX_CODERS:
        raise ArchiveRefused(f"the 7z archive has a folder of {number} coders")
    return number


def _coder(fields: Fields) -> Coder:
    flags = fields.byte()
    method = fields.take(flags & 0x0F)
    takes, gives = (_few(fields.number()), _few(fields.number())) if flags & 0x10 else (1, 1)
    properties = fields.take(fields.number()) if flags & 0x20 else b""
    if flags & 0x80:
        raise ArchiveRefused("the 7z archive has a header of an unknown kind")
    return Coder(method=method, properties=properties, takes=takes, gives=gives)


def _sub_streams(fields: Fields, folders: Sequence[Folder]) -> None:
    counts = [1] * len(folders)
    kind = fields.byte()
    if kind == Id.SUB_STREAM_COUNT:
        counts = [fields.count() for _ in folders]
        if sum(counts) > MAX_ENTRIES:
            raise ArchiveRefused(f"the 7z archive says it holds {sum(counts)} files, more than any release")
        kind = fields.byte()
    has_sizes = kind == Id.SIZES
    if not has_sizes and any(count > 1 for count in counts):
        raise ArchiveRefused("the 7z archive leaves out the sizes of its files")
    for folder, count in zip(folders, counts, strict=True):
        sizes = [fields.size() for _ in range(count - 1)] if has_sizes else []
        if sum(sizes) > folder.size_bytes:
            raise ArchiveRefused("the 7z archive's files are larger than what they are packed in")
        folder.file_sizes = [*sizes, folder.size_bytes - sum(sizes)] if count else []
    kind = fields.byte() if has_sizes else kind
    unknown = [f for f, count in zip(folders, counts, strict=True) if count != 1 or f.crc is None]
    while kind != Id.END:
        if kind != Id.DIGESTS:
            raise ArchiveRefused("the 7z archive has a broken header")
        crcs = iter(fields.digests(sum(len(folder.file_sizes) for folder in unknown)))
        for folder in unknown:
            folder.file_crcs = [next(crcs) for _ in folder.file_sizes]
        kind = fields.byte()
    for folder in folders:
        if len(folder.file_crcs) != len(folder.file_sizes):
            folder.file_crcs = [None] * len(folder.file_sizes)
