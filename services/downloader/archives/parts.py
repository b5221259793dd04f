"""Files that may be a film or an archive: posted as they are, or lying in an archive themselves."""

from collections.abc import Iterable, Sequence

import msgspec

from services.downloader.errors import BytesLost
from services.downloader.extents import Extent, VirtualFile
from services.downloader.source import Reads, Urgency

from .reading import Read
from .volumes import InnerFile

SNIFFED_BYTES = 1024
"""Enough for five packets of a transport stream, and for the first headers of an archive."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A file whose bytes are known to lie in posted files."""

    name: str
    """A base name, for showing and for its extension; never a path."""
    directory: str = ""
    size_bytes: int
    extents: Sequence[Extent]
    """Of posted files."""
    head: bytes = b""
    """Its first bytes; empty if they could not be had."""
    size_is_sure: bool = True

    @property
    def posted_files(self) -> set[int]:
        return {extent.file for extent in self.extents}


def part_of(file: InnerFile) -> Part:
    """Of a file in an archive that lies there as it is."""
    return Part(name=file.name, directory=file.directory, size_bytes=file.size_bytes, extents=file.extents)


def reader(source: Reads, part: Part) -> Read:
    """Reads a part; what is in its head costs nothing."""
    file = VirtualFile(part.name, part.extents)

    async def read(offset: int, length: int) -> bytes:
        if offset + length <= len(part.head):
            return part.head[offset : offset + length]
        return await file.read(source, offset, length, Urgency.DESCRIBE)

    return read


async def sniff(source: Reads, part: Part) -> Part:
    """The part with its first bytes; without, if they are lost, so that its name decides."""
    if part.head or not part.size_bytes:
        return part
    try:
        head = await reader(source, part)(0, min(part.size_bytes, SNIFFED_BYTES))
    except BytesLost:
        return part
    return msgspec.structs.replace(part, head=head)


def placed(files: Iterable[InnerFile], parts: Sequence[Part]) -> list[InnerFile]:
    """The same files with extents of posted files, where they have them of `parts` (by their index)."""
    through: dict[int, VirtualFile] = {}
    return [
        msgspec.structs.replace(
            file,
            extents=[found for extent in file.extents for found in _posted_spans(extent, parts, through)],
        )
        for file in files
    ]


def _posted_spans(extent: Extent, parts: Sequence[Part], through: dict[int, VirtualFile]) -> list[Extent]:
    """`through` keeps what lookups need: an archive in many pieces may hold many files."""
    if extent.file not in through:
        through[extent.file] = VirtualFile("", parts[extent.file].extents)
    return through[extent.file].spans(extent.offset, extent.length)
