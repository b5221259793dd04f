"""A news server: RFC 3977 (reading by message-id) with RFC 4643 log-in, TLS from the first byte or none."""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import SupportsIndex

from libs.sandbox.faults import Counters, FaultSwitch
from libs.sandbox.posts import Article, ArticleIndex

COMMAND_MAX_BYTES = 1024
"""RFC 3977 §3.1 allows 512; a longer line is refused and the connection closed."""
CONNECTIONS_MAX = 100
IDLE_TIMEOUT_S = 300
SEND_BUFFER_BYTES = 4 << 20
"""A whole article fits the kernel's buffer, so that the loop seldom keeps what it could not send."""
WRITE_HIGH_WATER_BYTES = 1 << 20
THROTTLE_STEPS_PER_S = 20
ARTICLE_COMMANDS = ("ARTICLE", "BODY")
CAPABILITIES = ("VERSION 2", "READER", "AUTHINFO USER", "IMPLEMENTATION matinee-sandbox")


class NewsServer:
    """Serves the articles of an index to those who know the user name and the password."""

    def __init__(
        self, articles: ArticleIndex, faults: FaultSwitch, counters: Counters, *, username: str, password: str
    ) -> None:
        self.articles = articles
        self.faults = faults
        self.counters = counters
        self._credentials = (username, password)
        self._sessions: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None) -> int:
        """Listens, and gives the port: `port`, or a free one for 0."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: asyncio.StreamReaderProtocol(_TimedReader(), self._serve, loop),
            host,
            port,
            ssl=tls,
            backlog=256,
        )
        return self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stops listening and cuts every connection."""
        if self._server is not None:
            self._server.close()
        for session in self._sessions:
            session.cancel()
        if self._sessions:
            await asyncio.wait(self._sessions)

    def accepts(self, username: str, password: str) -> bool:
        refused = self.faults.current.nntp.refuse_credentials
        return not refused and (username, password) == self._credentials

    def _full(self) -> bool:
        limit = self.faults.current.nntp.max_connections
        return len(self._sessions) > (CONNECTIONS_MAX if limit is None else limit)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert isinstance(reader, _TimedReader)  # noqa: S101 - `start` makes no other
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio calls this as a task
        self._sessions.add(task)
        self.counters.nntp["connections"] += 1
        try:
            if self._full():
                self.counters.nntp["refused"] += 1
                writer.write(b"502 too many connections\r\n")
                await writer.drain()
            else:
                await _Session(self, reader, writer).run()
        except (ConnectionError, ssl.SSLError, TimeoutError, asyncio.IncompleteReadError):
            # The peer left, or said nothing for too long: nobody is there to be told.
            writer.transport.abort()
        except asyncio.CancelledError:
            # Only close() cancels a session; asyncio would report the cancellation as an error.
            writer.transport.abort()
        finally:
            self._sessions.discard(task)
            writer.close()


class _TimedReader(asyncio.StreamReader):
    """Remembers when each line came, however late it is read."""

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        super().__init__(limit=COMMAND_MAX_BYTES, loop=asyncio.get_running_loop())
        self._arrivals: deque[float] = deque()

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        came = bytes(data)
        self._arrivals.extend([self._clock()] * came.count(b"\n"))
        super().feed_data(came)

    async def line(self) -> tuple[bytes, float]:
        """The next one, and the loop's time at which it came."""
        line = await self.readuntil(b"\n")
        return line, self._arrivals.popleft()


class _Session:
    """One connection: commands are answered in the order in which they come."""

    def __init__(self, server: NewsServer, reader: _TimedReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._username: str | None = None
        self._authenticated = False
        self._bodies = 0
        self._commands: dict[str, Callable[[str], bytes]] = {
            "CAPABILITIES": self._capabilities,
            "AUTHINFO": self._authinfo,
            "MODE": self._mode,
            "DATE": self._date,
            "GROUP": self._group,
            "STAT": self._stat,
            "HEAD": self._head,
            "QUIT": self._quit,
        }

    async def run(self) -> None:
        self._writer.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER_BYTES)
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._writer.write(b"200 matinee sandbox ready, posting prohibited\r\n")
        while not self._writer.is_closing():
            try:
                async with asyncio.timeout(IDLE_TIMEOUT_S):
                    line, came_at = await self._reader.line()
            except asyncio.LimitOverrunError:
                self._writer.write(b"501 line too long\r\n")
                return
            await self._travel(came_at)
            await self._answer(line.decode("utf-8", "replace").strip())
            await self._writer.drain()

    async def _travel(self, came_at: float) -> None:
        rtt_ms = self._server.faults.current.nntp.rtt_ms
        if rtt_ms:
            await asyncio.sleep(came_at + rtt_ms / 1000 - asyncio.get_running_loop().time())

    async def _answer(self, line: str) -> None:
        verb, _, argument = line.partition(" ")
        verb = verb.upper()
        faults = self._server.faults.current.nntp
        known = verb in self._commands or verb in ARTICLE_COMMANDS
        self._server.counters.nntp[verb if known else "unknown"] += 1
        if faults.delay_ms:
            await asyncio.sleep(faults.delay_ms / 1000)
        if verb in ARTICLE_COMMANDS:
            await self._send_article(verb, argument)
        elif command := self._commands.get(verb):
            self._writer.write(command(argument.strip()))
        else:
            self._writer.write(b"500 unknown command\r\n")
        if verb == "QUIT":
            self._writer.close()

    async def _send_article(self, verb: str, argument: str) -> None:
        article = self._find(argument)
        if isinstance(article, bytes):
            self._writer.write(article)
            return
        try:
            body = article.body(corrupt=self._is_corrupt(article))
        except FileNotFoundError:
            # Whoever posted the file took it away since: the article has expired.
            self._writer.write(b"430 no such article\r\n")
            return
        head = article.head() + b"\r\n" if verb == "ARTICLE" else b""
        status = f"{220 if verb == 'ARTICLE' else 222} 0 <{article.message_id}>\r\n".encode()
        answer = b"".join((status, head, *body, b".\r\n"))
        self._bodies += 1
        faults = self._server.faults.current.nntp
        if faults.drop_every and self._bodies % faults.drop_every == 0:
            self._writer.write(answer[: len(answer) // 2])
            self._writer.close()
            return
        self._server.counters.articles[article.message_id] += 1
        self._server.counters.nntp["bytes"] += len(answer)
        await self._send(answer, faults.bytes_per_s)

    async def _send(self, answer: bytes, bytes_per_s: int | None) -> None:
        if bytes_per_s is None:
            self._writer.write(answer)
            return
        step = max(1, bytes_per_s // THROTTLE_STEPS_PER_S)
        clock = asyncio.get_running_loop().time
        due = clock()
        for start in range(0, len(answer), step):
            self._writer.write(answer[start : start + step])
            due += step / bytes_per_s
            await self._writer.drain()
            await asyncio.sleep(due - clock())

    def _find(self, argument: str) -> Article | bytes:
        """The article, or the answer that says why there is none (RFC 3977 §6.2)."""
        if not self._authenticated:
            return b"480 authentication required\r\n"
        argument = argument.strip()
        if not argument.startswith("<"):
            return b"412 no newsgroup selected: ask by message-id\r\n"
        article = self._server.articles.get(argument.strip("<>"))
        if article is None or self._is_missing(article):
            return b"430 no such article\r\n"
        return article

    def _is_missing(self, article: Article) -> bool:
        faults = self._server.faults.current.nntp
        every = faults.missing_every.get(article.release)
        return article.message_id in faults.missing or (every is not None and article.part % every == 0)

    def _is_corrupt(self, article: Article) -> bool:
        faults = self._server.faults.current.nntp
        every = faults.corrupt_every.get(article.release)
        return article.message_id in faults.corrupt or (every is not None and article.part % every == 0)

    def _stat(self, argument: str) -> bytes:
        faults = self._server.faults.current.nntp
        if faults.refuse_stat:
            return b"500 unknown command\r\n"
        article = self._find(argument)
        if not isinstance(article, bytes) and article.message_id in faults.stat_lies:
            return b"430 no such article\r\n"
        return article if isinstance(article, bytes) else f"223 0 <{article.message_id}>\r\n".encode()

    def _head(self, argument: str) -> bytes:
        article = self._find(argument)
        if isinstance(article, bytes):
            return article
        return f"221 0 <{article.message_id}>\r\n".encode() + article.head() + b".\r\n"

    def _capabilities(self, _: str) -> bytes:
        lines = ("101 capability list follows", *CAPABILITIES, ".")
        return "".join(f"{line}\r\n" for line in lines).encode()

    def _authinfo(self, argument: str) -> bytes:
        kind, _, value = argument.partition(" ")
        if self._authenticated:
            return b"502 already authenticated\r\n"
        if kind.upper() == "USER" and value:
            self._username = value
            return b"381 password required\r\n"
        if kind.upper() != "PASS" or not value:
            return b"501 syntax error\r\n"
        if self._username is None:
            return b"482 user name first\r\n"
        self._authenticated = self._server.accepts(self._username, value)
        return b"281 welcome\r\n" if self._authenticated else b"481 wrong user name or password\r\n"

    def _mode(self, argument: str) -> bytes:
        return b"201 posting prohibited\r\n" if argument.upper() == "READER" else b"501 syntax error\r\n"

    def _date(self, _: str) -> bytes:
        return f"111 {datetime.now(UTC):%Y%m%d%H%M%S}\r\n".encode()

    def _group(self, argument: str) -> bytes:
        if not self._authenticated:
            return b"480 authentication required\r\n"
        return f"211 1000000 1 1000000 {argument}\r\n".encode() if argument else b"501 syntax error\r\n"

    def _quit(self, _: str) -> bytes:
        return b"205 goodbye\r\n"
