"""The directory a repair works in: pieces of posted files and recovery blocks under names of our own.

No foreign name ever gets here. The description of the set is written anew with neutral names, and of the
recovery volumes only whole, proven recovery packets of this set are taken over; so whatever else a par2
file may hold, the par2 program does not see it.
"""

import hashlib
import mmap
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from services.downloader.source import HEAD_BYTES

from .packets import HEADER_BYTES, Kind, Par2File, Par2Set, description, packets
from .pieces import Piece

INDEX = "index.par2"
DATA = "data"


class Workshop:
    """`directory` must be new and empty; it is not removed here. All of it may raise OSError."""

    def __init__(self, directory: Path, par2: Par2Set, pieces: Sequence[Piece]) -> None:
        self.pieces = pieces
        self._directory = directory
        self._par2 = par2
        self._md5s_16k: dict[int, bytes] = {}
        self._given: dict[int, int] = {}
        """The inode of each piece as it was given: the program replaces what it makes anew."""
        (directory / DATA).mkdir()

    def path(self, number: int) -> Path:
        """Where the program sees this piece, and leaves it if it makes it."""
        return self._directory / DATA / f"{number:05}"

    def take_over(self, recovery: Iterable[Path]) -> int:
        """Begins the one par2 file with what the recovery volumes bring: how many different blocks that is.

        Raises `ArchiveRefused` for a volume that is an attack.
        """
        exponents: set[bytes] = set()
        with (self._directory / INDEX).open("wb") as index:
            for path in recovery:
                if path.stat().st_size:
                    self._take_over(path, index, exponents)
        return len(exponents)

    def give(self, number: int, offset: int, data: bytes) -> None:
        """Bytes of a piece, at their place in it; what it isn't given are zeros."""
        descriptor = os.open(self.path(number), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb", buffering=0) as opened:
            if number not in self._given:
                self._given[number] = os.fstat(descriptor).st_ino
                piece = self.pieces[number]
                os.truncate(descriptor, max(piece.size_bytes, piece.given[-1].end - piece.start))
            opened.seek(offset)
            opened.write(data)
        if not offset:
            head = data[:HEAD_BYTES].ljust(min(HEAD_BYTES, self._par2.slice_bytes), b"\0")
            self._md5s_16k[number] = hashlib.md5(head, usedforsecurity=False).digest()

    def describe(self) -> None:
        """Completes the par2 file, after everything has been given."""
        files = [self._described(number, piece) for number, piece in enumerate(self.pieces)]
        par2 = msgspec.structs.replace(self._par2, files={file.file_id: file for file in files})
        with (self._directory / INDEX).open("ab") as index:
            index.write(description(par2, [file.name for file in files]))

    def is_made(self, number: int) -> bool:
        """Whether the program has made this piece, and it is what the set protects."""
        piece, path = self.pieces[number], self.path(number)
        if not piece.size_bytes or not path.is_file():
            return False
        made = path.stat()
        if made.st_size != piece.size_bytes or made.st_ino == self._given.get(number):
            return False
        with path.open("rb") as opened:
            md5 = hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False))
        return md5.digest() == piece.md5

    def is_as_given(self, number: int) -> bool:
        """Whether the program was given this piece, and found it to be what the set protects."""
        path = self.path(number)
        return number in self._given and path.is_file() and path.stat().st_ino == self._given[number]

    def _described(self, number: int, piece: Piece) -> Par2File:
        return Par2File(
            file_id=number.to_bytes(16, "big"),
            name=f"{number:05}",
            size_bytes=piece.size_bytes,
            md5=piece.md5,
            md5_16k=piece.md5_16k or self._md5s_16k.get(number, bytes(16)),
            checksums=piece.checksums,
        )

    def _take_over(self, volume: Path, index: BinaryIO, exponents: set[bytes]) -> None:
        block_bytes = 4 + self._par2.slice_bytes
        with volume.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
            # A list, so that nothing looks into `data` any more when it is closed, whatever happens.
            for packet in list(packets(data)):
                exponent = data[packet.start : packet.start + 4]
                if (
                    packet.kind == Kind.RECOVERY
                    and packet.set_id == self._par2.set_id
                    and packet.end - packet.start == block_bytes
                    and exponent not in exponents
                ):
                    exponents.add(exponent)
                    index.write(data[packet.start - HEADER_BYTES : packet.end])
