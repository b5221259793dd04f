"""Connections to our servers: how many there may be, and how long one may keep us waiting."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_S = 10.0
"""From the opening, or the last answer, until the whole next request is there; what we are sent is small."""
SERVED_MAX = 500
"""Connections of one server whose requests are answered; those of more are answered 503."""
CONNECTIONS_MAX = 800
"""Beyond it one is closed as it comes: a process may have 1,024 files open, and needs some for its work."""


class ImpatientConnection(H11Protocol):
    """HTTP/1.1 that nobody keeps open by saying nothing, or a request one byte at a time."""

    _deadline: asyncio.TimerHandle | None = None

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
