"""What extents can't express: which archives have to be unpacked for a film, and what of them. Pure."""

from collections.abc import Sequence

import msgspec

from services.downloader.archives.contents import OpenedArchive
from services.downloader.archives.names import extension
from services.downloader.archives.volumes import InnerFile
from services.downloader.choose import Wanted, choose_by_name
from services.downloader.kinds import ARCHIVES, kind_of


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """The film itself, in the one archive given, or else archives in which it may be."""

    archives: Sequence[OpenedArchive]
    film: InnerFile | None
    """By its name; its bytes are yet to prove it."""

    def wanted(self, archive: OpenedArchive) -> list[InnerFile]:
        """What is to be unpacked of one of the archives."""
        return [self.film] if self.film else _may_hold_a_film(archive)

    @property
    def unpacked_bytes(self) -> int:
        """How large all of that says it is."""
        return sum(file.size_bytes for archive in self.archives for file in self.wanted(archive))

    @property
    def first(self) -> InnerFile:
        """The one to name."""
        return self.wanted(self.archives[0])[0]


def packed_in(archives: Sequence[OpenedArchive], wanted: Wanted | None) -> Packed | None:
    """What to unpack of archives that have packed files; None if none of those can be, or can hold, a film.

    Encrypted files are left alone.
    """
    compressed = [archive for archive in archives if any(map(_is_compressed, archive.files))]
    film = choose_by_name(
        [file for archive in compressed for file in archive.files if _is_compressed(file)], wanted
    )
    if film:
        holder = next(archive for archive in compressed if any(file is film for file in archive.files))
        return Packed(archives=[holder], film=film)
    holding = [archive for archive in compressed if _may_hold_a_film(archive)]
    return Packed(archives=holding, film=None) if holding else None


def _is_compressed(file: InnerFile) -> bool:
    return not file.stored and not file.encrypted


def _may_hold_a_film(archive: OpenedArchive) -> list[InnerFile]:
    """Archives and pieces; also stored ones, as volumes of one set may be packed in different ways."""
    clear = [file for file in archive.files if file.size_bytes and not file.encrypted]
    named = [file for file in clear if kind_of(file.name, b"") in ARCHIVES]
    if named or not clear:
        return named
    largest = max(clear, key=lambda file: file.size_bytes)
    return [] if extension(largest.name) else [largest]
