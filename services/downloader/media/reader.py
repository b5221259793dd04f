"""The film as a seekable file, read by HTTP ranges from the instance's play server.

Synchronous, and with a request of its own over a plain socket: the server is ours and on loopback, and what
reads here is started while somebody waits (`http.client` alone takes longer to import than to be replaced).
"""

import io
import socket
from collections import OrderedDict
from contextlib import suppress
from threading import Lock
from typing import Final

from libs.common.play import TOKEN_HEADER, URGENCY_HEADER
from services.downloader.media.messages import Show

BLOCK_BYTES: Final = 256 * 1024
CACHE_BYTES: Final = 64 << 20
"""Of all readers together: a segment's renditions lie interleaved, and are made one after the other."""
FIRST_WINDOW_BYTES: Final = 512 * 1024
WINDOW_BYTES: Final = 8 << 20
"""What one request asks for: little after a seek, then twice as much each time that all of it was wanted."""
HEADER_BYTES_MAX: Final = 16 * 1024
CONNECT_S: Final = 5.0


class ReadFailed(OSError):
    """The play server didn't give the bytes: the attempt is over, or nobody wants them any more."""


class ReadTooMuch(OSError):
    """More of the film was asked for than the reader may read."""


class Blocks:
    """The film's blocks that were read last, at most CACHE_BYTES of them. May be shared between threads."""

    def __init__(self) -> None:
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, index: int) -> bytes | None:
        with self._lock:
            if (block := self._blocks.get(index)) is not None:
                self._blocks.move_to_end(index)
            return block

    def put(self, index: int, block: bytes) -> None:
        with self._lock:
            self._blocks[index] = block
            while len(self._blocks) * BLOCK_BYTES > CACHE_BYTES:
                self._blocks.popitem(last=False)


class Line:
    """One connection to the play server, and the answer that is being read from it."""

    def __init__(self, film: Show, urgency: str) -> None:
        self._film = film
        self._urgency = urgency
        self._socket: socket.socket | None = None
        self._at = self._end = 0
        self._is_dropped = False

    def block(self, start: int, length: int, window: int) -> bytes:
        """These bytes; asks for `window` from `start` on, unless they are the next of what is asked for.

        Raises `ReadFailed`.
        """
        try:
            if self._socket is None or start != self._at or start + length > self._end:
                self._ask(start, min(start + window, self._film.size_bytes))
            data = self._received(length)
        except OSError as error:
            self.hang_up()
            if isinstance(error, ReadFailed):
                raise
            raise ReadFailed(f"the film can't be read ({error.strerror or error})") from error
        self._at += length
        return data

    @property
    def is_used_up(self) -> bool:
        """Whether all that was asked for has been read."""
        return self._at == self._end

    def drop(self) -> None:
        """Whoever reads now, on another thread, gets `ReadFailed`; and so does who reads later."""
        self._is_dropped = True
        if connection := self._socket:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def hang_up(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None
        self._at = self._end = 0

    def _ask(self, start: int, end: int) -> None:
        if not self.is_used_up:
            self.hang_up()
        is_kept = self._socket is not None
        try:
            self._request(start, end)
        except OSError:
            # The server hangs up on who is silent for long; it isn't told before one asks.
            if not is_kept or self._is_dropped:
                raise
            self.hang_up()
            self._request(start, end)
        self._at, self._end = start, end

    def _request(self, start: int, end: int) -> None:
        film = self._film
        if self._socket is None:
            self._socket = socket.create_connection((film.host, film.port), timeout=CONNECT_S)
            # How long bytes may take to come is the server's to know: it answers, or breaks off.
            self._socket.settimeout(None)
        if self._is_dropped:
            raise ReadFailed("nobody waits for it any more")
        self._socket.sendall(
            f"GET {film.path} HTTP/1.1\r\nhost: {film.host}\r\nrange: bytes={start}-{end - 1}\r\n"
            f"{TOKEN_HEADER}: {film.token}\r\n{URGENCY_HEADER}: {self._urgency}\r\n\r\n".encode()
        )
        self._expect_partial(self._header())

    def _header(self) -> bytes:
        """Byte by byte would be slow, and more than the header must not be taken: it is looked at first."""
        assert self._socket  # noqa: S101  (it has just been connected)
        header = b""
        while b"\r\n\r\n" not in header:
            seen = self._socket.recv(HEADER_BYTES_MAX, socket.MSG_PEEK)
            if not seen or len(header) > HEADER_BYTES_MAX:
                raise ReadFailed("the play server hung up")
            whole = header + seen
            end = whole.find(b"\r\n\r\n")
            taken = len(seen) if end < 0 else end + 4 - len(header)
            header += self._socket.recv(taken)
        return header

    def _expect_partial(self, header: bytes) -> None:
        status = header[:12].rpartition(b" ")[2]
        if status != b"206":
            raise ReadFailed(f"the play server answered {status.decode('latin-1')}")

    def _received(self, length: int) -> bytes:
        assert self._socket  # noqa: S101  (an answer is being read)
        data = bytearray(length)
        view = memoryview(data)
        while view:
            count = self._socket.recv_into(view)
            if not count:
                raise ReadFailed("the play server broke off: these bytes of the film can't be had")
            view = view[count:]
        return bytes(data)


class FilmReader(io.RawIOBase):
    """One reader's place in the film. Used by one thread; only `drop` may be called by others."""

    def __init__(self, film: Show, blocks: Blocks, urgency: str) -> None:
        """`urgency`: `player` or `fill`."""
        super().__init__()
        self.size_bytes = film.size_bytes
        self._blocks = blocks
        self._line = Line(film, urgency)
        self.may_read_bytes: int | None = None
        """How much more it may fetch; None: as much as there is."""
        self._place = 0
        self._window = FIRST_WINDOW_BYTES
        self._expected = -1

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.size_bytes}[whence]
        if base + offset < 0:
            raise ValueError(f"there is nothing at {base + offset}")
        self._place = base + offset
        return self._place

    def read(self, size: int = -1, /) -> bytes:
        """As many bytes as asked for, fewer only at the film's end. Raises `ReadFailed`, `ReadTooMuch`."""
        left = max(self.size_bytes - self._place, 0)
        wanted = left if size < 0 else min(size, left)
        pieces: list[bytes] = []
        while wanted:
            index, skip = divmod(self._place, BLOCK_BYTES)
            piece = self._block(index)[skip : skip + wanted]
            pieces.append(piece)
            self._place += len(piece)
            wanted -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def drop(self) -> None:
        """Breaks off what is being read, for good."""
        self._line.drop()

    def close(self) -> None:
        self._line.hang_up()
        super().close()

    def _block(self, index: int) -> bytes:
        if (block := self._blocks.get(index)) is not None:
            return block
        if self.may_read_bytes is not None:
            self.may_read_bytes -= BLOCK_BYTES
            if self.may_read_bytes < 0:
                raise ReadTooMuch("more of the film was asked for than may be read")
        start = index * BLOCK_BYTES
        if start != self._expected:
            self._window = FIRST_WINDOW_BYTES
        elif self._line.is_used_up:
            self._window = min(self._window * 2, WINDOW_BYTES)
        block = self._line.block(start, min(BLOCK_BYTES, self.size_bytes - start), self._window)
        self._expected = start + BLOCK_BYTES
        self._blocks.put(index, block)
        return block
