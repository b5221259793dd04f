"""Outgoing HTTP: everything that a service fetches from somebody else's server goes through here."""

import asyncio
import re
import time
from collections.abc import Mapping

import httpx
import stamina

from libs.common.addresses import Origin, origin
from libs.common.exchange import Exchanger, Kind, Passing, Redirect, Request, Response, UpstreamError
from libs.common.pacing import CircuitBreaker, TokenBucket, Windows

__all__ = ["Kind", "Origin", "Response", "Upstream", "UpstreamError", "origin"]

_ATTEMPTS = 3
_MAX_REDIRECTS = 5
# How long a request may queue for its turn under our own rate limit.
_MAX_QUEUE_S = 60.0
_FAILING: set[Kind] = {"timeout", "unreachable", "server_error"}
_OTHER_SCHEME = re.compile(r"(?!https?://)[A-Za-z][A-Za-z0-9+.-]*:")


class Upstream:
    """One server that is asked: its address, limits, keys and failures. Kept for a process's life.

    `base_url` is what paths are relative to. `allowed` are the hosts and ports that the owner configured:
    they may be anywhere, even on this machine; all others must be public. `secrets` never show in errors
    and logs. `rate_per_s` may be limits of several spans. `timeout_s` is for a whole `get`: redirects,
    retries and the body (not the queue before it).
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        allowed: frozenset[Origin],
        secrets: tuple[str, ...],
        timeout_s: float,
        rate_per_s: float | Windows | None,
        user_agent: str,
    ) -> None:
        self._name = name
        self._base_url = base_url.rstrip("/")
        self._allowed = allowed
        self._timeout_s = timeout_s
        self._pace = TokenBucket(rate_per_s) if isinstance(rate_per_s, float | int) else rate_per_s
        self._breaker = CircuitBreaker()
        self._exchanger = Exchanger(
            name, allowed=allowed, secrets=secrets, timeout_s=timeout_s, user_agent=user_agent
        )

    async def get(
        self,
        path_or_url: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int,
        same_hosts_only: bool = False,
    ) -> Response:
        """GET, and its 2xx answer of at most `max_bytes`; anything else raises `UpstreamError`.

        With `same_hosts_only` neither the URL nor a redirect may leave the allowed hosts. What may pass
        (no connection, 502, 503, 504, a 429 of at most 2 s) is tried 3 times. `headers` stay with the host
        that they are for: a redirect to another one goes without.
        """
        request = Request(
            method="GET", headers=dict(headers or {}), max_bytes=max_bytes, same_hosts_only=same_hosts_only
        )
        return await self._guarded(self._url(path_or_url, params), request, attempts=_ATTEMPTS)

    async def post(
        self, path: str, *, body: bytes, headers: Mapping[str, str] | None = None, max_bytes: int
    ) -> Response:
        """POST, under the limits of `get`: sent once, to an allowed host; a redirect is a `bad_answer`."""
        request = Request(
            method="POST", headers=dict(headers or {}), max_bytes=max_bytes, same_hosts_only=True, body=body
        )
        return await self._guarded(self._url(path, None), request, attempts=1)

    async def close(self) -> None:
        await self._exchanger.close()

    def _url(self, path_or_url: str, params: Mapping[str, str | int] | None) -> httpx.URL:
        if _OTHER_SCHEME.match(path_or_url):
            raise self._exchanger.error("refused", "is asked for something that is neither http nor https")
        if not path_or_url.startswith(("http://", "https://")):
            path_or_url = f"{self._base_url}/{path_or_url.lstrip('/')}"
        try:
            url = httpx.URL(path_or_url)
            return url.copy_merge_params(dict(params)) if params else url
        except httpx.InvalidURL as error:
            raise self._exchanger.error("refused", "is asked for something that is no URL") from error

    async def _guarded(self, url: httpx.URL, request: Request, *, attempts: int) -> Response:
        """The answer, unless the circuit breaker is open; the outcome is what the breaker counts."""
        closed_in_s = self._breaker.closed_in_s(time.monotonic())
        if closed_in_s:
            says = f"failed several times in a row; it is asked again in {closed_in_s:.0f} s"
            raise self._exchanger.error("unreachable", says)
        await self._queue()
        try:
            response = await self._in_time(url, request, attempts)
        except UpstreamError as error:
            if error.kind in _FAILING:
                self._breaker.failed(time.monotonic())
            elif error.status is not None:
                self._breaker.succeeded()
            raise
        self._breaker.succeeded()
        return response

    async def _queue(self) -> None:
        """Waits for our turn under our own rate limit."""
        if self._pace is None:
            return
        now = time.monotonic()
        if self._pace.wait_s(now) > _MAX_QUEUE_S:
            raise self._exchanger.error("rate_limited", "has too many requests of ours waiting already")
        await asyncio.sleep(self._pace.take(now))

    async def _in_time(self, url: httpx.URL, request: Request, attempts: int) -> Response:
        try:
            async with asyncio.timeout(self._timeout_s):
                async for attempt in stamina.retry_context(
                    on=_whether_again,
                    attempts=attempts,
                    timeout=None,
                    wait_initial=0.2,
                    wait_max=2.0,
                    wait_jitter=0.3,
                ):
                    with attempt:
                        if attempt.num > 1:
                            await self._queue()
                        return await self._follow(url, request)
        except TimeoutError as error:
            says = f"didn't finish within {self._timeout_s:g} s"
            raise self._exchanger.error("timeout", says, url) from error
        raise AssertionError("retrying ends with an answer or an error")

    async def _follow(self, url: httpx.URL, request: Request) -> Response:
        """One attempt, and the redirects it meets, each checked like the first address."""
        for _ in range(_MAX_REDIRECTS + 1):
            self._check(url, request)
            answer = await self._exchanger.exchange(url, request)
            if isinstance(answer, Response):
                return answer
            target = self._target(url, answer, request)
            if not _same_party(url, target):
                request = request.for_strangers()
            url = target
        raise self._exchanger.error("refused", f"redirects more than {_MAX_REDIRECTS} times", url)

    def _check(self, url: httpx.URL, request: Request) -> None:
        # httpx quotes what can't be in a host's name instead of refusing it.
        if url.scheme not in ("http", "https") or not url.host or "%" in url.host:
            raise self._exchanger.error("refused", "leads to something that is neither http nor https")
        if url.userinfo:
            raise self._exchanger.error("refused", "leads to an address with a user or password in it")
        if request.same_hosts_only and _origin_of(url) not in self._allowed:
            raise self._exchanger.error("refused", "leads to a host that the settings don't name", url)

    def _target(self, url: httpx.URL, redirect: Redirect, request: Request) -> httpx.URL:
        if request.method != "GET":
            raise self._exchanger.error("bad_answer", "redirects what is sent to it", url, redirect.status)
        try:
            target = url.join(redirect.location)
        except httpx.InvalidURL as error:
            raise self._exchanger.error("bad_answer", "redirects to what is no URL", url) from error
        if url.scheme == "https" and target.scheme == "http":
            raise self._exchanger.error("refused", "redirects from https to plain http", url)
        return target


def _whether_again(error: Exception) -> bool | float:
    """For stamina: whether to try again, or after how long."""
    if not isinstance(error, Passing):
        return False
    return True if error.wait_s is None else error.wait_s


def _same_party(url: httpx.URL, target: httpx.URL) -> bool:
    """Whether a redirect stays with one server, or only takes it from http to https."""
    before, after = _origin_of(url), _origin_of(target)
    return before == after or (before.host == after.host and (before.port, after.port) == (80, 443))


def _origin_of(url: httpx.URL) -> Origin:
    return Origin(url.raw_host.decode("ascii").lower(), url.port or (443 if url.scheme == "https" else 80))
