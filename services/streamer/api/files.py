"""/files: the films of a files store, for whoever has a signed URL."""

from collections.abc import MutableMapping
from typing import Any, cast

from litestar.handlers import ASGIRouteHandler, asgi
from litestar.types import Receive, Scope, Send

from libs.common import ranges
from libs.common.objects import ObjectStore
from libs.common.objects.files import FilesStore
from libs.common.objects.serve import serve_signed


def file_routes(objects: ObjectStore) -> list[ASGIRouteHandler]:
    """What answers /files; nothing if films are kept elsewhere."""
    if not isinstance(objects, FilesStore):
        return []

    @asgi("/files", is_mount=True, copy_scope=True)
    async def files(scope: Scope, receive: Receive, send: Send) -> None:
        plain = cast("MutableMapping[str, Any]", scope)
        await serve_signed(
            objects,
            scope["path"].strip("/"),
            plain,
            cast("ranges.Receive", receive),
            cast("ranges.Send", send),
        )

    return [files]
