"""The film while it is being fetched: this instance's range server, for the gateway only.

It serves exactly one film under one path, on loopback, to whoever shows the attempt's token. A player's reads
go before the fill. A hole is never served as zeros: its read waits until the film is mended or the attempt is
over, and a response that can't go on breaks off before its announced length; the job then tells why.

Memory: at most PLAYERS_MAX × (READ_AHEAD_BYTES + one chunk on its way out).
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog

from libs.common.health import HttpServer
from libs.common.play import FILM_PATH, MEND_S, TOKEN_HEADER
from libs.common.ranges import Plan, Receive, Send, respond, send_start, serve_chunks
from libs.common.security import same
from services.downloader.describe import Description
from services.downloader.errors import BytesLost, DownloaderError
from services.downloader.extents import VirtualFile
from services.downloader.foresight import Unforeseen
from services.downloader.source import Source, Urgency

log = structlog.get_logger(__name__)

HOST: Final = "127.0.0.1"
FIRST_CHUNK_BYTES: Final = 64 * 1024
CHUNK_BYTES: Final = 256 * 1024
READ_AHEAD_BYTES: Final = 4 * 1024 * 1024
"""How far a player's reads may be ahead of what was sent to it; a seek begins with one chunk."""
PLAYERS_MAX: Final = 32
"""Responses with a body at one time; more are refused with 503."""
DRAIN_S: Final = 10.0
"""How long a response may still run once the film is in the store."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What the film's responses say of it: the same for every delivery of an attempt."""

    token: str
    etag: str
    modified_at: datetime


class Screen:
    """One film's ASGI app, and the state of its fetching as far as players must know it."""

    def __init__(self, source: Source, description: Description, identity: Identity) -> None:
        self._source = source
        self._film = description.film
        self._content_type = description.content_type
        self._identity = identity
        self._proven = asyncio.Event()
        self._whole = asyncio.Event()
        self._is_closed = False
        self._showings: set[asyncio.Task[Any]] = set()

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
        if self._showings:
            await asyncio.wait(self._showings, timeout=DRAIN_S)

    async def close(self) -> None:
        """Breaks off what is still being served, and serves nothing more."""
        self._is_closed = True
        for showing in list(self._showings):
            showing.cancel()
        if self._showings:
            await asyncio.wait(self._showings)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = _headers(scope["headers"])
        if not same(headers.get(TOKEN_HEADER, ""), self._identity.token):
            await _refuse(send, 403)
        elif self._is_closed:
            await _refuse(send, 503)
        elif scope["path"] != FILM_PATH:
            await _refuse(send, 404)
        else:
            await self._answer(self._plan(scope["method"], headers), receive, send)

    def _plan(self, method: str, headers: dict[str, str]) -> Plan:
        return respond(
            method,
            headers,
            size_bytes=self._film.size_bytes,
            etag=self._identity.etag,
            modified_at=self._identity.modified_at,
            content_type=self._content_type,
        )

    async def _answer(self, plan: Plan, receive: Receive, send: Send) -> None:
        if plan.length and len(self._showings) >= PLAYERS_MAX:
            await _refuse(send, 503)
            return
        showing = asyncio.create_task(
            serve_chunks(receive, send, plan, self._chunks(plan)), name=f"show-{plan.start}"
        )
        if plan.length:
            self._showings.add(showing)
            showing.add_done_callback(self._showings.discard)
        try:
            await asyncio.wait({showing})
        finally:
            showing.cancel()
        # What a task that was cancelled leaves unfinished, the server breaks off.
        if not showing.cancelled():
            _log_why(showing.exception(), plan)

    async def _chunks(self, plan: Plan) -> AsyncGenerator[bytes]:
        """The plan's bytes in order. Reads ahead, twice as far after each chunk: a seek asks for little."""
        reads: deque[asyncio.Task[bytes]] = deque()
        at, end = plan.start, plan.start + plan.length
        chunk_bytes, ahead_bytes = FIRST_CHUNK_BYTES, FIRST_CHUNK_BYTES
        sent = plan.start
        try:
            while sent < end:
                while at < end and at - sent < ahead_bytes:
                    length = min(chunk_bytes, end - at)
                    reads.append(asyncio.create_task(self._read(at, length), name=f"read-{at}"))
                    at, chunk_bytes = at + length, CHUNK_BYTES
                chunk = await reads[0]
                reads.popleft()
                sent += len(chunk)
                yield chunk
                ahead_bytes = min(ahead_bytes * 2, READ_AHEAD_BYTES)
        finally:
            for read in reads:
                read.cancel()
            await asyncio.gather(*reads, return_exceptions=True)

    async def _read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes, mended if need be. Raises a `DownloaderError`."""
        try:
            return await self._film.read(self._source, offset, length, Urgency.PLAYER)
        except Unforeseen:
            await self._proven.wait()
            return await self._film.read(self._source, offset, length, Urgency.PLAYER)
        except BytesLost:
            if self._whole.is_set():
                raise
        # If it can't be mended the attempt ends, and this read with it.
        with suppress(TimeoutError):
            async with asyncio.timeout(MEND_S):
                await self._whole.wait()
        return await self._film.read(self._source, offset, length, Urgency.PLAYER)


@asynccontextmanager
async def serving(screen: Screen) -> AsyncGenerator[str]:
    """Has the screen answer on a free port; gives its address. At the end what still runs is broken off."""
    async with HttpServer(screen, host=HOST, port=0) as server:
        try:
            yield f"{HOST}:{server.port}"
        finally:
            await screen.close()


def _log_why(error: BaseException | None, plan: Plan) -> None:
    if isinstance(error, DownloaderError):
        log.warning("showing_broke_off", start=plan.start, error=str(error))
    elif error is not None:
        raise error


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


async def _refuse(send: Send, status: int) -> None:
    await send_start(send, Plan(status=status, headers={"content-length": "0"}, start=0, length=0))
    await send({"type": "http.response.body", "body": b"", "more_body": False})
