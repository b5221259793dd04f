"""Answering the URLs that `FilesStore.signed_url` makes, over plain ASGI."""

from collections.abc import Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from libs.common.objects.files import FilesStore
from libs.common.objects.store import BadKey, NoSuchObject
from libs.common.ranges import Plan, Receive, Send, respond, send_start, serve_file

_MAX_QUERY_CHARS = 1_000
_MAX_QUERY_FIELDS = 8


async def serve_signed(
    store: FilesStore, key: str, scope: MutableMapping[str, Any], receive: Receive, send: Send
) -> None:
    """Answers one HTTP request for `{public_url}/files/{key}`: GET and HEAD, with ranges and conditions.

    403 unless the signature fits and hasn't expired (then nothing tells whether the object exists); 404 if
    the object is gone. The content type is the signed one.
    """
    content_type = _signed_type(store, key, bytes(scope["query_string"]).decode("latin-1"))
    if content_type is None:
        await _refuse(send, 403)
        return
    try:
        await _serve(store, key, content_type, scope, receive, send)
    except (NoSuchObject, BadKey, FileNotFoundError):
        await _refuse(send, 404)


async def _serve(
    store: FilesStore,
    key: str,
    content_type: str,
    scope: MutableMapping[str, Any],
    receive: Receive,
    send: Send,
) -> None:
    info = await store.head(key)
    plan = respond(
        scope["method"],
        _headers(scope["headers"]),
        size_bytes=info.size_bytes,
        etag=info.etag,
        modified_at=info.modified_at,
        content_type=content_type,
    )
    plan.headers["x-content-type-options"] = "nosniff"
    await serve_file(receive, send, store.path(key), plan)


def _signed_type(store: FilesStore, key: str, query: str) -> str | None:
    if len(query) > _MAX_QUERY_CHARS:
        return None
    try:
        fields = parse_qs(query, max_num_fields=_MAX_QUERY_FIELDS)
        expires = int(fields["expires"][0])
        content_type, signature = fields["type"][0], fields["signature"][0]
    except (KeyError, ValueError):
        return None
    return content_type if store.verify(key, expires, signature, content_type) else None


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


async def _refuse(send: Send, status: int) -> None:
    await send_start(send, Plan(status=status, headers={"content-length": "0"}, start=0, length=0))
    await send({"type": "http.response.body", "body": b"", "more_body": False})
