"""The four endpoints that every service has: /healthz, /readyz, /version, /metrics.

`healthz` says that the process answers; `readyz` tells the truth about whether it can do its work now.
A raw ASGI app, so that a small service needs no web framework for it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Self

import msgspec
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from libs.common.connection import SERVED_MAX, ImpatientConnection
from libs.common.errors import ErrorCode
from libs.common.listening import listen

CHECK_TIMEOUT_S = 2.0
PATHS = ("/healthz", "/readyz", "/version", "/metrics")

Check = Callable[[], Awaitable[str | None]]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Answer(msgspec.Struct, frozen=True):
    status: int
    content_type: str
    body: bytes


class Health:
    def __init__(self, service: str, version: str) -> None:
        self._service = service
        self._version = version
        self._checks: list[Check] = []

    def add(self, check: Check) -> None:
        self._checks.append(check)

    async def troubles(self) -> list[str]:
        """What keeps the service from its work, one sentence each."""
        results = await asyncio.gather(*(_bounded(check) for check in self._checks))
        return [trouble for trouble in results if trouble]

    async def answer(self, path: str) -> Answer | None:
        """The answer of one of the four paths; None for any other path."""
        match path:
            case "/healthz":
                return _json(200, {"status": "ok"})
            case "/readyz":
                troubles = await self.troubles()
                return _json(503 if troubles else 200, {"ready": not troubles, "reasons": troubles})
            case "/version":
                return _json(200, {"service": self._service, "version": self._version})
            case "/metrics":
                return Answer(200, CONTENT_TYPE_LATEST, generate_latest())
            case _:
                return None

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        answer = await self.answer(scope["path"])
        if answer is None and await self.troubles():
            # The app that knows more paths has not taken over yet.
            answer = _json(503, {"error": "Still starting; try again in a moment.", "code": "INTERNAL_ERROR"})
        elif answer is None:
            answer = _json(404, {"error": "There is nothing here.", "code": "NOT_FOUND"})
        await _tell(answer, scope, send)


class QuietServer(uvicorn.Server):
    """uvicorn without its signal handlers: the service's life is `service.py`'s."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


class HttpServer:
    """Serves `app`, which may be exchanged, while the block runs; at the end open streams get two seconds.

    How many connections there may be, and how long a request may take to come, is `connection`'s.
    """

    def __init__(self, app: Any, *, host: str, port: int) -> None:
        self.app = app
        config = uvicorn.Config(
            self._current,
            interface="asgi3",
            http=ImpatientConnection,
            log_config=None,
            access_log=False,
            # Who asks is who is connected: a header that anybody can send must not say otherwise.
            proxy_headers=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
            server_header=False,
        )
        self._server = QuietServer(config)
        self._socket = listen(host, port)
        self._task: asyncio.Task[None] | None = None

    async def _current(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_crowded = len(self._server.server_state.connections) > SERVED_MAX
        if is_crowded and scope["type"] == "http" and scope["path"] not in PATHS:
            await _tell(_CROWDED, scope, send, (b"retry-after", b"5"), (b"connection", b"close"))
            return
        await self.app(scope, receive, send)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="http")
        return self

    async def stop(self) -> None:
        """Idempotent."""
        self._server.should_exit = True
        if self._task:
            await asyncio.wait({self._task}, timeout=3)

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


async def _bounded(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await check()
    except TimeoutError:
        return "a check did not answer in time"


def _json(status: int, body: dict[str, Any]) -> Answer:
    return Answer(status, "application/json", msgspec.json.encode(body))


async def _tell(answer: Answer, scope: Scope, send: Send, *more: tuple[bytes, bytes]) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", b"%d" % len(answer.body)),
        *more,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})


_CROWDED = _json(
    503, {"error": "Too many connections are open; try again in a moment.", "code": ErrorCode.RATE_LIMITED}
)
