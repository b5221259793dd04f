"""The little of HTTP that the sandbox's servers need, as ASGI: a request, an answer, a server."""

import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec
import uvicorn

BODY_MAX_BYTES = 16 << 20
STOP_TIMEOUT_S = 1


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """`query` has each name's first value."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Response(msgspec.Struct, frozen=True, kw_only=True):
    status: int = 200
    content_type: str = "application/json;charset=utf-8"
    body: bytes = b""
    headers: Mapping[str, str] = {}


Handler = Callable[[Request], Awaitable[Response]]


def json_response(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status=status, body=msgspec.json.encode(value), headers=headers or {})


class WebServer:
    """Serves one handler on a listening socket, which stays its owner's to close."""

    def __init__(self, handler: Handler, listener: socket.socket) -> None:
        self._listener = listener
        # Connections inherit it. Without, an answer's body waits 40 ms for its head to be acknowledged.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        host, port = listener.getsockname()[:2]
        self.url = f"http://{host}:{port}"
        config = uvicorn.Config(
            _asgi(handler),
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=STOP_TIMEOUT_S,
        )
        self._server = _Server(config)

    async def serve(self) -> None:
        """Answers requests until `close`."""
        await self._server.serve(sockets=[self._listener])

    def close(self) -> None:
        self._server.should_exit = True


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):
        """Signals belong to the process, which may run more than this server."""
        yield


def _asgi(handler: Handler) -> Callable[[Any, Any, Any], Awaitable[None]]:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        body = await _read_body(receive)
        if body is None:
            response = Response(status=413)
        else:
            query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            response = await handler(
                Request(
                    method=scope["method"],
                    path=scope["path"],
                    query={name: values[0] for name, values in query.items()},
                    headers={
                        name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
                    },
                    body=body,
                )
            )
        headers = {
            "content-type": response.content_type,
            "content-length": str(len(response.body)),
            **response.headers,
        }
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            }
        )
        await send(
            {"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else response.body}
        )

    return application


async def _read_body(receive: Any) -> bytes | None:
    """The request's body, or None if it is larger than BODY_MAX_BYTES."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_MAX_BYTES:
            return None
        if not message.get("more_body"):
            return bytes(body)
