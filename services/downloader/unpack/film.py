"""From archives that are there to the bytes of the film in them, in order and only once."""

import asyncio
import shutil
import tempfile
import zlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import msgspec
import structlog

from services.downloader.archives.contents import OpenedArchive
from services.downloader.archives.locks import Keyring
from services.downloader.archives.names import base_name
from services.downloader.archives.parts import SNIFFED_BYTES
from services.downloader.archives.volumes import InnerFile
from services.downloader.choose import Wanted
from services.downloader.describe import Description, NeedsUnpacking, describe
from services.downloader.errors import ArchiveRefused, NoFilm, ReleaseError, ScratchFull
from services.downloader.kinds import container_of
from services.downloader.source import Source, Urgency

from .layer import Layer
from .listing import Entry
from .packed import Packed
from .tool import Archive, listed, unpacked
from .workbench import Workbench, copied_bytes

log = structlog.get_logger(__name__)

MAX_LAYERS = 3
"""Compressed archives inside of each other; what is only stored in them costs no layer."""
READ_BYTES = 1 << 20


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for, and how much of the machine it may take."""

    wanted: Wanted | None
    keyring: Keyring
    scratch: Path
    spare_bytes: int
    """To be left free on the scratch disk."""
    max_bytes: int
    """Of the film, and of what is unpacked at a time on the way to it."""


class UnpackedFilm(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    size_bytes: int
    container: str
    """A key of `kinds.CONTENT_TYPES`, by the film's first bytes."""
    pieces: AsyncGenerator[bytes]
    """The film, to be read once, and to its end: only then it is proven. Raises a `ReleaseError`."""


@asynccontextmanager
async def film_in(source: Source, packed: Packed, terms: Terms) -> AsyncGenerator[UnpackedFilm]:
    """The film in archives whose posted files are filled and mended.

    Works in a fresh directory in the scratch one and removes it. Archives in archives are unpacked into it
    layer by layer; the film itself never is, it comes as a stream. Raises `NoFilm`, `ArchiveRefused`,
    `ScratchFull`, and `DownloaderError` if the program is missing. Cancelling kills the program.
    """
    directory = Path(tempfile.mkdtemp(prefix="unpack-", dir=terms.scratch))
    try:
        try:
            film = await _dug_out(source, packed, terms, directory)
        except OSError as error:
            raise ScratchFull(f"the scratch disk failed while unpacking: {error.strerror}") from error
        async with aclosing(film.pieces):
            yield film
    finally:
        # Not `to_thread`: a cancelled task could not wait for it, and there are few files in it.
        shutil.rmtree(directory, ignore_errors=True)


def prove_allowed(packed: Packed, max_bytes: int) -> None:
    """Raises `ReleaseError` if what is packed says that it is larger than a film may be."""
    if packed.unpacked_bytes > max_bytes:
        raise ReleaseError(
            f"“{packed.first.name}” has {packed.unpacked_bytes / 1e9:.1f} GB when it is unpacked; "
            f"allowed are {max_bytes / 1e9:.1f} GB."
        )


async def _dug_out(source: Source, packed: Packed, terms: Terms, directory: Path) -> UnpackedFilm:
    for depth in range(MAX_LAYERS):
        prove_allowed(packed, terms.max_bytes)
        _prove_room(source, packed, terms)
        bench = directory / f"bench-{depth}"
        bench.mkdir()
        if packed.film:
            return await _streamed(source, packed.archives[0], packed.film, bench)
        layer = await _unpacked_layer(source, packed, directory / f"layer-{depth}", bench)
        log.info("layer_unpacked", depth=depth, files=len(layer.files))
        # What it came from isn't needed any more, and gives its room.
        shutil.rmtree(bench)
        if isinstance(source, Layer):
            shutil.rmtree(source.directory)
        try:
            return _stored(layer, await describe(layer, terms.wanted, terms.keyring))
        except NeedsUnpacking as deeper:
            source, packed = layer, deeper.packed
    raise NoFilm(f"the film is packed more than {MAX_LAYERS} times over, and Matinee looks no deeper")


def working_bytes(source: Source, packed: Packed) -> int:
    """How much scratch space the first step takes, beside the posted files and the film in the store."""
    return copied_bytes(source, packed.archives) + (0 if packed.film else packed.unpacked_bytes)


def _prove_room(source: Source, packed: Packed, terms: Terms) -> None:
    needed = working_bytes(source, packed) + terms.spare_bytes
    free = shutil.disk_usage(terms.scratch).free
    if needed > free:
        raise ScratchFull(
            f"The scratch disk has {free / 1e9:.1f} GB free, unpacking needs {needed / 1e9:.1f} GB; "
            "free some space and try again."
        )


async def _unpacked_layer(source: Source, packed: Packed, directory: Path, bench: Path) -> Layer:
    layer = Layer(directory)
    try:
        for number, opened in enumerate(packed.archives):
            archive = await Workbench(source, bench / str(number)).lay_out(opened)
            wanted = {(file.name, file.size_bytes) for file in packed.wanted(opened)}
            entries = [
                entry
                for entry in await listed(archive)
                if (base_name(entry.path), entry.size_bytes) in wanted
            ]
            await _fill(layer, archive, entries)
    finally:
        layer.end_writing()
    return layer


async def _fill(layer: Layer, archive: Archive, entries: Sequence[Entry]) -> None:
    """One run of the program for all of them: of a solid archive each run unpacks everything before."""
    waiting = [(base_name(entry.path), entry.size_bytes) for entry in reversed(entries)]
    offset = 0
    async with aclosing(unpacked(archive, entries)) as pieces:
        async for piece in pieces:
            rest = memoryview(piece)
            while rest:
                name, size_bytes = waiting[-1]
                taken = rest[: size_bytes - offset]
                await asyncio.to_thread(layer.write, offset, bytes(taken), size_bytes)
                rest, offset = rest[len(taken) :], offset + len(taken)
                if offset == size_bytes:
                    layer.add(name, size_bytes)
                    waiting.pop()
                    offset = 0


async def _streamed(source: Source, opened: OpenedArchive, film: InnerFile, bench: Path) -> UnpackedFilm:
    archive = await Workbench(source, bench / "0").lay_out(opened)
    entry = _same(await listed(archive), film)
    pieces = unpacked(archive, [entry])
    head = b""
    try:
        async for piece in pieces:
            head += piece
            if len(head) >= SNIFFED_BYTES:
                break
        container = container_of(film.name, head) if head else None
        if container is None:
            raise NoFilm(f"“{film.name}” is called a film, but it isn't one")
    except BaseException:
        await pieces.aclose()
        raise
    return UnpackedFilm(
        name=film.name,
        size_bytes=film.size_bytes,
        container=container,
        pieces=_checked(head, pieces, film.crc),
    )


def _same(entries: Sequence[Entry], film: InnerFile) -> Entry:
    """The film by the name that 7-Zip has for it: of one size, and of one name unless code pages differ."""
    alike = [entry for entry in entries if entry.size_bytes == film.size_bytes]
    named = [entry for entry in alike if base_name(entry.path) == film.name]
    if not named and len(alike) != 1:
        raise ArchiveRefused(f"“{film.name}” is in the archive's list of files, but can't be found in it")
    return (named or alike)[0]


async def _checked(head: bytes, pieces: AsyncGenerator[bytes], crc: int | None) -> AsyncGenerator[bytes]:
    """All of the film; it is not proven if it isn't what the headers said that we chose it by."""
    found = zlib.crc32(head)
    async with aclosing(pieces):
        yield head
        async for piece in pieces:
            found = zlib.crc32(piece, found)
            yield piece
    if crc is not None and found != crc:
        raise ArchiveRefused("the unpacked film has a wrong checksum: the archive is damaged")


def _stored(layer: Layer, description: Description) -> UnpackedFilm:
    film = description.film

    async def pieces() -> AsyncGenerator[bytes]:
        for offset in range(0, film.size_bytes, READ_BYTES):
            length = min(READ_BYTES, film.size_bytes - offset)
            yield await film.read(layer, offset, length, Urgency.FILL)

    return UnpackedFilm(
        name=film.name, size_bytes=film.size_bytes, container=description.container, pieces=pieces()
    )
