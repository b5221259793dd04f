"""Answering the URLs that `FilesStore.signed_url` makes, over plain ASGI."""

import time
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from libs.common.errors import ErrorCode
from libs.common.objects.files import FilesStore
from libs.common.objects.store import BadKey, NoSuchObject
from libs.common.ranges import Plan, Receive, Send, respond, send_start, serve_file

_MAX_QUERY_CHARS = 1_000
_MAX_QUERY_FIELDS = 8

_REFUSALS = {
    403: (ErrorCode.FORBIDDEN, "This address isn't valid, or not any more; open the film again."),
    404: (ErrorCode.NOT_FOUND, "This film isn't there any more."),
    405: (ErrorCode.INVALID_INPUT, "A film can only be read: GET or HEAD."),
    412: (ErrorCode.INVALID_INPUT, "The film isn't the one that was asked for any more."),
    416: (ErrorCode.INVALID_INPUT, "The film isn't that long."),
}


class _Signed(msgspec.Struct, frozen=True):
    """What a genuine URL says; `expires` is in seconds since 1970."""

    content_type: str
    expires: int


async def serve_signed(
    store: FilesStore, key: str, scope: MutableMapping[str, Any], receive: Receive, send: Send
) -> None:
    """Answers one HTTP request for `{public_url}/files/{key}`: GET and HEAD, with ranges and conditions.

    403 unless the signature fits and hasn't expired (then nothing tells whether the object exists); 404 if
    the object is gone. The content type is the signed one. A refusal's body is JSON, `error` and `code`.
    What is served may be kept, by the browser alone, for as long as the URL is good.
    """
    signed = _signed(store, key, bytes(scope["query_string"]).decode("latin-1"))
    if signed is None:
        await _refuse(scope, send, 403)
        return
    try:
        await _serve(store, key, signed, scope, receive, send)
    except (NoSuchObject, BadKey, FileNotFoundError):
        await _refuse(scope, send, 404)


async def _serve(
    store: FilesStore,
    key: str,
    signed: _Signed,
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
        content_type=signed.content_type,
    )
    if plan.status in _REFUSALS:
        await _refuse(scope, send, plan.status, plan.headers)
        return
    plan.headers["x-content-type-options"] = "nosniff"
    plan.headers["cache-control"] = f"private, max-age={max(0, signed.expires - int(time.time()))}"
    await serve_file(receive, send, store.path(key), plan)


def _signed(store: FilesStore, key: str, query: str) -> _Signed | None:
    if len(query) > _MAX_QUERY_CHARS:
        return None
    try:
        fields = parse_qs(query, max_num_fields=_MAX_QUERY_FIELDS)
        expires = int(fields["expires"][0])
        content_type, signature = fields["type"][0], fields["signature"][0]
    except (KeyError, ValueError):
        return None
    return _Signed(content_type, expires) if store.verify(key, expires, signature, content_type) else None


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


async def _refuse(
    scope: MutableMapping[str, Any], send: Send, status: int, headers: Mapping[str, str] | None = None
) -> None:
    code, sentence = _REFUSALS[status]
    body = msgspec.json.encode({"error": sentence, "code": code})
    about = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "cache-control": "private, no-store",
        "x-content-type-options": "nosniff",
    }
    await send_start(send, Plan(status=status, headers={**(headers or {}), **about}, start=0, length=0))
    shown = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": shown, "more_body": False})
