"""Encrypted files as if they weren't: what reads, counts or publishes a film need not know that it is one.

AES in CBC mode: each block of 16 bytes is decrypted with the stored block before it, so any range of a film
costs at most 46 stored bytes more than it has, and nothing before it is needed.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO

from cryptography.hazmat.primitives.ciphers import Cipher as Algorithm
from cryptography.hazmat.primitives.ciphers import algorithms, modes

from libs.common.ranges import Lying

from .extents import Extent, VirtualFile
from .source import Reads, Source, Span, Urgency

BLOCK_BYTES = 16
INLINE_BYTES = 256 * 1024 + 3 * BLOCK_BYTES
"""A player's chunk, and what it takes beside: decrypted on the event loop in 0.1 ms; more is on a thread."""
_PIECES_IN_A_ROW = 8
_PIECE_BYTES = 64 * 1024
"""Fits the processor's cache, which is faster than 8 MiB at once."""


class Cipher:
    """A key and the first block's IV. Says neither when it is printed."""

    __slots__ = ("_iv", "_key")

    def __init__(self, key: bytes, iv: bytes) -> None:
        """`key` of 16 or 32 bytes, `iv` of 16."""
        self._key = key
        self._iv = iv

    def with_iv(self, iv: bytes) -> "Cipher":
        return Cipher(self._key, iv)

    def decrypt(self, data: bytes | memoryview, before: bytes = b"") -> Iterator[bytes]:
        """The plain bytes of whole blocks, in pieces; `before` is the stored block before them, if any."""
        decryptor = Algorithm(algorithms.AES(self._key), modes.CBC(before or self._iv)).decryptor()
        view = memoryview(data)
        for at in range(0, len(view), _PIECE_BYTES):
            yield decryptor.update(view[at : at + _PIECE_BYTES])


class Decrypted:
    """The plain bytes of an encrypted file whose stored bytes are in `stored`, padded to whole blocks.

    Raises ValueError if `stored` is too short for that: parsers of foreign bytes must have refused it.
    """

    def __init__(self, stored: VirtualFile, cipher: Cipher, size_bytes: int) -> None:
        if stored.size_bytes < _up(size_bytes):
            raise ValueError(f"{stored.size_bytes} stored bytes are too few for {size_bytes}")
        self.stored = stored
        self.size_bytes = size_bytes
        self._cipher = cipher

    def spans(self, offset: int, length: int) -> list[Extent]:
        """The posted bytes that it takes to decrypt this range."""
        start, end = self._needed(offset, length)
        return self.stored.spans(start, end - start)

    def holding(self, file: int, span: Span) -> Iterator[Span]:
        """The ranges that can't be decrypted without those posted bytes."""
        for part in self.stored.holding(file, span):
            start, end = _down(part.start), min(_up(part.end) + BLOCK_BYTES, self.size_bytes)
            if start < end:
                yield Span(start, end)

    async def read(self, source: Reads, offset: int, length: int, urgency: Urgency) -> bytes:
        """Exactly these plain bytes. Raises what `Reads.read` raises, and ValueError for a range outside."""
        start, end = self._needed(offset, length)
        stored = await self.stored.read(source, start, end - start, urgency)
        skip = offset - start
        if len(stored) <= INLINE_BYTES:
            return self._plain(stored, skip, length)
        return await asyncio.to_thread(self._plain, stored, skip, length)

    def _needed(self, offset: int, length: int) -> tuple[int, int]:
        if offset < 0 or length < 0 or offset + length > self.size_bytes:
            raise ValueError(f"{offset}+{length} is not inside {self.size_bytes} bytes")
        return (max(_down(offset) - BLOCK_BYTES, 0), _up(offset + length)) if length else (offset, offset)

    def _plain(self, stored: bytes, skip: int, length: int) -> bytes:
        """`length` bytes, `skip` after the first of `stored`, which begins the file or a block too early."""
        before = b"" if skip < BLOCK_BYTES else stored[:BLOCK_BYTES]
        lead = skip - len(before)
        plain = BytesIO()
        pieces = self._cipher.decrypt(memoryview(stored)[len(before) :], before)
        for number, piece in enumerate(pieces, 1):
            plain.write(memoryview(piece)[lead:])
            lead = 0
            if number % _PIECES_IN_A_ROW == 0:
                # OpenSSL is called with the interpreter's lock held: let the event loop have it.
                time.sleep(0)
        plain.truncate(length)
        return plain.getvalue()


class Layers:
    """Posted files, and above them decrypted ones under numbers of their own.

    Who reads through it, and makes its files by `file`, can use both kinds alike: an archive within an
    encrypted one needs nothing more.
    """

    def __init__(self, posted: Reads, posted_files: int) -> None:
        self._posted = posted
        self._first = posted_files
        self._decrypted: dict[int, Decrypted] = {}

    def put(self, decrypted: Decrypted) -> Extent:
        """All of it, under its new number."""
        number = self._first + len(self._decrypted)
        self._decrypted[number] = decrypted
        return Extent(number, 0, decrypted.size_bytes)

    def file(self, name: str, extents: Iterable[Extent]) -> VirtualFile:
        """Made of posted and decrypted files; to be read from the source of the posted ones."""
        listed = list(extents)
        used = {e.file: self._decrypted[e.file] for e in listed if e.file in self._decrypted}
        return _Layered(name, listed, used) if used else VirtualFile(name, listed)

    def posted_files(self, files: Iterable[int]) -> set[int]:
        """The posted files among these, and those that the decrypted ones are made of."""
        found: set[int] = set()
        for file in files:
            one = self._decrypted.get(file)
            found |= {extent.file for extent in one.spans(0, one.size_bytes)} if one else {file}
        return found

    async def head(self, decrypted: Decrypted, length: int) -> bytes:
        """The first bytes of a file that isn't put in yet."""
        return await decrypted.read(self._posted, 0, length, Urgency.DESCRIBE)

    async def read(self, file: int, offset: int, length: int, urgency: Urgency) -> bytes:
        """See `Source.read`."""
        if decrypted := self._decrypted.get(file):
            return await decrypted.read(self._posted, offset, length, urgency)
        return await self._posted.read(file, offset, length, urgency)


class _Layered(VirtualFile):
    """Its extents may be of decrypted files; what it tells others is about posted ones only."""

    as_posted = False

    def __init__(self, name: str, extents: Iterable[Extent], decrypted: Mapping[int, Decrypted]) -> None:
        super().__init__(name, extents)
        self._decrypted = decrypted

    def spans(self, offset: int, length: int) -> list[Extent]:
        found: list[Extent] = []
        for extent in super().spans(offset, length):
            one = self._decrypted.get(extent.file)
            found += one.spans(extent.offset, extent.length) if one else [extent]
        return found

    def holding(self, file: int, span: Span) -> Iterator[Span]:
        yield from super().holding(file, span)
        for number, one in self._decrypted.items():
            for touched in one.holding(file, span):
                yield from super().holding(number, touched)

    async def read(self, source: Reads, offset: int, length: int, urgency: Urgency) -> bytes:
        pieces: list[bytes] = []
        for extent in super().spans(offset, length):
            one = self._decrypted.get(extent.file)
            pieces.append(
                await one.read(source, extent.offset, extent.length, urgency)
                if one
                else await source.read(extent.file, extent.offset, extent.length, urgency)
            )
        return b"".join(pieces)

    async def lying(self, source: Source, offset: int, length: int, urgency: Urgency) -> Lying | None:
        """Nowhere: it is decrypted as it is read."""


def _down(offset: int) -> int:
    return offset - offset % BLOCK_BYTES


def _up(offset: int) -> int:
    return -(-offset // BLOCK_BYTES) * BLOCK_BYTES
