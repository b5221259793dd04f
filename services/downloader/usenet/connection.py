"""One NNTP connection (RFC 3977, AUTHINFO of RFC 4643), as a state machine that a selector drives.

It never blocks and knows nothing of other connections: the pool tells it when its socket is ready, and gives
it articles to ask for. Requests are pipelined (RFC 3977 §3.5). Bytes go from the socket straight into the
decoder of sabctools; memory per connection is its buffer and one article of at most 10 MiB.
"""

import errno
import math
import os
import re
import selectors
import socket
import ssl
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from enum import IntEnum, auto
from typing import Final, cast

import sabctools

from services.downloader.usenet.lanes import Article, Inquiry
from services.downloader.usenet.servers import Server

DECODER_BYTES: Final = 256 * 1024
"""The decoder's buffer; larger ones were measured to bring nothing."""
RESPONSE_BYTES_MAX: Final = 12 * 1024 * 1024
"""A longer answer is no article: the decoder takes parts of 10 MiB at most."""
READS_PER_TURN: Final = 16
"""So that one fast connection doesn't starve the others: 4 MiB, then it's the next one's turn."""
READY_WITHIN_S: Final = 10.0
"""Connected, encrypted, greeted and logged in."""
STALL_S: Final = 20.0
"""Waiting for an answer without a single byte."""
INQUIRY_STALL_S: Final = 5.0
"""The same for the answer to a STAT: there is nothing to be sent but that it is there."""
ANSWER_WITHIN_S: Final = 180.0
"""One article, from the time it is next in line: drops a connection that only drips."""
DEPTH_START: Final = 2
DEPTH_MAX: Final = 12
"""Enough for 8 connections to bring 1 GB/s over a round trip of 50 ms."""

_ECHOED_ID = re.compile(r"<([^>]*)>")

Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


class ConnectionFault(Exception):
    """This connection is over. Its text is for a log or an error: no secrets."""


class Dropped(ConnectionFault):
    """The network's or the server's doing; another connection may work."""


class Stalled(Dropped):
    """The server has stopped to answer."""


class Garbled(Dropped):
    """The answer to the first article in flight broke the protocol."""


class Untrusted(ConnectionFault):
    """The certificate doesn't prove that this is the server."""


class Refused(ConnectionFault):
    """The server said no, to the connection rather than to an article."""

    def __init__(self, code: int, told: str) -> None:
        super().__init__(told)
        self.code = code


class _Phase(IntEnum):
    CONNECTING = auto()
    HANDSHAKE = auto()
    GREETING = auto()
    USER = auto()
    PASSWORD = auto()
    READY = auto()
    CLOSED = auto()


Asked = Article | Inquiry
Answer = tuple[Asked, sabctools.NNTPResponse]


class Connection:
    """Opens on construction. Any method may raise a `ConnectionFault`; then call `close` and forget it."""

    def __init__(self, server: Server, address: Address, trust: ssl.SSLContext | None, now: float) -> None:
        self.in_flight: deque[Asked] = deque()
        self.inquiries = 0
        """How many of those in flight are inquiries."""
        self.answered = 0
        self.idle_since = now
        self.depth = DEPTH_START
        self._server = server
        self._trust = trust
        self._decoder = sabctools.Decoder(DECODER_BYTES)
        self._outgoing = bytearray()
        self._phase = _Phase.CONNECTING
        self._write_wanted = True
        self._opened_at = now
        self._heard_at = now
        self._head_since = now
        self._answer_bytes = 0
        self._latency_s = 0.0
        self._service_s = 0.0
        self._asked_idle_at: float | None = None
        self._first_asked = False
        family, destination = address
        self._socket: socket.socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        error = self._socket.connect_ex(destination)
        if error not in {0, errno.EINPROGRESS}:
            self._socket.close()
            raise Dropped(os.strerror(error))
        self.fileno: Final = self._socket.fileno()
        """Stays the same when the socket is wrapped in TLS."""

    @property
    def ready(self) -> bool:
        return self._phase is _Phase.READY

    @property
    def bodies(self) -> int:
        """How many articles are in flight."""
        return len(self.in_flight) - self.inquiries

    @property
    def heard_at(self) -> float:
        """When a byte last came, or when it was asked while idle, on the monotonic clock."""
        return self._heard_at

    @property
    def events(self) -> int:
        """What to wait for, as a selector's mask."""
        if self._phase is _Phase.CONNECTING:
            return selectors.EVENT_WRITE
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self._write_wanted else 0)

    @property
    def has_unread(self) -> bool:
        """Bytes wait inside TLS, where a selector can't see them."""
        return isinstance(self._socket, ssl.SSLSocket) and self.ready and self._socket.pending() > 0

    def deadline(self) -> float | None:
        """When `overdue` will complain, on the monotonic clock; None while nothing is awaited."""
        if not self.ready:
            return self._opened_at + READY_WITHIN_S
        if not self.in_flight:
            return None
        stall_s = INQUIRY_STALL_S if isinstance(self.in_flight[0], Inquiry) else STALL_S
        return min(self._heard_at + stall_s, self._head_since + ANSWER_WITHIN_S)

    def overdue(self, now: float) -> Dropped | None:
        deadline = self.deadline()
        if deadline is None or now < deadline:
            return None
        if not self.ready:
            return Dropped(f"no working connection within {READY_WITHIN_S:.0f} s")
        return Stalled(f"no answer for {now - self._heard_at:.0f} s")

    def ask(self, article: Article, now: float) -> None:
        """Request an article's body. Its answer comes out of `on_readable`, in the order of asking."""
        self._expect(article, now)
        self._send(b"BODY <%s>\r\n" % article.message_id.encode("ascii"))

    def inquire(self, inquiries: Sequence[Inquiry], now: float) -> None:
        """Ask whether these are there; the answers come out of `on_readable` too."""
        for inquiry in inquiries:
            self._expect(inquiry, now)
        self.inquiries += len(inquiries)
        self._send(b"".join(b"STAT <%s>\r\n" % i.message_id.encode("ascii") for i in inquiries))

    def on_writable(self, now: float) -> None:
        if self._phase is _Phase.CONNECTING:
            self._connected(now)
        elif self._phase is _Phase.HANDSHAKE:
            self._shake_hands()
        else:
            self._flush()

    def on_readable(self, now: float) -> Iterator[Answer]:
        """Take in what has come, and yield each article's answer as it is complete."""
        if self._phase is _Phase.HANDSHAKE:
            self._shake_hands()
            return
        for _ in range(READS_PER_TURN):
            received = self._receive()
            if received == 0:
                break
            self._heard_at = now
            if self._asked_idle_at is not None:
                self._latency_s, self._asked_idle_at = now - self._asked_idle_at, None
            self._answer_bytes += received
            try:
                self._decoder.process(received)
            except (BufferError, ValueError) as error:
                raise Garbled("an article larger than any article is") from error
            for response in self._decoder:
                self._answer_bytes = 0
                yield from self._take(response, now)
            if self._answer_bytes > RESPONSE_BYTES_MAX:
                raise Garbled("an answer without end")
            # TLS is read until it has no more: its farewell may have come with the last bytes, and then a
            # server that waits for ours leaves nothing that a selector could see.
            if self._trust is None:
                break
        if self._outgoing:
            self._flush()

    def close(self) -> None:
        if self.ready and not self.in_flight:
            with suppress(OSError):
                self._socket.send(b"QUIT\r\n")
        self._phase = _Phase.CLOSED
        self._socket.close()

    def _expect(self, asked: Asked, now: float) -> None:
        if not self.in_flight:
            self._heard_at = self._head_since = self._asked_idle_at = now
            self._first_asked = True
        self.in_flight.append(asked)
        self._decoder.expect(asked)

    def _connected(self, now: float) -> None:
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise Dropped(os.strerror(error))
        self._latency_s = now - self._opened_at
        self._write_wanted = False
        if self._trust is None:
            self._phase = _Phase.GREETING
            return
        try:
            self._socket = self._trust.wrap_socket(
                self._socket, server_hostname=self._server.host, do_handshake_on_connect=False
            )
        except (OSError, ValueError) as error:
            raise Dropped("the connection broke before it was encrypted") from error
        self._phase = _Phase.HANDSHAKE
        self._shake_hands()

    def _shake_hands(self) -> None:
        self._write_wanted = False
        try:
            cast(ssl.SSLSocket, self._socket).do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLWantWriteError:
            self._write_wanted = True
            return
        except ssl.SSLCertVerificationError as error:
            raise Untrusted(error.verify_message) from error
        except OSError as error:
            raise Dropped(f"TLS failed: {error.strerror or 'connection closed'}") from error
        self._phase = _Phase.GREETING

    def _receive(self) -> int:
        """Bytes read into the decoder; 0 if there are none now."""
        try:
            if isinstance(self._socket, ssl.SSLSocket) and sabctools.openssl_linked:
                received = _receive_tls(self._socket, self._decoder)
            else:
                received = self._socket.recv_into(self._decoder)
        except (BlockingIOError, ssl.SSLWantReadError):
            return 0
        except ssl.SSLWantWriteError:
            self._write_wanted = True
            return 0
        except ValueError as error:
            raise Garbled("a line without end") from error
        except OSError as error:
            raise Dropped("the connection was lost") from error
        if received == 0 and not memoryview(self._decoder).nbytes:
            raise Garbled("a line without end")
        if received == 0:
            raise Dropped("the server closed the connection")
        return received

    @property
    def is_far(self) -> bool:
        """Whether a round trip takes longer than an article: then one request at a time is slow."""
        return self.depth > DEPTH_START

    def _take(self, response: sabctools.NNTPResponse, now: float) -> Iterator[Answer]:
        if self._phase is not _Phase.READY:
            self._log_in(response, now)
            return
        if not self.in_flight:
            raise Dropped(f"the server ended an idle connection: {self._told(response)}")
        asked = self.in_flight[0]
        if response.status_code == 400:
            raise Dropped(f"the server ended the connection: {self._told(response)}")
        # A server that refuses only to be asked by STAT may well give the article.
        if response.status_code in {480, 483, 502} and isinstance(asked, Article):
            raise Refused(response.status_code, self._told(response))
        echoed = _ECHOED_ID.search(status_line(response))
        if response.context is not asked or (echoed and echoed.group(1) != asked.message_id):
            raise Garbled("the answer belongs to another article")
        self.in_flight.popleft()
        self.answered += 1
        if isinstance(asked, Article):
            self._measure(now)
        else:
            self.inquiries -= 1
            self._head_since = self.idle_since = now
        yield asked, response

    def _measure(self, now: float) -> None:
        """Pipeline as many requests as articles' times on the wire fit into a round trip, and one more."""
        took_s = now - self._head_since
        if self._first_asked:
            # What came to an idle connection had a round trip in its time.
            self._first_asked = False
            took_s = max(took_s - self._latency_s, 0.001)
        self._service_s = took_s if self._service_s == 0 else 0.8 * self._service_s + 0.2 * took_s
        wanted = 1 + math.ceil(self._latency_s / max(self._service_s, 0.001))
        if self._service_s:
            self.depth = min(max(wanted, DEPTH_START), DEPTH_MAX)
        self._head_since = self.idle_since = now

    def _log_in(self, response: sabctools.NNTPResponse, now: float) -> None:
        code = response.status_code
        if self._phase is _Phase.GREETING and code in {200, 201}:
            if self._server.username is None:
                self._become_ready(now)
            else:
                self._phase = _Phase.USER
                self._send(f"AUTHINFO USER {self._server.username}\r\n".encode())
        elif self._phase is _Phase.USER and code == 381:
            self._phase = _Phase.PASSWORD
            self._send(f"AUTHINFO PASS {self._server.password or ''}\r\n".encode())
        elif self._phase in {_Phase.USER, _Phase.PASSWORD} and code == 281:
            self._become_ready(now)
        else:
            raise Refused(code, self._told(response))

    def _become_ready(self, now: float) -> None:
        self._phase = _Phase.READY
        self._heard_at = self.idle_since = now

    def _told(self, response: sabctools.NNTPResponse) -> str:
        return self._server.without_secrets(status_line(response) or "an answer that is none")

    def _send(self, command: bytes) -> None:
        self._outgoing += command
        self._flush()

    def _flush(self) -> None:
        self._write_wanted = False
        while self._outgoing:
            try:
                sent = self._socket.send(self._outgoing)
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._write_wanted = True
                return
            except ssl.SSLWantReadError:
                return
            except OSError as error:
                raise Dropped("the connection was lost while asking") from error
            del self._outgoing[:sent]


def status_line(response: sabctools.NNTPResponse) -> str:
    """An answer's first line, as it came; empty if it has none."""
    # Of an answer that begins with an empty line, sabctools' object lacks the attribute altogether.
    return getattr(response, "message", None) or ""


def _receive_tls(source: ssl.SSLSocket, decoder: sabctools.Decoder) -> int:
    # sabctools leaves OpenSSL's errors on the thread's queue, even if the read brought bytes as well. There
    # the next connection's harmless "want read" is taken for a fatal error: one counts only if it repeats.
    try:
        return sabctools.unlocked_ssl_recv_into(source, decoder)
    except ConnectionAbortedError:
        _clear_tls_errors()
    try:
        return sabctools.unlocked_ssl_recv_into(source, decoder)
    except ConnectionAbortedError:
        _clear_tls_errors()
        raise


def _clear_tls_errors() -> None:
    # The one call of Python's ssl module that does nothing but clear the queue when it fails.
    with suppress(ssl.SSLError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).set_ciphers("none")
