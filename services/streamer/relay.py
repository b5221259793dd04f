"""Passing a film on while an instance fetches it: one range at a time, at the player's pace.

Memory: at most one read of the connection (64 KiB) and what the sockets hold, per player.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from ipaddress import ip_address
from typing import cast

import httpx
import structlog

from libs.common.addresses import is_public
from libs.common.errors import ErrorCode, ServiceError
from libs.common.play import FILM_PATH, MEND_S, TOKEN_HEADER
from libs.common.ranges import Plan, Receive, Send, serve_chunks

log = structlog.get_logger(__name__)

PLAYERS_MAX = 200
CONNECT_S = 3.0
SILENCE_S = MEND_S + 30.0
"""An instance is silent while lost bytes are mended; beyond this it is gone without a word."""

_ASKED = ("range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
_TOLD = ("content-type", "content-length", "content-range", "accept-ranges", "etag", "last-modified")
_PASSED = (200, 206, 304, 412, 416)


class Relay:
    def __init__(self) -> None:
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(SILENCE_S, connect=CONNECT_S, pool=CONNECT_S),
            # No connection is kept: one that the instance closes in this moment would fail a player.
            limits=httpx.Limits(max_connections=PLAYERS_MAX, max_keepalive_connections=0),
            trust_env=False,
            follow_redirects=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def pass_on(
        self,
        address: str,
        token: str,
        asked: tuple[str, dict[str, str]],
        receive: Receive,
        send: Send,
    ) -> None:
        """Answers a request (`asked`: its method and its headers, in lower case) with the instance's answer.

        `address` must come from the job's log. Raises ServiceError, before anything is sent, if the instance
        doesn't answer; later the connection is broken off. A player that leaves ends the instance's work too.
        """
        method, headers = asked
        request = self._client.build_request(
            method,
            f"http://{_checked(address)}{FILM_PATH}",
            headers={TOKEN_HEADER: token} | {name: headers[name] for name in _ASKED if name in headers},
        )
        try:
            response = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            log.warning("instance_silent", address=address, error=type(error).__name__)
            raise _gone() from error
        try:
            if response.status_code not in _PASSED:
                log.warning("instance_refused", address=address, status=response.status_code)
                raise _gone()
            await serve_chunks(receive, send, _plan(method, response), _chunks(response))
        except httpx.HTTPError as error:
            log.warning("instance_broke_off", address=address, error=type(error).__name__)
        finally:
            await response.aclose()


async def _chunks(response: httpx.Response) -> AsyncGenerator[bytes]:
    async with aclosing(cast("AsyncGenerator[bytes]", response.aiter_raw())) as chunks:
        async for chunk in chunks:
            yield chunk


def _plan(method: str, response: httpx.Response) -> Plan:
    has_body = method == "GET" and response.status_code in (200, 206)
    return Plan(
        status=response.status_code,
        headers={name: response.headers[name] for name in _TOLD if name in response.headers},
        start=0,
        length=int(response.headers["content-length"]) if has_body else 0,
    )


def _checked(address: str) -> str:
    """The address, if it is one of this machine or its network: an instance is nowhere else."""
    host, _, port = address.rpartition(":")
    try:
        is_near = not is_public(str(ip_address(host.strip("[]"))))
    except ValueError:
        is_near = False
    if not is_near or not port.isdecimal():
        raise ServiceError(ErrorCode.JOB_ERROR, "The film's instance gave an address that it can't have.")
    return address


def _gone() -> ServiceError:
    return ServiceError(
        ErrorCode.USENET_ERROR,
        "The download was interrupted, and the film can't be played in this moment; it goes on by itself.",
    )
