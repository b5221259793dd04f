"""A news server that lies: it sends whatever bytes a test gives it."""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager

from sabctools import yenc_encode

from services.downloader.usenet.nzb import Nzb, NzbFile, Segment
from services.downloader.usenet.servers import Server


def body(
    data: bytes,
    *,
    number: int = 1,
    total: int = 1,
    begin: int = 0,
    file_bytes: int | None = None,
    name: str = "film.mkv",
    crc: int | None = None,
    yend: bool = True,
) -> bytes:
    """A yEnc article body with its closing dot; `begin`, `file_bytes`, `crc` and `yend` may be untrue."""
    encoded, true_crc = yenc_encode(data)
    stuffed = (b"\r\n" + encoded).replace(b"\r\n.", b"\r\n..")[2:]
    size = len(data) if file_bytes is None else file_bytes
    checksum = true_crc & 0xFFFFFFFF if crc is None else crc
    head = f"=ybegin line=128 size={size} name={name}\r\n"
    if total > 1:
        head = f"=ybegin part={number} total={total} line=128 size={size} name={name}\r\n"
        head += f"=ypart begin={begin + 1} end={begin + len(data)}\r\n"
    which = "pcrc32" if total > 1 else "crc32"
    end = f"=yend size={len(data)} part={number} {which}={checksum:08x}\r\n" if yend else ""
    return head.encode() + stuffed + b"\r\n" + end.encode() + b".\r\n"


class Post:
    """Files cut into parts: their NZB, and the true body of each article by message-id."""

    def __init__(self, files: Mapping[str, bytes], part_bytes: int) -> None:
        self.files = dict(files)
        self.bodies: dict[str, bytes] = {}
        posted = [self._post(index, name, part_bytes) for index, name in enumerate(files)]
        self.nzb = Nzb(title="A post", passwords=(), files=tuple(posted))

    def message_id(self, file: int, slot: int) -> str:
        return f"{file}.{slot}@test.invalid"

    def _post(self, index: int, name: str, part_bytes: int) -> NzbFile:
        data = self.files[name]
        parts = [data[start : start + part_bytes] for start in range(0, len(data), part_bytes)]
        segments: list[Segment] = []
        for slot, part in enumerate(parts):
            message_id = self.message_id(index, slot)
            place = {"number": slot + 1, "total": len(parts), "begin": slot * part_bytes}
            self.bodies[message_id] = body(part, file_bytes=len(data), name=name, **place)
            segments.append(Segment(slot + 1, len(part), message_id))
        return NzbFile(
            subject=f'"{name}" yEnc (1/{len(parts)})', poster="", date=0, groups=(), segments=tuple(segments)
        )


class Liar:
    """Answers BODY from `answers` (whole responses, by message-id) or 430. Use it as a context manager."""

    def __init__(self, bodies: Mapping[str, bytes], *, tls: ssl.SSLContext | None = None) -> None:
        self.answers = {name: b"222 0 <%s>\r\n%s" % (name.encode(), whole) for name, whole in bodies.items()}
        self.greeting = b"200 ready\r\n"
        self.log_in: Callable[[str], bytes] = lambda line: (
            b"281 ok\r\n" if "PASS" in line else b"381 more\r\n"
        )
        self.connections_max = 100
        self.cut_after: set[str] = set()
        """Message-ids after whose answer the connection is closed."""
        self.hang_up_at: set[str] = set()
        """Message-ids in the middle of whose answer the connection ends without TLS's goodbye, once each."""
        self.cut_every: int | None = None
        """In the middle of each so many-th body the connection ends."""
        self.says_before_closing: dict[str, bytes] = {}
        """Message-ids at which the connection ends with these words, once each."""
        self.stalled: set[str] = set()
        """Message-ids at which a connection goes silent for good, once each."""
        self.gate = asyncio.Event()
        """Nothing is answered to BODY until it is set."""
        self.gate.set()
        self.asked: list[str] = []
        self.served: Counter[str] = Counter()
        self.connections = 0
        self.open = 0
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self):
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def account(self, **changes: object) -> Server:
        known = {"host": "127.0.0.1", "port": self.port, "tls": self._tls is not None, "connections": 4}
        return Server(**(known | changes))  # pyright: ignore[reportArgumentType]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        try:
            if self.open > self.connections_max:
                writer.write(b"502 too many connections\r\n")
            else:
                writer.write(self.greeting)
                while line := (await reader.readline()).decode().strip():
                    await self._answer(line, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, line: str, writer: asyncio.StreamWriter) -> None:
        if line.startswith("AUTHINFO"):
            writer.write(self.log_in(line))
            return
        message_id = line.partition(" ")[2].strip("<>")
        self.asked.append(message_id)
        await self.gate.wait()
        answer = self.answers.get(message_id)
        if answer is not None and message_id not in self.hang_up_at:
            self.served[message_id] += 1
        if message_id in self.stalled:
            self.stalled.discard(message_id)
            await asyncio.Event().wait()
        if message_id in self.says_before_closing:
            writer.write(self.says_before_closing.pop(message_id))
            raise ConnectionAbortedError
        if self.cut_every and answer and self.served.total() % self.cut_every == 0:
            writer.write(answer[: len(answer) // 2])
            raise ConnectionAbortedError
        if message_id in self.hang_up_at:
            self.hang_up_at.discard(message_id)
            writer.write(answer[: len(answer) // 2])
            writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
            return
        writer.write(answer or b"430 no such article\r\n")
        await writer.drain()
        if message_id in self.cut_after:
            raise ConnectionAbortedError
