"""Around everything the gateway answers: its names, the headers that keep a browser safe, health."""

import base64
import hashlib
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec
from litestar.datastructures import MutableScopeHeaders
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from libs.common.errors import ErrorCode
from libs.common.health import Answer, Health
from libs.common.settings import Settings, Storage
from services.streamer.metrics import HTTP_REQUESTS
from services.streamer.names import Names

# Where the catalog's pictures come from.
_POSTERS = "https://image.tmdb.org"
_PRIVATE = ("/api/", "/auth/", "/v1/")
# Where HEAD is something of its own: the whole length, without a range.
_FILMS = ("/files/", "/v1/stream/")
_MISDIRECTED = Answer(
    421,
    "application/json",
    msgspec.json.encode(
        {
            "error": "This Matinée isn't known by that name; "
            "set public_url to the address that people open it by.",
            "code": ErrorCode.INVALID_INPUT,
        }
    ),
)


class Shell:
    """An ASGI app around another one. Health is told to whoever asks, by whatever name."""

    def __init__(self, app: ASGIApp, health: Health, names: Names, policy: str) -> None:
        self._app = app
        self._health = health
        self._names = names
        self._headers = {
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        # The router inside rewrites the scope's path.
        path = scope["path"]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._complete(MutableScopeHeaders.from_message(message), path)
            await send(message)

        answer = await self._health.answer(path) if scope["method"] in ("GET", "HEAD") else None
        if answer is None and not self._names.include(_host(scope)):
            answer = _MISDIRECTED
        if answer:
            await _tell(answer, scope, send_with_headers)
        elif scope["method"] == "HEAD" and not path.startswith(_FILMS):
            get: Scope = {**scope, "method": "GET"}
            await self._app(get, receive, _counted(get, _headers_only(send_with_headers)))
        else:
            await self._app(scope, receive, _counted(scope, send_with_headers))

    def _complete(self, headers: MutableScopeHeaders, path: str) -> None:
        for name, value in self._headers.items():
            headers.setdefault(name, value)
        if path.startswith(_PRIVATE):
            headers.setdefault("cache-control", "no-store")


def _counted(scope: Scope, send: Send) -> Send:
    async def send_counted(message: Message) -> None:
        if message["type"] == "http.response.start":
            # The template, not the path: who asks for what doesn't exist must not make new rows.
            route = scope.get("path_template") or "none"
            HTTP_REQUESTS.labels(route=route, status=str(message["status"])).inc()
        await send(message)

    return send_counted


def _headers_only(send: Send) -> Send:
    """For the answer to GET that a HEAD gets (RFC 9110 §9.3.2): it is over where its body begins."""
    is_over = False

    async def send_headers(message: Message) -> None:
        nonlocal is_over
        if message["type"] == "http.response.start":
            await send(message)
        elif not is_over:
            is_over = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_headers


async def _tell(answer: Answer, scope: Scope, send: Send) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", b"%d" % len(answer.body)),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    body = b"" if scope.get("method") == "HEAD" else answer.body
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _host(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")


def content_security_policy(settings: Settings, styles: Sequence[str]) -> str:
    """Everything from here, but for posters, and films when they are kept elsewhere (CSP Level 3).

    A player of HLS fetches a film's bytes itself and gives them to the browser as a `blob:`; its worker is
    one too.
    `styles`: inline style sheets that are allowed, by their hash.
    """
    stored = " ".join((page_origin(settings.public_url), *_store_origins(settings.storage)))
    hashes = " ".join(f"'sha256-{_sha256(style)}'" for style in styles)
    return "; ".join(
        (
            "default-src 'self'",
            f"img-src 'self' {_POSTERS} {page_origin(settings.tmdb.url)} {stored}",
            f"media-src 'self' blob: {stored}",
            f"connect-src 'self' {stored}",
            "worker-src 'self' blob:",
            f"style-src 'self' {hashes}".rstrip(),
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def _store_origins(storage: Storage) -> Sequence[str]:
    if storage.kind != "s3":
        return ()
    if storage.endpoint:
        # Its URLs are in path style: the bucket is no part of the host.
        return (page_origin(storage.endpoint),)
    regional = f"https://{storage.bucket}.s3.{storage.region}.amazonaws.com"
    return (regional, f"https://{storage.bucket}.s3.amazonaws.com")


def page_origin(url: str) -> str:
    """The origin of a page at this URL, as a browser says it (RFC 6454 §6.2)."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
