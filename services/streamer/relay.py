"""Passing a film on while an instance fetches it: one answer at a time, at the player's pace.

The head of an instance's answer is read by h11, its body by the socket: with a client library in the way a
GiB cost 2.4 s of CPU, which is the whole gateway at 440 MB/s.
Memory: at most two reads of READ_BYTES and what the sockets hold, per player.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from ipaddress import IPv6Address, ip_address

import h11
import msgspec
import structlog

from libs.common.addresses import is_public
from libs.common.errors import ErrorCode, ServiceError
from libs.common.play import MEND_S, TOKEN_HEADER
from libs.common.ranges import Plan, Receive, Send, serve_chunks

log = structlog.get_logger(__name__)

PLAYERS_MAX = 200
CONNECT_S = 3.0
SILENCE_S = MEND_S + 30.0
"""An instance is silent while lost bytes are mended; beyond this it is gone without a word."""
HEAD_BYTES_MAX = 16 * 1024
READ_BYTES = 256 * 1024

_ASKED = ("range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
_TOLD = ("content-type", "content-length", "content-range", "accept-ranges", "etag", "last-modified")
_PASSED = (200, 206, 304, 412, 416)


class Screening(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of an instance: its address on the job's log, a path there, and what it wants to see."""

    address: str
    path: str
    token: str


class Relay:
    def __init__(self) -> None:
        self._lines = asyncio.Semaphore(PLAYERS_MAX)

    async def pass_on(
        self, screening: Screening, asked: tuple[str, Mapping[str, str]], receive: Receive, send: Send
    ) -> None:
        """Answers a request (`asked`: its method and its headers, in lower case) with the instance's answer.

        Raises ServiceError, before anything is sent, if the instance doesn't answer or has no such path;
        later the connection is broken off. A player that leaves ends the instance's work too.
        """
        near = _checked(screening.address)
        try:
            async with self._line(near) as line:
                answer = await _ask(line, screening, asked)
                await serve_chunks(receive, send, answer.plan, _body(line, answer))
        except _Unanswered as error:
            log.warning("instance_silent", address=screening.address, error=str(error))
            raise _gone() from error
        except _BrokenOff as error:
            log.warning("instance_broke_off", address=screening.address, error=str(error))

    @asynccontextmanager
    async def _line(self, near: tuple[str, int]) -> AsyncGenerator[socket.socket]:
        """A connection of its own: one that is kept would fail a player when the instance closes it."""
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._lines.acquire()
        except TimeoutError as error:
            raise _Unanswered(f"{PLAYERS_MAX} players are at it") from error
        try:
            family = socket.AF_INET6 if ":" in near[0] else socket.AF_INET
            with socket.socket(family, socket.SOCK_STREAM) as line:
                line.setblocking(False)
                try:
                    async with asyncio.timeout(CONNECT_S):
                        await asyncio.get_running_loop().sock_connect(line, near)
                except OSError as error:
                    raise _Unanswered(f"connecting: {type(error).__name__}") from error
                yield line
        finally:
            self._lines.release()


class _Unanswered(Exception):
    """The instance gave no answer that could be passed on; nothing was sent to the player yet."""


class _BrokenOff(Exception):
    """The answer ended before its length."""


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer's head, and the beginning of its body, which came with it."""

    plan: Plan
    begun: bytes


async def _ask(line: socket.socket, screening: Screening, asked: tuple[str, Mapping[str, str]]) -> _Answer:
    method, headers = asked
    wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)
    try:
        request = h11.Request(
            method=method,
            target=screening.path,
            headers=[
                ("host", screening.address),
                ("connection", "close"),
                (TOKEN_HEADER, screening.token),
                *((name, headers[name]) for name in _ASKED if name in headers),
            ],
        )
        async with asyncio.timeout(SILENCE_S):
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(line, wire.send(request) + wire.send(h11.EndOfMessage()))
            response = await _head(line, wire)
    except (OSError, h11.ProtocolError) as error:
        raise _Unanswered(type(error).__name__) from error
    if response.status_code == 404:
        raise ServiceError(ErrorCode.NOT_FOUND, "This film has no such part.")
    if response.status_code not in _PASSED:
        raise _Unanswered(f"it answered {response.status_code}")
    return _Answer(plan=_plan(method, response), begun=wire.trailing_data[0])


async def _head(line: socket.socket, wire: h11.Connection) -> h11.Response:
    """Raises h11.RemoteProtocolError for what is no answer, or one with a head beyond HEAD_BYTES_MAX."""
    read_bytes = 0
    while True:
        event = wire.next_event()
        if isinstance(event, h11.Response):
            return event
        if event is h11.NEED_DATA:
            data = await asyncio.get_running_loop().sock_recv(line, HEAD_BYTES_MAX)
            read_bytes += len(data)
            wire.receive_data(data)
        # What an instance says before its answer (1xx) is heard, but not for ever.
        elif not isinstance(event, h11.InformationalResponse) or read_bytes > HEAD_BYTES_MAX:
            raise h11.RemoteProtocolError("no answer")


def _plan(method: str, response: h11.Response) -> Plan:
    """Raises _Unanswered if there is a body without a length: whether it is whole couldn't be told."""
    told = {name.decode("ascii"): value.decode("latin-1") for name, value in response.headers}
    has_body = method == "GET" and response.status_code in (200, 206)
    if has_body and (not told.get("content-length", "").isdecimal() or "transfer-encoding" in told):
        raise _Unanswered("its answer has no length")
    return Plan(
        status=response.status_code,
        headers={name: told[name] for name in _TOLD if name in told},
        start=0,
        length=int(told["content-length"]) if has_body else 0,
    )


async def _body(line: socket.socket, answer: _Answer) -> AsyncGenerator[bytes]:
    """The body, as much as there is at a time. Raises _BrokenOff if it ends before its length."""
    left = answer.plan.length
    loop = asyncio.get_running_loop()
    chunk = answer.begun[:left]
    while left:
        if chunk:
            left -= len(chunk)
            yield chunk
        if left:
            try:
                async with asyncio.timeout(SILENCE_S):
                    chunk = await loop.sock_recv(line, min(READ_BYTES, left))
            except OSError as error:
                raise _BrokenOff(type(error).__name__) from error
            if not chunk:
                raise _BrokenOff(f"{left} bytes are missing")


def _checked(address: str) -> tuple[str, int]:
    """Host and port, if they are of this machine or its network: an instance is nowhere else."""
    host, _, port = address.rpartition(":")
    try:
        near = ip_address(host.strip("[]"))
        is_near = not is_public(str(near)) and not (isinstance(near, IPv6Address) and near.scope_id)
    except ValueError:
        is_near = False
    if not is_near or not port.isascii() or not port.isdecimal() or not 0 < int(port[:6]) < 65536:
        raise ServiceError(ErrorCode.JOB_ERROR, "The film's instance gave an address that it can't have.")
    return host.strip("[]"), int(port)


def _gone() -> ServiceError:
    return ServiceError(
        ErrorCode.USENET_ERROR,
        "The download was interrupted, and the film can't be played in this moment; it goes on by itself.",
    )
