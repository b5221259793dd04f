"""Connections to our servers: how many there may be, how long one may keep us waiting, and files sent from
where they lie (ASGI's extension "Zero Copy Send")."""

import asyncio
import os
from typing import Any

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from libs.common.ranges import ZERO_COPY, Message, Receive, Send

log = structlog.get_logger(__name__)

REQUEST_S = 10.0
"""From the opening, or the last answer, until the whole next request is there; what we are sent is small."""
SERVED_MAX = 500
"""Connections of one server whose requests are answered; those of more are answered 503."""
CONNECTIONS_MAX = 800
"""Beyond it one is closed as it comes: a process may have 1,024 files open, and needs some for its work."""


class ImpatientConnection(H11Protocol):
    """HTTP/1.1 that nobody keeps open by saying nothing, or a request one byte at a time."""

    _deadline: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._asked = self.app
        self.app = self._with_files

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  (as uvicorn has it)
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            transport.abort()
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    async def _with_files(self, scope: Any, receive: Receive, send: Send) -> None:
        async def send_any(message: Message) -> None:
            if message["type"] != ZERO_COPY:
                await send(message)
                return
            if not self.transport.is_closing():
                await self._send_file(message)
            if not message.get("more_body", False):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        scope["extensions"] = {ZERO_COPY: {}}
        await self._asked(scope, receive, send_any)

    async def _send_file(self, message: Message) -> None:
        # h11 only counts them: the answer's length has been told in its head.
        sent = self.conn.send_with_data_passthrough(h11.Data(data=message["file"]))
        assert sent == [message["file"]]  # noqa: S101  (chunked, there would be something around them)
        lying, count = message["file"], 0
        try:
            count = await self.loop.sendfile(
                self.transport, lying, message["offset"], message["count"], fallback=False
            )
        except asyncio.SendfileNotAvailableError:
            # The client has gone, or it isn't a disk that does this.
            data = await asyncio.to_thread(os.pread, lying.fileno(), message["count"], message["offset"])
            self.transport.write(data)
            count = len(data)
        except (ConnectionError, RuntimeError) as error:
            log.debug("client_left", error=str(error))
        finally:
            # A client that has gone, a file that is shorter, nobody who wants the rest: the connection's end
            # tells that it isn't whole. Cancelled, asyncio leaves it in a state that nothing else ends.
            if count < message["count"]:
                self.transport.abort()

    def _watch(self) -> None:
        is_awaited = self.conn.their_state in (h11.IDLE, h11.SEND_BODY) and not self.transport.is_closing()
        if not is_awaited:
            self._unwatch()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_S, self.transport.close)

    def _unwatch(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None
