"""The film in a set of RAR volumes, known from the first two of them and the last.

Volumes of a set are cut alike, so that those between can be foreseen: playing begins before each of a hundred
has been looked into. Nothing of a volume is given to anyone before its own header has said what was foreseen;
and the release is described in full all the same, before the film is published.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from libs.common.ranges import Lying

from .archives import rar, rar4
from .archives.locks import Keyring
from .archives.names import base_name
from .archives.numbering import NUMERIC, Place, rar_place
from .archives.parts import Part, part_of
from .archives.reading import MAX_FILE_BYTES
from .archives.volumes import InnerFile, PostedVolume, Volume, assemble
from .beside import TextBeside, texts_beside
from .describe import Description
from .errors import BytesLost, ReleaseError
from .extents import Extent, VirtualFile
from .kinds import CONTENT_TYPES, container_of
from .source import PostedFile, Reads, Source, Urgency

VOLUMES_AT_LEAST: Final = 5
"""With fewer there is next to nothing to gain."""
SHARE: Final = 0.8
"""Of all that the release claims to bring: then nothing else in it can be the film."""
SNIFFED_BYTES: Final = 1024
_LONGER_NUMBER: Final = 128
"""From here on a volume's number takes a second byte in RAR 5, and its data begin one byte later."""

END_BYTES_MAX: Final = 64
"""An archive's end takes so many at most; more is another file, or a recovery record."""

UNTOLD: Final = -1

_RECOVERY = re.compile(r".+\.vol\d+[+-]\d+\.par2", re.IGNORECASE)


class Unforeseen(BytesLost):
    """A volume is not cut like the others. Described in full, the film can be read."""


def first_files(files: Sequence[PostedFile]) -> Collection[int]:
    """What must be known to foresee the film, by their claimed names and sizes; nothing if it can't be."""
    volumes = _volumes(files)
    later = {*volumes[2:-1], *(file.index for file in files if _RECOVERY.fullmatch(file.name))}
    return [file.index for file in files if file.index not in later] if volumes else ()


async def foresee(source: Source) -> Description | None:
    """The film, of a source whose `first_files` are known; None if it is not as plain as that.

    What mends it is left to `describe`.
    """
    volumes = _volumes(source.files)
    if not volumes:
        return None
    try:
        return await _foreseen(source, volumes)
    except ReleaseError:
        return None


def _volumes(files: Sequence[PostedFile]) -> list[int]:
    """The volumes that nearly all of the release is made of, in the order that their names tell."""
    sets: dict[tuple[str, str], list[tuple[Place, PostedFile]]] = {}
    for file in files:
        place = rar_place(file.name)
        if place and place.scheme != NUMERIC:
            sets.setdefault((place.scheme, place.stem), []).append((place, file))
    largest = max(sets.values(), key=_claimed_bytes, default=list[tuple[Place, PostedFile]]())
    release_bytes = sum(file.size_bytes for file in files if not file.name.lower().endswith(".par2"))
    if len(largest) < VOLUMES_AT_LEAST or _claimed_bytes(largest) < SHARE * release_bytes:
        return []
    largest.sort(key=lambda placed: placed[0].ordinal)
    in_order = [placed[0].ordinal for placed in largest] == list(range(len(largest)))
    return [file.index for _, file in largest] if in_order else []


def _claimed_bytes(placed: Sequence[tuple[Place, PostedFile]]) -> int:
    return sum(file.size_bytes for _, file in placed)


async def _foreseen(source: Source, files: Sequence[int]) -> Description | None:
    first, second = [await _walked(source, file) for file in files[:2]]
    last = await _last(source, files[-1])
    if len(second.entries) != 1:
        return None
    volumes = [first, second, *(_like(second, number) for number in range(2, len(files) - 1)), last]
    posted = [
        PostedVolume(file=file, name="", volume=msgspec.structs.replace(volume, number=number))
        for number, (file, volume) in enumerate(zip(files, volumes, strict=True))
    ]
    # That the sizes add up to the film's tells that none between is cut differently, or several are.
    told = assemble(posted)
    film = max(told, key=lambda file: file.size_bytes)
    if len(film.extents) != len(files) or not film.stored or film.encrypted:
        return None
    unproven = dict(zip(files[2:-1], volumes[2:-1], strict=True))
    texts = texts_beside([*_posted_parts(source.files), *_stored_parts(told)], part_of(film), VirtualFile)
    return await _described(
        source, Foreseen(source, film, unproven, source.files[files[1]].size_bytes), texts
    )


async def _last(source: Source, file: int) -> Volume:
    """The last volume; looked through only if something lies behind the film's end."""
    last = await _walked(source, file, entries=1)
    film_ends_at = max((entry.offset + entry.packed_bytes for entry in last.entries), default=0)
    if source.files[file].size_bytes - film_ends_at <= END_BYTES_MAX:
        return last
    try:
        return await _walked(source, file)
    except BytesLost:
        return last


def _posted_parts(files: Sequence[PostedFile]) -> list[Part]:
    return [
        Part(
            name=base_name(file.name),
            size_bytes=file.size_bytes,
            extents=[Extent(file.index, 0, file.size_bytes)],
            head=file.head,
        )
        for file in files
        if file.head
    ]


def _stored_parts(files: Sequence[InnerFile]) -> list[Part]:
    return [part_of(file) for file in files if file.stored and not file.encrypted]


async def _described(source: Source, film: "Foreseen", texts: Sequence[TextBeside]) -> Description | None:
    head = await film.read(source, 0, min(SNIFFED_BYTES, film.size_bytes), Urgency.DESCRIBE)
    container = container_of(film.name, head)
    if container is None:
        return None
    return Description(
        film=film,
        container=container,
        content_type=CONTENT_TYPES[container],
        names={},
        needed_files=sorted({extent.file for extent in film.extents}),
        par2=None,
        protected={},
        recovery_files=[],
        texts=texts,
    )


class Foreseen(VirtualFile):
    """A film of which the volumes in the middle are proven one by one, as they are first read."""

    def __init__(
        self, source: Source, film: InnerFile, unproven: Mapping[int, Volume], volume_bytes: int
    ) -> None:
        """To be read from this source."""
        super().__init__(film.name, film.extents)
        self._source = source
        self._unproven = dict(unproven)
        self._volume_bytes = volume_bytes

    async def read(self, source: Reads, offset: int, length: int, urgency: Urgency) -> bytes:
        """As `VirtualFile.read`. Raises `Unforeseen` too."""
        await self._prove_all(offset, length, urgency)
        return await super().read(source, offset, length, urgency)

    async def lying(self, source: Source, offset: int, length: int, urgency: Urgency) -> Lying | None:
        """As `VirtualFile.lying`. Raises `Unforeseen` too."""
        await self._prove_all(offset, length, urgency)
        return await super().lying(source, offset, length, urgency)

    async def _prove_all(self, offset: int, length: int, urgency: Urgency) -> None:
        for extent in self.spans(offset, length):
            if expected := self._unproven.get(extent.file):
                await self._prove(extent.file, expected, urgency)

    async def _prove(self, file: int, expected: Volume, urgency: Urgency) -> None:
        try:
            volume = await _walked(
                self._source, file, most_bytes=self._volume_bytes, entries=1, urgency=urgency
            )
        except BytesLost:
            raise
        except ReleaseError as error:
            raise Unforeseen(str(error)) from error
        found = [msgspec.structs.replace(entry, crc=None) for entry in volume.entries]
        if volume.number != expected.number or found != expected.entries:
            raise Unforeseen(f"“{self.name}” is not cut alike in all volumes")
        self._unproven.pop(file, None)


async def _walked(
    source: Source,
    file: int,
    *,
    most_bytes: int = MAX_FILE_BYTES,
    entries: int | None = None,
    urgency: Urgency = Urgency.DESCRIBE,
) -> Volume:
    """What a volume's headers say, of RAR 4 without its number (UNTOLD).

    `most_bytes`: its size, if only what was claimed of it is known.
    """
    size_bytes = min(most_bytes, source.files[file].size_bytes)

    async def read(offset: int, length: int) -> bytes:
        return await source.read(file, offset, length, urgency)

    if await read(0, len(rar4.SIGNATURE)) != rar4.SIGNATURE:
        return await rar.walk(read, size_bytes, Keyring(), entries)
    older = await rar4.walk(read, size_bytes, Keyring(), entries)
    return Volume(number=UNTOLD, is_volume=older.is_volume, is_last=older.is_last, entries=older.entries)


def _like(second: Volume, number: int) -> Volume:
    """The volume of this number, if it is cut like the second one."""
    entry = second.entries[0]
    later = int(number >= _LONGER_NUMBER and second.number != UNTOLD)
    entry = msgspec.structs.replace(
        entry, offset=entry.offset + later, packed_bytes=entry.packed_bytes - later, crc=None
    )
    number = UNTOLD if second.number == UNTOLD else number
    return msgspec.structs.replace(second, number=number, entries=[entry])
