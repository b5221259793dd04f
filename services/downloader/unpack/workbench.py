"""The directory that archives are unpacked from: posted files under names of our own.

No foreign name ever gets here: 7-Zip finds volumes by their names, so each gets the one it should have.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from services.downloader.archives.contents import OpenedArchive
from services.downloader.archives.parts import Part
from services.downloader.extents import Extent
from services.downloader.kinds import RAR5_SIGNATURE, Kind, kind_of
from services.downloader.source import Source

from .tool import Archive

STEM = "archive"
MAX_OLD_VOLUMES = 900
"""What .r00 to .z99 can count."""
COPY_BYTES = 16 << 20


def copied_bytes(source: Source, archives: Sequence[OpenedArchive]) -> int:
    """How much of these has to be copied to be laid out: what is only a part of some posted file."""
    return sum(
        volume.size_bytes
        for archive in archives
        for volume in archive.volumes
        if not _are_whole_files(source, volume.extents)
    )


class Workbench:
    """One archive, laid out for 7-Zip in a directory of its own."""

    def __init__(self, source: Source, directory: Path) -> None:
        """Makes the directory. Raises OSError."""
        self._source = source
        self._directory = directory
        directory.mkdir()

    async def lay_out(self, opened: OpenedArchive) -> Archive:
        """Shows the volumes of a filled archive: as links, where each is one or more posted files, else as
        copies. Raises OSError.
        """
        kind = _kind(opened)
        if len(opened.volumes) > 1:
            first = await self._lay_out_volumes(opened.volumes)
        elif len(opened.volumes[0].extents) > 1 and _are_whole_files(self._source, opened.volumes[0].extents):
            kind = f"{kind}.split"
            first = self._lay_out_pieces(opened.volumes[0].extents)
        else:
            first = await self._place(opened.volumes[0].extents, STEM)
        return Archive(first=first, kind=kind, size_bytes=sum(volume.size_bytes for volume in opened.volumes))

    async def _lay_out_volumes(self, volumes: Sequence[Part]) -> Path:
        stem = f"{STEM}.part00001"
        first = await self._place(volumes[0].extents, f"{stem}.rar")
        for number, volume in enumerate(volumes[1:]):
            place = await self._place(volume.extents, f"{STEM}.part{number + 2:05}.rar")
            if number < MAX_OLD_VOLUMES:
                # Old archives call what follows .rar .r00 … .r99, .s00 …: which it is a header says to 7-Zip.
                hundreds, rest = divmod(number, 100)
                (self._directory / f"{stem}.{chr(ord('r') + hundreds)}{rest:02}").symlink_to(place.name)
        return first

    def _lay_out_pieces(self, pieces: Sequence[Extent]) -> Path:
        for number, extent in enumerate(pieces, 1):
            self._link(extent, f"{STEM}.{number:03}")
        return self._directory / f"{STEM}.001"

    async def _place(self, extents: Sequence[Extent], name: str) -> Path:
        place = self._directory / name
        if len(extents) == 1 and _are_whole_files(self._source, extents):
            self._link(extents[0], name)
            return place
        for extent in extents:
            for offset in range(extent.offset, extent.end, COPY_BYTES):
                length = min(COPY_BYTES, extent.end - offset)
                await asyncio.to_thread(_append, self._source.path(extent.file), offset, length, place)
        return place

    def _link(self, extent: Extent, name: str) -> None:
        (self._directory / name).symlink_to(self._source.path(extent.file).resolve())


def _kind(opened: OpenedArchive) -> str:
    first: Part = opened.volumes[0]
    match kind_of(first.name, first.head):
        case Kind.ZIP:
            return "zip"
        case Kind.SEVEN_ZIP:
            return "7z"
        case _:
            return "rar5" if first.head.startswith(RAR5_SIGNATURE) else "rar"


def _are_whole_files(source: Source, extents: Sequence[Extent]) -> bool:
    return all(
        extent.offset == 0 and extent.length == source.files[extent.file].size_bytes for extent in extents
    )


def _append(posted: Path, offset: int, length: int, place: Path) -> None:
    with posted.open("rb") as reader, place.open("ab") as writer:
        reader.seek(offset)
        writer.write(reader.read(length))
