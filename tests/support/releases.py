"""Releases in memory, packed in all the ways that posters pack, and what is found in them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from services.downloader.archives.locks import Keyring
from services.downloader.choose import Wanted
from services.downloader.describe import Description, describe
from services.downloader.source import Span, Urgency
from tests.support.memory_source import MemorySource

Files = list[tuple[str, bytes]]

EBML = b"\x1aE\xdf\xa3\xa3B\x86\x81\x01B\x82\x88matroska"
FILM = EBML + bytes(range(256)) * 400


class Release:
    def __init__(
        self,
        spool: Path,
        files: Files,
        holes: Mapping[int, Sequence[Span]] | None = None,
        article_bytes: int = 1000,
        passwords: Sequence[str] = (),
    ) -> None:
        self.keyring = Keyring(passwords)
        self.source = MemorySource(files, spool, holes=holes, article_bytes=article_bytes)

    async def described(self, wanted: Wanted | None = None) -> Description:
        await self.source.open()
        return await describe(self.source, wanted, self.keyring)

    async def film(self, wanted: Wanted | None = None) -> bytes:
        film = (await self.described(wanted)).film
        return await film.read(self.source, 0, film.size_bytes, Urgency.FILL)


def part_names(volumes: Iterable[bytes], stem: str = "film") -> Files:
    return [(f"{stem}.part{number:02}.rar", data) for number, data in enumerate(volumes, 1)]


def old_names(volumes: Iterable[bytes], stem: str = "film") -> Files:
    """.rar, .r00 … .r99, .s00 …"""
    names = [f"{stem}.rar", *(f"{stem}.{letter}{number:02}" for letter in "rs" for number in range(100))]
    return list(zip(names, volumes, strict=False))


def pieces(data: bytes, piece_bytes: int, name: str = "film.mkv", first: int = 1) -> Files:
    """name.001, name.002 …"""
    starts = range(0, len(data), piece_bytes)
    return [(f"{name}.{n:03}", data[at : at + piece_bytes]) for n, at in enumerate(starts, first)]


def nameless(files: Files) -> Files:
    return [(f"{number * 0x9E3779B97F4A7C15 % 2**64:x}", data) for number, (_, data) in enumerate(files)]
