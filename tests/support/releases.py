"""Releases in memory, packed in all the ways that posters pack, and what is found in them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from libs.sandbox.archives.names import Files
from services.downloader.archives.locks import Keyring
from services.downloader.choose import Wanted
from services.downloader.describe import Description, describe
from services.downloader.source import Span, Urgency
from tests.support.memory_source import MemorySource

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
