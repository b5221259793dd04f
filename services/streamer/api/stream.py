"""/v1/stream/{sessionId}: a film, and the parts of its prepared form, wherever its bytes are now."""

import gzip
from typing import cast

import structlog
from litestar.handlers import ASGIRouteHandler, asgi
from litestar.types import Receive, Scope, Send

from libs.common import ranges
from libs.common.errors import ErrorCode, ServiceError
from libs.common.objects import StoreError
from libs.common.play import is_media_name
from services.streamer.published import Elsewhere, Page, Piece, Published
from services.streamer.relay import Relay, Screening
from services.streamer.showing import Showings

log = structlog.get_logger(__name__)

STREAM = "/v1/stream"


def stream_route(showings: Showings, published: Published, relay: Relay) -> ASGIRouteHandler:
    """What answers GET and HEAD of a session's film, and below it of the film's parts.

    From the instance, passed on; from the store, told or passed on, or by a redirect to it.
    """

    @asgi(STREAM, is_mount=True, copy_scope=True)
    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        method = str(scope.get("method"))
        if method not in ("GET", "HEAD"):
            raise ServiceError(ErrorCode.INVALID_INPUT, "A film can only be read: GET or HEAD.")
        showing, slash, part = scope["path"].strip("/").partition("/")
        if slash and not is_media_name(part):
            raise ServiceError(ErrorCode.NOT_FOUND, "A film has no such part.")
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        line = (cast("ranges.Receive", receive), cast("ranges.Send", send))
        match await showings.where(showing, part or None):
            case Screening() as screening:
                await relay.pass_on(screening, (method, headers), *line)
            case Elsewhere(url=url):
                plan = ranges.Plan(
                    status=307, headers={"location": url, "content-length": "0"}, start=0, length=0
                )
                await _tell(line[1], plan, b"")
            case Page() as page:
                await _tell_page(line[1], page, method, headers)
            case Piece() as piece:
                await _pass_on(published, piece, method, headers, *line)

    return stream


async def _pass_on(
    published: Published,
    piece: Piece,
    method: str,
    headers: dict[str, str],
    receive: ranges.Receive,
    send: ranges.Send,
) -> None:
    plan = ranges.respond(
        method,
        headers,
        size_bytes=piece.stretch.length,
        etag=piece.etag,
        modified_at=piece.modified_at,
        content_type=piece.content_type,
    )
    try:
        await ranges.serve_chunks(receive, send, plan, published.read(piece, plan.start, plan.length))
    except (StoreError, OSError) as error:
        # The answer has begun; it breaks off before its length.
        log.warning("store_broke_off", key=piece.key, error=str(error))


async def _tell_page(send: ranges.Send, page: Page, method: str, headers: dict[str, str]) -> None:
    body, about = page.content, {"content-type": page.content_type, "vary": "accept-encoding"}
    # A signed address has 500 characters, and stands in a playlist as often as a film has segments.
    if "gzip" in headers.get("accept-encoding", ""):
        body = gzip.compress(body, compresslevel=1, mtime=0)
        about["content-encoding"] = "gzip"
    about["content-length"] = str(len(body))
    await _tell(
        send, ranges.Plan(status=200, headers=about, start=0, length=0), b"" if method == "HEAD" else body
    )


async def _tell(send: ranges.Send, plan: ranges.Plan, body: bytes) -> None:
    await ranges.send_start(send, plan)
    await send({"type": "http.response.body", "body": body, "more_body": False})
