"""nntpd as the news server of one row, and the clients that do the least that can be done."""

import json
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx
import trustme

from .posts import Post
from .programs import build

HOST = "127.0.0.1"
DEPTH_NEAR, DEPTH_FAR = 4, 16
"""Requests in flight on each connection of the floor, without and with a round trip."""
RECEIVE_BYTES = 1 << 18
SINK_S = 60
MORE_THAN_STATUS = 200
"""So many bytes of an answer are its status line and the beginning of its body."""


@dataclass(frozen=True)
class Counts:
    """What nntpd saw."""

    articles: int
    last_at: float
    """When it began to send its last article, on the wall clock."""


class Newsroom:
    """The programs, and a certificate that every news server of the bench has."""

    def __init__(self, directory: Path) -> None:
        self.nntpd, self.sink = build("nntpd", directory), build("sink", directory)
        self.directory = directory
        authority = trustme.CA()
        self.ca_file, self.certificate = directory / "ca.pem", directory / "server.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        authority.issue_cert(HOST, "localhost").private_key_and_cert_chain_pem.write_to_path(
            str(self.certificate)
        )
        with socket.create_server((HOST, 0)) as probe:
            self.port = probe.getsockname()[1]


class NewsServer:
    """One post over TLS at a round trip; always on the newsroom's port. Use as a context manager."""

    def __init__(self, room: Newsroom, post: Post, *, rtt_ms: float = 0, missing: Path | None = None) -> None:
        self._room = room
        self._post = post
        self._rtt_ms = rtt_ms
        self._missing = missing
        self._count_file = room.directory / "counts.json"

    def __enter__(self) -> Self:
        self._post.warm()
        command = [self._room.nntpd, "--port", self._room.port, "--tls", self._room.certificate]
        command += ["--delay-ms", self._rtt_ms, "--count-file", self._count_file]
        command += ["--missing", self._missing] if self._missing else []
        self._process = subprocess.Popen(
            [*map(str, command), self._post.data, self._post.index], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        assert self._process.stdout.readline().strip() == str(self._room.port), "nntpd did not start"
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.stop()

    def stop(self) -> Counts:
        self._process.terminate()
        self._process.wait(10)
        counts = json.loads(self._count_file.read_text())
        return Counts(articles=counts["articles"], last_at=counts["t_last"])

    def sink(self, connections: int) -> float:
        """Seconds in which every article is received and discarded."""
        command = [self._room.sink, "--port", self._room.port, "--conns", connections, "--tls"]
        command += ["--depth", DEPTH_FAR if self._rtt_ms else DEPTH_NEAR, self._post.index]
        done = subprocess.run(
            [*map(str, command)], check=True, capture_output=True, text=True, timeout=SINK_S
        )
        return json.loads(done.stdout)["wall_s"]

    def bare_click(self, nzb_url: str) -> float:
        """Seconds to the film's first byte for who does nothing but the unavoidable, one after the other.

        The NZB (unread), a connection, the log-in, the first article of the first volume, the next one's
        first byte.
        """
        started = time.perf_counter()
        httpx.get(nzb_url).raise_for_status()
        line = BareLine(self._room)
        line.body(self._post.message_ids[0])
        line.body(self._post.message_ids[1], whole=False)
        took_s = time.perf_counter() - started
        line.close()
        return took_s

    def bare_articles(self, message_ids: list[str]) -> list[float]:
        """Seconds for each of these articles on a connection that is there."""
        line = BareLine(self._room)
        found: list[float] = []
        for message_id in message_ids:
            started = time.perf_counter()
            line.body(message_id)
            found.append(time.perf_counter() - started)
        line.close()
        return found


class BareLine:
    """One logged-in connection that decodes nothing."""

    def __init__(self, room: Newsroom) -> None:
        raw = socket.create_connection((HOST, room.port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = ssl.create_default_context(cafile=room.ca_file)
        self._socket = context.wrap_socket(raw, server_hostname=HOST)
        self._buffer = bytearray(RECEIVE_BYTES)
        self._answer(b"\r\n")
        for command in ("AUTHINFO USER bench", "AUTHINFO PASS bench"):
            self._socket.sendall(f"{command}\r\n".encode())
            self._answer(b"\r\n")

    def body(self, message_id: str, *, whole: bool = True) -> None:
        self._socket.sendall(f"BODY <{message_id}>\r\n".encode())
        self._answer(b"\r\n.\r\n" if whole else b"")

    def close(self) -> None:
        self._socket.close()

    def _answer(self, end: bytes) -> None:
        tail, total = b"\0", 0
        while not tail.endswith(end) or (not end and total < MORE_THAN_STATUS):
            received = self._socket.recv_into(self._buffer)
            if not received:
                raise OSError("the news server closed the connection")
            tail, total = tail[-4:] + self._buffer[max(0, received - 5) : received], total + received
