"""The film while it is being fetched: this instance's range server, for the gateway and the media process.

It serves exactly one film, on loopback, to whoever shows the attempt's token: its bytes under one path, and
the parts of its prepared form by their names. A player's reads go before the fill. A hole is never served as
zeros: its read waits until the film is mended or the attempt is over, and a response that can't go on breaks
off before its announced length; the job then tells why.

Memory: at most PLAYERS_MAX × (READ_AHEAD_BYTES + one chunk on its way out), as much for each hand of the
media process, and the parts that are kept (`media.shelf`) or on their way out.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog

from libs.common.health import HttpServer
from libs.common.play import FILM_PATH, MEDIA_PATH, MEND_S, TOKEN_HEADER, URGENCY_HEADER
from libs.common.ranges import (
    ZERO_COPY,
    Lying,
    Plan,
    Receive,
    Send,
    respond,
    send_start,
    serve_chunks,
    unless_gone,
)
from libs.common.security import same
from services.downloader.describe import Description
from services.downloader.errors import BytesLost, DownloaderError
from services.downloader.extents import VirtualFile
from services.downloader.foresight import Unforeseen
from services.downloader.media.parts import Part, part_named
from services.downloader.media.process import MediaFailed, NotToBeHad
from services.downloader.media.theatre import Theatre
from services.downloader.source import Source, Urgency

log = structlog.get_logger(__name__)

HOST: Final = "127.0.0.1"
FIRST_CHUNK_BYTES: Final = 64 * 1024
CHUNK_BYTES: Final = 256 * 1024
LYING_BYTES: Final = 1024 * 1024
"""The same of what is sent from where it lies."""
READ_AHEAD_BYTES: Final = 4 * 1024 * 1024
"""How far a player's reads may be ahead of what was sent to it; a seek begins with one chunk."""
PLAYERS_MAX: Final = 32
"""Responses with the film's bytes at one time; more are refused with 503. The media process isn't counted."""
PARTS_MAX: Final = 48
"""Responses with a part of the prepared form at one time, also waiting ones; more are refused with 503."""
OTHERS_MAX: Final = 64
"""Responses without a body, and reads of the media process; more are refused with 503."""
DRAIN_S: Final = 10.0
"""How long a response may still run once the film is in the store."""


class Asked(msgspec.Struct, frozen=True):
    """One request."""

    method: str
    headers: dict[str, str]
    receive: Receive
    send: Send
    from_disk: bool
    """Whether the server sends bytes from where they lie."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What the film's responses say of it: the same for every delivery of an attempt."""

    token: str
    etag: str
    modified_at: datetime


class Screen:
    """One film's ASGI app, and the state of its fetching as far as players must know it."""

    def __init__(
        self, source: Source, description: Description, identity: Identity, theatre: Theatre | None = None
    ) -> None:
        """`theatre`: who makes the parts of the prepared form; without it there are none."""
        self._source = source
        self._film = description.film
        self._content_type = description.content_type
        self._identity = identity
        self._theatre = theatre
        self._proven = asyncio.Event()
        self._whole = asyncio.Event()
        self._is_closed = False
        self._showings: set[asyncio.Task[Any]] = set()
        self._parts: set[asyncio.Task[Any]] = set()
        self._others: set[asyncio.Task[Any]] = set()

    def proven(self, film: VirtualFile) -> None:
        """This is the film, after all volumes have been looked into: it takes the place of a foreseen one."""
        is_another = film.spans(0, film.size_bytes) != self._film.spans(0, self._film.size_bytes)
        self._film = film
        self._proven.set()
        if is_another:
            log.warning("film_was_foreseen_wrongly", name=film.name)
            for showing in list(self._showings):
                showing.cancel()

    def whole(self) -> None:
        """Every byte of the film is there and verified: whoever waits for a hole goes on."""
        self._whole.set()

    async def drain(self) -> None:
        """Returns when nobody is being served any more, at the latest after DRAIN_S."""
        if served := self._showings | self._parts:
            await asyncio.wait(served, timeout=DRAIN_S)

    async def close(self) -> None:
        """Breaks off what is still being served, and serves nothing more."""
        self._is_closed = True
        served = self._showings | self._parts | self._others
        for showing in served:
            showing.cancel()
        if served:
            await asyncio.wait(served)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        from_disk = ZERO_COPY in scope.get("extensions", ())
        asked = Asked(scope["method"], _headers(scope["headers"]), receive, send, from_disk)
        if not same(asked.headers.get(TOKEN_HEADER, ""), self._identity.token):
            await _refuse(send, 403)
        elif self._is_closed:
            await _refuse(send, 503)
        elif scope["path"] == FILM_PATH:
            await self._show_film(asked)
        elif part := part_named(scope["path"].removeprefix(MEDIA_PATH)):
            await self._counted(self._show_part(asked, part), self._parts, PARTS_MAX, asked)
        else:
            await _refuse(send, 404)

    async def _show_film(self, asked: Asked) -> None:
        plan = self._plan(asked, self._film.size_bytes, self._content_type)
        urgency = Urgency.FILL if asked.headers.get(URGENCY_HEADER) == "fill" else Urgency.PLAYER
        # Whoever says how urgent it is is the media process: a player doesn't know that one can.
        if not plan.length or URGENCY_HEADER in asked.headers:
            among, most = self._others, OTHERS_MAX
        else:
            among, most = self._showings, PLAYERS_MAX
        showing = serve_chunks(asked.receive, asked.send, plan, self._chunks(asked, plan, urgency))
        await self._counted(showing, among, most, asked)

    async def _show_part(self, asked: Asked, part: Part) -> None:
        try:
            if self._theatre is None:
                raise NotToBeHad("nobody prepares this film")
            data = await unless_gone(asked.receive, self._theatre.part(part))
        except MediaFailed as error:
            log.warning("part_failed", part=str(part.question), why=str(error))
            await _refuse(asked.send, 404 if isinstance(error, NotToBeHad) else 503)
            return
        if data is not None:
            plan = self._plan(asked, len(data), part.content_type)
            await serve_chunks(asked.receive, asked.send, plan, _pieces(data, plan))

    def _plan(self, asked: Asked, size_bytes: int, content_type: str) -> Plan:
        return respond(
            asked.method,
            asked.headers,
            size_bytes=size_bytes,
            etag=self._identity.etag,
            modified_at=self._identity.modified_at,
            content_type=content_type,
        )

    async def _counted(
        self, answer: Coroutine[Any, Any, None], among: set[asyncio.Task[Any]], most: int, asked: Asked
    ) -> None:
        """Gives the answer, unless so many are being given; logs why it broke off if it did."""
        if len(among) >= most:
            answer.close()
            await _refuse(asked.send, 503)
            return
        showing = asyncio.create_task(answer, name="show")
        among.add(showing)
        showing.add_done_callback(among.discard)
        try:
            await asyncio.wait({showing})
        finally:
            showing.cancel()
        # What a task that was cancelled leaves unfinished, the server breaks off.
        if showing.cancelled() or (error := showing.exception()) is None:
            return
        if not isinstance(error, DownloaderError):
            raise error
        log.warning("showing_broke_off", error=str(error))

    async def _chunks(self, asked: Asked, plan: Plan, urgency: Urgency) -> AsyncGenerator[bytes | Lying]:
        """The plan's bytes in order. Reads ahead, twice as far after each chunk: a seek asks for little."""
        reads: deque[tuple[int, asyncio.Task[bytes | Lying]]] = deque()
        at, end = plan.start, plan.start + plan.length
        from_disk = asked.from_disk and self._film.as_posted
        chunk_bytes, ahead_bytes = FIRST_CHUNK_BYTES, FIRST_CHUNK_BYTES
        sent = plan.start
        try:
            while sent < end:
                while at < end and at - sent < ahead_bytes:
                    length = min(chunk_bytes, end - at)
                    read = self._mended(at, length, urgency, from_disk=from_disk)
                    reads.append((length, asyncio.create_task(read, name=f"read-{at}")))
                    at += length
                    longer = min(chunk_bytes * 2, LYING_BYTES) if from_disk else 0
                    chunk_bytes = max(longer, CHUNK_BYTES)
                length, reading = reads[0]
                chunk = await reading
                reads.popleft()
                sent += length
                yield chunk
                ahead_bytes = min(ahead_bytes * 2, READ_AHEAD_BYTES)
        finally:
            for _, read in reads:
                read.cancel()
            await asyncio.gather(*(read for _, read in reads), return_exceptions=True)

    async def _mended(self, offset: int, length: int, urgency: Urgency, *, from_disk: bool) -> bytes | Lying:
        """Exactly these bytes, mended if need be. Raises a `DownloaderError`."""
        try:
            return await self._read(offset, length, urgency, from_disk=from_disk)
        except Unforeseen:
            await self._proven.wait()
            return await self._read(offset, length, urgency, from_disk=from_disk)
        except BytesLost:
            if self._whole.is_set():
                raise
        # If it can't be mended the attempt ends, and this read with it. What is made for the store has time.
        with suppress(TimeoutError):
            async with asyncio.timeout(MEND_S if urgency is Urgency.PLAYER else None):
                await self._whole.wait()
        return await self._read(offset, length, urgency, from_disk=from_disk)

    async def _read(self, offset: int, length: int, urgency: Urgency, *, from_disk: bool) -> bytes | Lying:
        lying = await self._film.lying(self._source, offset, length, urgency) if from_disk else None
        return lying or await self._film.read(self._source, offset, length, urgency)


@asynccontextmanager
async def serving(screen: Screen) -> AsyncGenerator[str]:
    """Has the screen answer on a free port; gives its address. At the end what still runs is broken off."""
    async with HttpServer(screen, host=HOST, port=0) as server:
        try:
            yield f"{HOST}:{server.port}"
        finally:
            await screen.close()


async def _pieces(data: bytes, plan: Plan) -> AsyncGenerator[bytes]:
    for at in range(plan.start, plan.start + plan.length, CHUNK_BYTES):
        yield data[at : min(at + CHUNK_BYTES, plan.start + plan.length)]


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


async def _refuse(send: Send, status: int) -> None:
    await send_start(send, Plan(status=status, headers={"content-length": "0"}, start=0, length=0))
    await send({"type": "http.response.body", "body": b"", "more_body": False})
