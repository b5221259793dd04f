"""The page: its built files, and itself for every address that is the page's own."""

import asyncio
import hashlib
import mimetypes
from pathlib import Path

from litestar import Response, route
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler

from libs.common.errors import ErrorCode, ServiceError
from services.streamer.api.inputs import AnyRequest

DIST = Path(__file__).parent.parent / "web" / "dist"
# Their names hold a hash of their content.
_HASHED = "assets"
_NOT_PAGES = frozenset({"api", "v1", "auth", "docs", "files", _HASHED})


def page_routes(dist: Path) -> HTTPRouteHandler:
    """A catch-all for what nothing else answers. `dist`: the built page; it may change while we run."""
    root = dist.resolve()

    @route(["/", "/{page_path:path}"], http_method=[HttpMethod.GET, HttpMethod.HEAD], include_in_schema=False)
    async def page(request: AnyRequest) -> Response[bytes]:
        path = request.url.path.strip("/")
        file = await asyncio.to_thread(find, root, path)
        if file:
            return await _file(request, file, is_hashed=path.startswith(f"{_HASHED}/"))
        if path and not _is_page(path, request.headers.get("accept", "")):
            raise ServiceError(ErrorCode.NOT_FOUND, "There is nothing here.")
        index = root / "index.html"
        if not await asyncio.to_thread(index.is_file):
            raise ServiceError(ErrorCode.NOT_FOUND, "The page is not built yet; `make demo` builds it.")
        return await _file(request, index, is_hashed=False)

    return page


def _is_page(path: str, accept: str) -> bool:
    return path.partition("/")[0] not in _NOT_PAGES and "text/html" in accept


def find(root: Path, path: str) -> Path | None:
    """The built file of that path, if there is one; never anything outside the root."""
    if not path or "\0" in path or len(path) > 300:
        return None
    file = (root / path).resolve()
    return file if file.is_relative_to(root) and file.is_file() else None


async def _file(request: AnyRequest, file: Path, *, is_hashed: bool) -> Response[bytes]:
    content = await asyncio.to_thread(file.read_bytes)
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {
        "etag": etag,
        "cache-control": "public, max-age=31536000, immutable" if is_hashed else "no-cache",
    }
    if etag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers)
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return Response(content, media_type=kind, headers=headers)
