"""The texts of files beside the film, fetched and made into WebVTT when somebody asks for them.

Their bytes are foreign: they are read in the media process, and one that brings it down isn't read again.
Memory: what the shelf keeps (`shelf.SHELF_BYTES`), and `beside.BYTES_MAX` of each that is being made.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
import structlog

from libs.common.media import BESIDE_FIRST, Text
from services.downloader.beside import TextBeside
from services.downloader.errors import DownloaderError
from services.downloader.media.messages import Convert
from services.downloader.media.parts import Ending
from services.downloader.media.process import MediaFailed, NotToBeHad, ProcessDied
from services.downloader.media.shelf import Shelf
from services.downloader.source import Reads, Urgency

log = structlog.get_logger(__name__)

_NONE: Final = "there is no such text beside the film"


class SideTexts:
    def __init__(self, source: Reads, convert: Callable[[Convert], Awaitable[bytes]]) -> None:
        """`source`: where the files are read from; `convert`: the media process."""
        self._source = source
        self._convert = convert
        self._files: dict[int, TextBeside] = {}
        self._deadly: set[int] = set()
        self._shelf = Shelf[tuple[int, Ending]](self._make)
        self.frames_per_s: float | None = None
        """The film's, for those that count in frames."""

    @property
    def texts(self) -> tuple[Text, ...]:
        return tuple(beside.text for beside in self._files.values())

    def put(self, files: Sequence[TextBeside]) -> bool:
        """These are all that there are; true if some are new. Those known before keep their numbers."""
        known = {beside.file.extents for beside in self._files.values()}
        new = [beside for beside in files if beside.file.extents not in known]
        for number, beside in enumerate(new, BESIDE_FIRST + len(self._files)):
            self._files[number] = TextBeside(
                text=msgspec.structs.replace(beside.text, number=number), file=beside.file
            )
        return bool(new)

    async def get(self, number: int, ending: Ending) -> bytes:
        """The text as WebVTT; or as the script that it is. Raises `NotToBeHad`, `MediaFailed`."""
        beside = self._files.get(number)
        if beside is None or (ending == "ass" and beside.text.kind != "ass"):
            raise NotToBeHad(_NONE)
        return await self._shelf.get((number, ending))

    async def _make(self, wanted: tuple[int, Ending]) -> bytes:
        number, ending = wanted
        beside = self._files[number]
        if number in self._deadly:
            raise NotToBeHad(f"“{beside.file.name}” can't be read")
        try:
            data = await beside.file.read(self._source, 0, beside.file.size_bytes, Urgency.PLAYER)
        except DownloaderError as error:
            raise MediaFailed(str(error)) from error
        question = Convert(
            data=data,
            language=beside.text.language,
            frames_per_s=self.frames_per_s,
            is_script=ending == "ass",
        )
        try:
            return await self._convert(question)
        except ProcessDied:
            self._deadly.add(number)
            log.warning("text_ended_the_media_process", name=beside.file.name)
            raise
