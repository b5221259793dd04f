"""What is inside the archives of a release, learnt from their headers alone."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec

from services.downloader.errors import ArchiveRefused, ReleaseError
from services.downloader.source import Reads

from .locks import Keyring
from .parts import Part, placed, reader
from .rar_sets import Archive, open_volumes
from .reading import MAX_ENTRIES, Read, each
from .volumes import InnerFile, assemble, chains

Files = Callable[[Read, int], Awaitable[list[InnerFile]]]
"""Parses one whole archive, read by `Read`, of so many bytes; extents are of file 0."""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """An archive that could not be opened: posted files of so many bytes, and why."""

    error: ReleaseError
    files: Sequence[int]
    size_bytes: int


class OpenedArchive(msgspec.Struct, frozen=True, kw_only=True):
    """An archive whose headers are known."""

    volumes: Sequence[Part]
    """In their order; one, unless it is a RAR."""
    files: Sequence[InnerFile]
    """Their extents are of posted files."""


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    archives: Sequence[OpenedArchive]
    troubles: Sequence[Trouble]


def trouble(error: ReleaseError, parts: Iterable[Part]) -> Trouble:
    listed = list(parts)
    files = sorted({file for part in listed for file in part.posted_files})
    return Trouble(error=error, files=files, size_bytes=sum(part.size_bytes for part in listed))


async def rar_contents(source: Reads, archives: Sequence[Part], keyring: Keyring) -> Contents:
    """The files in a release's RAR archives. One broken set does not hide the others."""
    opened = await open_volumes(
        [
            Archive(at, part.name, part.size_bytes, part.head, reader(source, part))
            for at, part in enumerate(archives)
        ],
        keyring,
    )
    # Volumes that fail for one reason count together: a set of a hundred is a hundred times the trouble.
    failed: dict[str, list[int]] = {}
    for file, error in opened.failed.items():
        failed.setdefault(str(error), []).append(file)
    troubles = [
        trouble(opened.failed[files[0]], [archives[file] for file in files]) for files in failed.values()
    ]
    whole: list[OpenedArchive] = []
    for chain in chains(opened.volumes):
        volumes = [archives[posted.file] for posted in sorted(chain, key=lambda posted: posted.volume.number)]
        try:
            whole.append(OpenedArchive(volumes=volumes, files=placed(assemble(chain), archives)))
        except ReleaseError as error:
            troubles.append(trouble(error, volumes))
    return Contents(archives=whole, troubles=troubles)


async def single_contents(source: Reads, archives: Sequence[Part], parse: Files) -> Contents:
    """The files in archives that are one file each. One broken archive does not hide the others.

    Raises `ArchiveRefused` if there are more entries than any release has.
    """

    entries = 0

    async def one(archive: Part) -> OpenedArchive | Trouble:
        nonlocal entries
        try:
            found = await parse(reader(source, archive), archive.size_bytes)
        except ReleaseError as error:
            return trouble(error, [archive])
        entries += len(found)
        if entries > MAX_ENTRIES:
            raise ArchiveRefused(f"the archives of this release hold more than {MAX_ENTRIES} files")
        return OpenedArchive(volumes=[archive], files=placed(found, [archive]))

    opened = await each(archives, one)
    return Contents(
        archives=[found for found in opened if isinstance(found, OpenedArchive)],
        troubles=[found for found in opened if isinstance(found, Trouble)],
    )
