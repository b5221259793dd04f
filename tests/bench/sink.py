"""The floor: a client that only receives and discards the bodies of a list of articles.

    python -m tests.bench.sink HOST PORT CA USERNAME CONNECTIONS DEPTH < message-ids

Prints one line of JSON: seconds from the first connection to the last byte, and bytes on the wire. The
password comes in the variable SINK_PASSWORD. One thread, big reads, no decoding: what any client must do at
least.
"""

import json
import os
import selectors
import socket
import ssl
import sys
import time
from collections import deque

import sabctools

READ_BYTES = 1 << 20
END = b"\r\n.\r\n"


class Connection:
    def __init__(self, host: str, port: int, context: ssl.SSLContext, username: str, password: str) -> None:
        raw = socket.create_connection((host, port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(raw, server_hostname=host)
        self._line()
        for command in (f"AUTHINFO USER {username}", f"AUTHINFO PASS {password}"):
            self.socket.sendall(command.encode() + b"\r\n")
            self._line()
        self.socket.setblocking(False)
        self.waiting = 0
        self.tail = b""

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\r\n"):
            line += self.socket.recv(1)
        return line

    def ask(self, todo: deque[bytes], depth: int) -> None:
        ask = [todo.popleft() for _ in range(min(depth - self.waiting, len(todo)))]
        if ask:
            self.socket.sendall(b"".join(b"BODY <%s>\r\n" % message_id for message_id in ask))
            self.waiting += len(ask)


def drain(connection: Connection, buffer: bytearray) -> tuple[int, int]:
    """What can be read now: bytes, and how many bodies ended."""
    total = ended = 0
    while True:
        try:
            received = sabctools.unlocked_ssl_recv_into(connection.socket, memoryview(buffer))
        except ssl.SSLWantReadError:
            return total, ended
        if not received:
            raise OSError("the server closed the connection")
        total += received
        seam = connection.tail + bytes(buffer[: min(4, received)])
        ended += seam.count(END) + buffer.count(END, 0, received)
        connection.tail = (connection.tail + bytes(buffer[max(0, received - 4) : received]))[-4:]


def main() -> None:
    host, port, ca, username, connections, depth = sys.argv[1:]
    context = ssl.create_default_context(cafile=ca)
    todo = deque(line.strip().encode() for line in sys.stdin)
    left, total, buffer = len(todo), 0, bytearray(READ_BYTES)
    started = time.perf_counter()
    selector = selectors.DefaultSelector()
    for _ in range(int(connections)):
        connection = Connection(host, int(port), context, username, os.environ["SINK_PASSWORD"])
        connection.ask(todo, int(depth))
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    while left:
        for key, _ in selector.select():
            received, ended = drain(key.data, buffer)
            total += received
            left -= ended
            key.data.waiting -= ended
            key.data.ask(todo, int(depth))
    print(json.dumps({"seconds": time.perf_counter() - started, "wire_bytes": total}))


if __name__ == "__main__":
    main()
