"""One HTTP request and its answer: guarded, bounded, in words that keep secrets.

It speaks httpcore, what httpx stands on: httpx's client logs whole URLs (with the API keys in them), keeps
cookies, and unpacks a compressed answer of any size before one can look.
"""

import ssl
import time
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import httpcore
import httpx
import msgspec
import structlog

from libs.common.addresses import AddressRefused, GuardedNetwork, Origin
from libs.common.security import scrub
from libs.common.telemetry import UPSTREAM_SECONDS

Kind = Literal[
    "refused",
    "timeout",
    "unreachable",
    "too_large",
    "rate_limited",
    "unauthorized",
    "not_found",
    "server_error",
    "bad_answer",
]

_MAX_CONNECTIONS = 10
_KEEPALIVE_S = 30
_CONNECT_TIMEOUT_S = 5.0
# A server that wants us to wait longer than this has failed, to whoever waits for the answer.
_MAX_RETRY_AFTER_S = 2.0
_MAX_SHOWN_PATH_CHARS = 200
_REDIRECTS = {301, 302, 303, 307, 308}
_PASSING = {502, 503, 504}
# What of the caller's headers another host may see.
_HARMLESS_HEADERS = {"accept", "accept-language"}
# zlib's code for "with a gzip header".
_GZIP = 16 + zlib.MAX_WBITS


class UpstreamError(Exception):
    """`kind` is for the program, `sentence` (also `str(error)`) for a person; `status` if there was one.

    refused: the address isn't one to connect to (the guard, redirects too many or to plain HTTP) ·
    timeout · unreachable: no connection, or it broke, or failed too often lately · too_large ·
    rate_limited: 429, or too many of us queue · unauthorized: 401, 403 · not_found: 404, 410 ·
    server_error: 5xx · bad_answer: any other status, or a body that can't be unpacked.
    `retry_after_s`: how long the server asks to be left alone (with 429 and 503), if it says so.
    """

    def __init__(
        self, kind: Kind, status: int | None, sentence: str, retry_after_s: float | None = None
    ) -> None:
        super().__init__(sentence)
        self.kind: Kind = kind
        self.status = status
        self.sentence = sentence
        self.retry_after_s = retry_after_s


class Passing(UpstreamError):
    """A failure that may be over in a moment; `wait_s` if the server said when."""

    def __init__(self, kind: Kind, status: int | None, sentence: str, wait_s: float | None = None) -> None:
        super().__init__(kind, status, sentence, wait_s)
        self.wait_s = wait_s


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What stays the same from attempt to attempt, and mostly from redirect to redirect."""

    method: Literal["GET", "POST"]
    headers: dict[str, str]
    max_bytes: int
    same_hosts_only: bool
    body: bytes | None = None

    def for_strangers(self) -> "Request":
        """The same without what only the first host may know."""
        harmless = {name: value for name, value in self.headers.items() if name.lower() in _HARMLESS_HEADERS}
        return msgspec.structs.replace(self, headers=harmless)


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """An answer with a 2xx status; header names in lower case, the body unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Redirect(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    location: str


class Exchanger:
    """Exchanges requests for answers, over connections that are kept and guarded."""

    def __init__(
        self,
        name: str,
        *,
        allowed: frozenset[Origin],
        secrets: tuple[str, ...],
        timeout_s: float,
        user_agent: str,
    ) -> None:
        self._name = name
        self._secrets = secrets
        self._timeout_s = timeout_s
        self._user_agent = user_agent
        self._log: Any = structlog.get_logger().bind(upstream=name)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            network_backend=GuardedNetwork(allowed),
            max_connections=_MAX_CONNECTIONS,
            keepalive_expiry=_KEEPALIVE_S,
        )

    async def exchange(self, url: httpx.URL, request: Request) -> Response | Redirect:
        """A 2xx answer or a redirect; anything else raises `UpstreamError`. One line of log either way."""
        started = time.monotonic()
        outcome: int | str = "cancelled"
        try:
            answer = await self._translated(url, request)
            outcome = answer.status
        except UpstreamError as error:
            outcome = error.status or error.kind
            raise
        finally:
            seconds = time.monotonic() - started
            UPSTREAM_SECONDS.labels(upstream=self._name, status=str(outcome)).observe(seconds)
            self._log.info(
                "upstream.request",
                method=request.method,
                host=self.shown_host(url),
                path=self._shown_path(url),
                status=outcome,
                ms=round(seconds * 1000),
            )
        return answer

    async def close(self) -> None:
        await self._pool.aclose()

    async def _translated(self, url: httpx.URL, request: Request) -> Response | Redirect:
        try:
            return await self._send(url, request)
        except AddressRefused as error:
            says = "leads into this machine or its network, to a host that the settings don't name"
            raise self.error("refused", says, url) from error
        except httpcore.ConnectTimeout as error:
            raise self._passing("timeout", "didn't take the connection in time", url) from error
        except httpcore.TimeoutException as error:
            raise self.error("timeout", "stopped sending", url) from error
        except httpcore.NetworkError as error:
            if isinstance(_root(error), ssl.SSLCertVerificationError):
                raise self.error("unreachable", "has a certificate that isn't trusted", url) from error
            raise self._passing("unreachable", "can't be reached", url) from error
        except httpcore.ProtocolError as error:
            raise self._passing("unreachable", "broke the connection, or speaks no HTTP", url) from error

    async def _send(self, url: httpx.URL, request: Request) -> Response | Redirect:
        connect_s = min(_CONNECT_TIMEOUT_S, self._timeout_s)
        rest_s = self._timeout_s
        ours = {"Host": url.netloc.decode("ascii"), "User-Agent": self._user_agent, "Accept-Encoding": "gzip"}
        async with self._pool.stream(
            request.method,
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=list((request.headers | ours).items()),
            content=request.body,
            extensions={"timeout": {"connect": connect_s, "read": rest_s, "write": rest_s, "pool": rest_s}},
        ) as answer:
            return await self._read(url, request, answer)

    async def _read(self, url: httpx.URL, request: Request, answer: httpcore.Response) -> Response | Redirect:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
        if answer.status in _REDIRECTS and "location" in headers:
            return Redirect(status=answer.status, location=headers["location"])
        if not 200 <= answer.status < 300:
            raise self._failure(url, answer.status, headers)
        try:
            body = Body(headers.get("content-encoding", ""), request.max_bytes)
            async for piece in answer.aiter_stream():
                body.feed(piece)
            return Response(status=answer.status, headers=headers, body=body.finish())
        except TooLarge as error:
            says = f"sends more than {request.max_bytes} bytes"
            raise self.error("too_large", says, url, answer.status) from error
        except zlib.error as error:
            raise self.error("bad_answer", "sends what can't be unpacked", url, answer.status) from error

    def _failure(self, url: httpx.URL, status: int, headers: Mapping[str, str]) -> UpstreamError:
        if status == 429:
            wait_s = retry_after_s(headers.get("retry-after", ""), datetime.now(UTC))
            error = self.error("rate_limited", "has had too many requests of ours; try again later", url, 429)
            error.retry_after_s = wait_s
            soon = wait_s is not None and wait_s <= _MAX_RETRY_AFTER_S
            return Passing(error.kind, 429, error.sentence, wait_s) if soon else error
        if status in (401, 403):
            return self.error(
                "unauthorized", f"refused us ({status}); check its key in the settings", url, status
            )
        if status in (404, 410):
            return self.error("not_found", f"doesn't have what was asked for ({status})", url, status)
        if status >= 500:
            says = f"has trouble of its own ({status}); try again later"
            make = self._passing if status in _PASSING else self.error
            failure = make("server_error", says, url, status)
            failure.retry_after_s = retry_after_s(headers.get("retry-after", ""), datetime.now(UTC))
            return failure
        return self.error("bad_answer", f"answered with status {status}", url, status)

    def error(
        self, kind: Kind, says: str, url: httpx.URL | None = None, status: int | None = None
    ) -> UpstreamError:
        """What this upstream did, as an error for a person; what was asked for is in the log."""
        at = "" if url is None else f" (at {scrub(url.host, self._secrets)})"
        return UpstreamError(kind, status, f"{self._name} {says}{at}")

    def _passing(self, kind: Kind, says: str, url: httpx.URL, status: int | None = None) -> Passing:
        return Passing(kind, status, self.error(kind, says, url).sentence)

    def shown_host(self, url: httpx.URL) -> str:
        return scrub(url.netloc.decode("ascii", "replace"), self._secrets)

    def _shown_path(self, url: httpx.URL) -> str:
        """Without the query, for there the keys are; but some servers have them in the path."""
        path = url.raw_path.partition(b"?")[0].decode("ascii", "replace")
        return scrub(path, self._secrets)[:_MAX_SHOWN_PATH_CHARS]


class TooLarge(Exception):
    pass


class Body:
    """An answer's body, unpacked as it comes; never holds much more than `max_bytes`, whatever was packed."""

    def __init__(self, encoding: str, max_bytes: int) -> None:
        packing = encoding.strip().lower()
        if packing not in ("", "identity", "gzip", "x-gzip"):
            # Several at once are no use but to make a bomb; the others we haven't asked for.
            raise zlib.error("only gzip was asked for")
        self._max_bytes = max_bytes
        self._unpacked = bytearray()
        self._inflater = zlib.decompressobj(_GZIP) if "gzip" in packing else None
        self._begun = False

    def feed(self, piece: bytes) -> None:
        """Raises `TooLarge`, or `zlib.error` if it isn't packed as it says."""
        if self._inflater is None:
            self._unpacked += piece
        else:
            self._begun = True
            self._unpacked += self._inflater.decompress(piece, self._max_bytes + 1)
            if self._inflater.unused_data:
                raise zlib.error("something follows the packed body")
        if len(self._unpacked) > self._max_bytes:
            raise TooLarge

    def finish(self) -> bytes:
        """All of it; raises `zlib.error` if the packed body ended early."""
        if self._inflater is not None and self._begun and not self._inflater.eof:
            raise zlib.error("the packed body ends early")
        return bytes(self._unpacked)


def retry_after_s(header: str, now: datetime) -> float | None:
    """RFC 9110 §10.2.3: seconds, or a date. None if it says neither."""
    header = header.strip()
    if header.isascii() and header.isdigit() and len(header) < 10:
        return float(header)
    try:
        date = parsedate_to_datetime(header)
        return max(0.0, (date - now).total_seconds()) if date.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _root(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error
