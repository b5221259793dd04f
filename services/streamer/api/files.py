"""/files: the films of a files store, for whoever has a signed URL."""

from collections.abc import MutableMapping
from typing import Any, cast
from urllib.parse import urlsplit

from litestar.datastructures import MutableScopeHeaders
from litestar.handlers import ASGIRouteHandler, asgi
from litestar.types import Message, Receive, Scope, Send

from libs.common import ranges
from libs.common.objects import ObjectStore
from libs.common.objects.files import FilesStore
from libs.common.objects.serve import serve_signed
from services.streamer.names import Names

_TO_PAGES = {
    "access-control-allow-methods": "GET, HEAD",
    "access-control-allow-headers": "range",
    "access-control-expose-headers": "content-length, content-range, etag",
    "access-control-max-age": "3600",
}
"""What a player's script needs (Fetch Standard, CORS protocol): byte ranges, and to see which ones it got."""


def file_routes(objects: ObjectStore, names: Names) -> list[ASGIRouteHandler]:
    """What answers /files; nothing if films are kept elsewhere.

    A page that was opened by another of the gateway's `names` than `public_url` may read them too.
    """
    if not isinstance(objects, FilesStore):
        return []

    @asgi("/files", is_mount=True, copy_scope=True)
    async def files(scope: Scope, receive: Receive, send: Send) -> None:
        asker = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"), "")
        to_page = _to_page(send, asker) if names.include(urlsplit(asker).netloc) else send
        if scope.get("method") == "OPTIONS":
            preflight = ranges.Plan(status=204, headers={}, start=0, length=0)
            await ranges.send_start(cast("ranges.Send", to_page), preflight)
            await to_page({"type": "http.response.body", "body": b"", "more_body": False})
            return
        plain = cast("MutableMapping[str, Any]", scope)
        await serve_signed(
            objects,
            scope["path"].strip("/"),
            plain,
            cast("ranges.Receive", receive),
            cast("ranges.Send", to_page),
        )

    return [files]


def _to_page(send: Send, page: str) -> Send:
    async def send_to_page(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableScopeHeaders.from_message(message)
            headers["access-control-allow-origin"] = page
            headers["vary"] = "origin"
            for name, value in _TO_PAGES.items():
                headers[name] = value
        await send(message)

    return send_to_page
