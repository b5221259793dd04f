"""A release, opened: pieces put together, archives looked into, and archives inside of those."""

from collections.abc import Iterable, Sequence
from functools import partial

import msgspec

from services.downloader.decrypted import Layers
from services.downloader.errors import ArchiveRefused
from services.downloader.kinds import ARCHIVES, Kind, kind_of

from .contents import OpenedArchive, Trouble, rar_contents, single_contents, trouble
from .locks import Keyring
from .parts import Part, part_of, sniff
from .reading import MAX_ENTRIES, each
from .sevenzip import sevenzip_files
from .split import join
from .unlocking import unlocked
from .volumes import InnerFile
from .zips import zip_files

MAX_DEPTH = 3
"""Archives inside of each other; posters make two."""
MAX_INNER_ARCHIVES = 2000
"""Files in archives that are looked at because their name says that they are archives or pieces."""
MAX_NAMELESS = 20
"""Files in archives, the largest first, that are looked at though their name says nothing."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """Whatever can be reached by extents, and what can't."""

    parts: Sequence[Part]
    """Files whose bytes lie as they are, or are decrypted: posted, put together, or stored in archives."""
    packed: Sequence[InnerFile]
    """Files that are compressed or encrypted."""
    archives: Sequence[OpenedArchive]
    """Those with such files."""
    troubles: Sequence[Trouble]


async def open_release(
    source: Layers, posted: Sequence[Part], promised: Iterable[str], keyring: Keyring
) -> Release:
    """Looks into the archives of a release, and into archives stored in those.

    `promised` are names that par2 knows of. One broken archive does not hide the others. What the keyring
    opens is put into `source`.
    """
    levels: list[_Level] = []
    parts, stored = posted, list[Part]()
    for depth in range(MAX_DEPTH):
        levels.append(await _level(source, parts, () if depth else promised, keyring))
        stored = [part_of(file) for file in levels[-1].files if not _is_packed(file)]
        if not stored:
            break
        # Deeper archives are looked at before any film in them is chosen, so their bytes are read but once.
        parts = await _looked_into(source, stored)
    return Release(
        parts=[*(part for level in levels for part in level.parts), *stored],
        packed=[file for level in levels for file in level.files if _is_packed(file)],
        archives=[
            archive for level in levels for archive in level.archives if any(map(_is_packed, archive.files))
        ],
        troubles=[trouble for level in levels for trouble in level.troubles],
    )


class _Level(msgspec.Struct, frozen=True, kw_only=True):
    parts: Sequence[Part]
    """Those that are no archives."""
    archives: Sequence[OpenedArchive]
    troubles: Sequence[Trouble]

    @property
    def files(self) -> list[InnerFile]:
        """Those in its archives."""
        return [file for archive in self.archives for file in archive.files]


async def _level(source: Layers, parts: Iterable[Part], promised: Iterable[str], keyring: Keyring) -> _Level:
    joined = join(parts, promised)
    by_kind: dict[Kind, list[Part]] = {}
    for part in joined.parts:
        by_kind.setdefault(kind_of(part.name, part.head), []).append(part)
    opened = [
        await rar_contents(source, by_kind.pop(Kind.RAR, []), keyring),
        await single_contents(source, by_kind.pop(Kind.ZIP, []), zip_files),
        await single_contents(source, by_kind.pop(Kind.SEVEN_ZIP, []), sevenzip_files),
    ]
    archives = [archive for contents in opened for archive in contents.archives]
    if sum(len(archive.files) for archive in archives) > MAX_ENTRIES:
        raise ArchiveRefused(f"the archives of this release hold more than {MAX_ENTRIES} files")
    opening = await unlocked(source, keyring, archives)
    return _Level(
        parts=[part for parts in by_kind.values() for part in parts],
        archives=opening.archives,
        troubles=[
            *(trouble(unjoined.error, unjoined.pieces) for unjoined in joined.unjoined),
            *(one for contents in [*opened, opening] for one in contents.troubles),
        ],
    )


async def _looked_into(source: Layers, stored: Sequence[Part]) -> list[Part]:
    """All of them; those that may be archives or pieces have their first bytes."""
    by_name = [at for at, part in enumerate(stored) if kind_of(part.name, b"") in ARCHIVES]
    nameless = [at for at, part in enumerate(stored) if kind_of(part.name, b"") is Kind.OTHER]
    nameless.sort(key=lambda at: stored[at].size_bytes, reverse=True)
    chosen = [*by_name[:MAX_INNER_ARCHIVES], *nameless[:MAX_NAMELESS]]
    sniffed = await each([stored[at] for at in chosen], partial(sniff, source))
    looked = list(stored)
    for at, part in zip(chosen, sniffed, strict=True):
        looked[at] = part
    return looked


def _is_packed(file: InnerFile) -> bool:
    return not file.stored or file.encrypted
