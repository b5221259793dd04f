"""One connection's clock: when it gives up waiting, and how deep its pipeline grows."""

import selectors
import socket
from collections.abc import Iterator

import pytest

from services.downloader.source import Urgency
from services.downloader.usenet.connection import DEPTH_MAX, DEPTH_START, Connection
from services.downloader.usenet.lanes import Article
from services.downloader.usenet.servers import Server


class Peer:
    """A connection and the other end of it, in one thread."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        port = self.listener.getsockname()[1]
        server = Server(host="127.0.0.1", port=port, tls=False)
        self.connection = Connection(server, (socket.AF_INET, ("127.0.0.1", port)), None, now=100.0)
        self.socket, _ = self.listener.accept()

    def greet(self, now: float) -> None:
        self._step(selectors.EVENT_WRITE, now)
        self.answer(b"200 hello\r\n", now)

    def answer(self, data: bytes, now: float) -> list[int]:
        self.socket.sendall(data)
        return self._step(selectors.EVENT_READ, now)

    def ask(self, slot: int, now: float) -> None:
        self.connection.ask(Article(0, slot, f"{slot}@x", Urgency.FILL), now)

    def close(self) -> None:
        self.connection.close()
        self.socket.close()
        self.listener.close()

    def _step(self, event: int, now: float) -> list[int]:
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection.fileno, event)
            assert selector.select(5)
        if event == selectors.EVENT_WRITE:
            self.connection.on_writable(now)
            return []
        return [article.slot for article, _ in self.connection.on_readable(now)]


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


def test_it_must_be_ready_within_ten_seconds(peer: Peer):
    assert peer.connection.overdue(109.9) is None
    assert "within 10 s" in str(peer.connection.overdue(110.0))
    peer.greet(109.0)
    assert peer.connection.ready
    assert peer.connection.overdue(1_000.0) is None


def test_a_silent_server_is_given_up_after_twenty_seconds(peer: Peer):
    peer.greet(100.0)
    peer.ask(0, 200.0)
    assert peer.connection.overdue(219.9) is None
    assert peer.answer(b"222 0 <0@x>\r\n", 215.0) == []
    assert peer.connection.overdue(234.9) is None
    assert "no answer for 20 s" in str(peer.connection.overdue(235.0))


def test_a_dripping_server_is_given_up_too(peer: Peer):
    peer.greet(100.0)
    peer.ask(0, 200.0)
    peer.answer(b"222 0 <0@x>\r\n", 200.0)
    for second in range(210, 380, 10):
        peer.answer(b"x", second)
        assert peer.connection.overdue(second) is None
    peer.answer(b"x", 379.0)
    assert peer.connection.overdue(380.0) is not None


def test_answers_come_in_the_order_of_asking(peer: Peer):
    peer.greet(100.0)
    for slot in range(3):
        peer.ask(slot, 100.0)
    assert peer.answer(b"430 no\r\n222 0 <1@x>\r\n.\r\n430 no", 100.1) == [0, 1]
    assert peer.answer(b"\r\n", 100.2) == [2]
    assert peer.socket.recv(100) == b"BODY <0@x>\r\nBODY <1@x>\r\nBODY <2@x>\r\n"


@pytest.mark.parametrize(("latency_s", "depth"), [(0.001, DEPTH_START), (0.19, 5), (5.0, DEPTH_MAX)])
def test_the_pipeline_is_as_deep_as_the_way_is_long(latency_s: float, depth: int, peer: Peer):
    now = 100.0
    peer.greet(now)
    assert peer.connection.depth == DEPTH_START
    for slot in range(30):
        peer.ask(slot, now)
    now += latency_s
    for _ in range(30):
        peer.answer(b"430 no\r\n", now)
        now += 0.05
    assert peer.connection.depth == depth
