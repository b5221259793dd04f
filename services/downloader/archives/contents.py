"""What is inside the archives of a release, learnt from their headers alone."""

from collections.abc import Mapping, Sequence

import msgspec

from services.downloader.errors import ArchiveRefused, BytesLost, NoFilm, ReleaseError
from services.downloader.source import PostedFile, Source, Urgency

from . import rar
from .volumes import InnerFile, PostedVolume, assemble, chains

MAX_ENTRIES = 20_000
"""Files in all archives of a release: bounds time and memory. The largest packs have some thousands."""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """An archive that could not be opened: posted files of so many bytes, and why."""

    error: ReleaseError
    files: Sequence[int]
    size_bytes: int


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    files: Sequence[InnerFile]
    troubles: Sequence[Trouble]


def reader(source: Source, file: PostedFile) -> rar.Read:
    """Reads a posted file; what is in its head costs nothing."""

    async def read(offset: int, length: int) -> bytes:
        if offset + length <= len(file.head):
            return file.head[offset : offset + length]
        return await source.read(file.index, offset, length, Urgency.DESCRIBE)

    return read


async def rar_contents(source: Source, archives: Sequence[PostedFile]) -> Contents:
    """The files in a release's RAR archives. One broken set does not hide the others."""
    volumes: list[PostedVolume] = []
    failed: dict[str, list[tuple[ReleaseError, PostedFile]]] = {}
    entries = 0
    for file in archives:
        try:
            volume = await rar.walk(reader(source, file), file.size_bytes)
        except (ArchiveRefused, BytesLost, NoFilm) as error:
            failed.setdefault(str(error), []).append((error, file))
            continue
        entries += len(volume.entries)
        if entries > MAX_ENTRIES:
            raise ArchiveRefused(f"the archives of this release hold more than {MAX_ENTRIES} files")
        volumes.append(PostedVolume(file=file.index, name=file.name, volume=volume))
    sizes = {file.index: file.size_bytes for file in archives}
    # Volumes that fail for one reason count together: a set of a hundred is a hundred times the trouble.
    troubles = [
        _trouble(failures[0][0], [file.index for _, file in failures], sizes) for failures in failed.values()
    ]
    files: list[InnerFile] = []
    for chain in chains(volumes):
        try:
            files += assemble(chain)
        except ReleaseError as error:
            troubles.append(_trouble(error, [posted.file for posted in chain], sizes))
    return Contents(files=files, troubles=troubles)


def _trouble(error: ReleaseError, files: Sequence[int], sizes: Mapping[int, int]) -> Trouble:
    return Trouble(error=error, files=files, size_bytes=sum(sizes[file] for file in files))
