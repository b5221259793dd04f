"""The parts of a film that was prepared for browsers and is in the store.

Playlists of the film are told with signed addresses, so that players read the film from the store itself.
Texts are passed on, so that a page reads them whatever the store allows to other origins. A segment by its
name is for sessions that began while the film was being fetched: it is the byte range of the stored film that
the playlist gives; and a piece of a text is the whole of it.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator
from datetime import datetime

import msgspec
import structlog

from libs.common.errors import ErrorCode, ServiceError
from libs.common.events import Film
from libs.common.objects import NoSuchObject, ObjectStore
from libs.common.objects.types import type_of
from services.streamer.playlists import (
    MAX_BYTES,
    BadPlaylist,
    MediaPlaylist,
    Stretch,
    read_master,
    read_media,
    read_text,
)

log = structlog.get_logger(__name__)

PLAYLISTS_MAX = 32
"""Kept, read; at most PLAYLISTS_MAX × some 3 × MAX_BYTES, and 1 MiB for a usual film's 2 or 3."""
READ_BYTES = 1024 * 1024
MASTER = "movie.m3u8"
_TEXT_PIECE = re.compile(r"(text-\d+)-\d+\.vtt", re.ASCII)
_PART = re.compile(r"(video|sound-\d+)-(?:(init)\.mp4|(\d+)\.m4s)", re.ASCII)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What is told whole."""

    content: bytes
    content_type: str


class Elsewhere(msgspec.Struct, frozen=True, kw_only=True):
    """What is had at a signed URL."""

    url: str


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of an object, to be passed on by `read`."""

    key: str
    stretch: Stretch
    content_type: str
    etag: str
    modified_at: datetime


Found = Page | Elsewhere | Piece


class Published:
    def __init__(self, objects: ObjectStore, *, url_ttl_s: int) -> None:
        self._objects = objects
        self._url_ttl_s = url_ttl_s
        self._playlists: OrderedDict[str, MediaPlaylist] = OrderedDict()

    async def part(self, film: Film, ready_at: datetime, name: str) -> Found:
        """The part of a prepared film that this name (`is_media_name`) stands for.

        Raises ServiceError: NOT_FOUND if it has no such part, STORAGE_ERROR if what is stored isn't as we
        make it; StoreError.
        """
        found = _PART.fullmatch(name)
        try:
            if found:
                return await self._piece(film, ready_at, found)
            if name == MASTER:
                return _playlist(read_master(await self._read_whole(film.playlist_key or "")))
            if name.startswith("text-") and name.endswith(".m3u8"):
                return _playlist(read_text(await self._read_whole(_beside(film, name))))
            if name.endswith(".m3u8"):
                playlist = await self._media_playlist(_beside(film, name))
                return _playlist(playlist.signed(await self._signed(film.key, film.content_type)))
            if name.endswith(".jpg"):
                return Elsewhere(url=await self._signed(_beside(film, name), type_of(name)))
            return await self._text(_beside(film, _TEXT_PIECE.sub(r"\1.vtt", name)))
        except NoSuchObject as error:
            raise _no_such_part() from error
        except BadPlaylist as error:
            log.warning("bad_playlist", key=_beside(film, name), error=str(error))
            raise ServiceError(
                ErrorCode.STORAGE_ERROR, f"The film's playlist in the store is damaged: {error}."
            ) from error

    async def read(self, piece: Piece, start: int, length: int) -> AsyncGenerator[bytes]:
        """These bytes of the piece, READ_BYTES at a time, one read ahead. Raises StoreError, OSError."""
        at, end = piece.stretch.offset + start, piece.stretch.offset + start + length
        reading = self._reading(piece.key, at, end)
        try:
            while reading:
                chunk = await reading
                if not chunk:
                    raise OSError(f"{piece.key} ended at byte {at}, {end - at} bytes too soon")
                at += len(chunk)
                reading = self._reading(piece.key, at, end)
                yield chunk
        finally:
            if reading:
                reading.cancel()
                await asyncio.wait([reading])

    def _reading(self, key: str, at: int, end: int) -> asyncio.Task[bytes] | None:
        if at >= end:
            return None
        return asyncio.create_task(self._objects.read(key, at, min(READ_BYTES, end - at)), name=f"read-{at}")

    async def _piece(self, film: Film, ready_at: datetime, found: re.Match[str]) -> Piece:
        rendition, init, number = found.groups()
        playlist = await self._media_playlist(_beside(film, f"{rendition}.m3u8"))
        if init:
            stretch = playlist.init
        elif int(number) < len(playlist.segments):
            stretch = playlist.segments[int(number)]
        else:
            raise _no_such_part()
        return Piece(
            key=film.key,
            stretch=stretch,
            content_type=type_of(found[0]),
            etag=f"{stretch.offset:x}-{stretch.length:x}",
            modified_at=ready_at,
        )

    async def _text(self, key: str) -> Piece:
        info = await self._objects.head(key)
        return Piece(
            key=key,
            stretch=Stretch(offset=0, length=info.size_bytes),
            content_type=type_of(key),
            etag=info.etag,
            modified_at=info.modified_at,
        )

    async def _media_playlist(self, key: str) -> MediaPlaylist:
        # What is published is never changed.
        playlist = self._playlists.pop(key, None) or read_media(await self._read_whole(key))
        self._playlists[key] = playlist
        if len(self._playlists) > PLAYLISTS_MAX:
            self._playlists.popitem(last=False)
        return playlist

    async def _read_whole(self, key: str) -> bytes:
        # One byte more than may be, so that more is told from enough.
        return await self._objects.read(key, 0, MAX_BYTES + 1)

    async def _signed(self, key: str, content_type: str) -> str:
        return await self._objects.signed_url(key, ttl_s=self._url_ttl_s, content_type=content_type)


def _beside(film: Film, name: str) -> str:
    """The key of another part of the film."""
    return f"{film.key.rpartition('/')[0]}/{name}"


def _playlist(text: str) -> Page:
    return Page(content=text.encode(), content_type=type_of(MASTER))


def _no_such_part() -> ServiceError:
    return ServiceError(ErrorCode.NOT_FOUND, "This film has no such part.")
