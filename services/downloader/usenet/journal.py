"""What a spool holds, on disk beside it: so that an instance that was killed need not be begun anew.

One record for each article that was checked and written, in order; a torn one at the end counts for nothing.
Nothing in it is believed but as a hint: whoever resumes checks every article's bytes against its CRC-32.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

JOURNAL: Final = "journal"
PLACES: Final = "places.json"
_LENGTH_BYTES: Final = 2
_JOURNAL_BYTES_MAX: Final = 256 << 20
"""Some two million articles: 1.5 TB of film."""


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One article that was checked and written."""

    file: int
    slot: int
    start: int
    length: int
    file_bytes: int
    crc: int | None
    """None if the article has no checksum: then it isn't noted."""
    name: str = ""
    """What the part's header called the file; told with a file's first record."""


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Posted bytes `start` to `end` of a file lie in the film from `at` on."""

    file: int
    start: int
    end: int
    at: int


class Journal:
    """Written by the engine's thread; before `begin` nothing is. Raises `OSError`, as the disk says."""

    def __init__(self, directory: Path, release: str) -> None:
        """`release`: what the records are about; those of another release are dropped."""
        self._path = directory / JOURNAL
        self._places = directory / PLACES
        self._release = release.encode()
        self._descriptor = -1

    def records(self) -> list[Record]:
        """What an earlier instance wrote, if it was of this release."""
        with suppress(FileNotFoundError, msgspec.DecodeError):
            if self._path.stat().st_size <= _JOURNAL_BYTES_MAX:
                blocks = _split(self._path.read_bytes())
                if next(blocks, None) == self._release:
                    return [_DECODER.decode(record) for record in blocks]
        return []

    def places(self) -> list[Place]:
        """How an earlier instance laid the film out; empty if it didn't."""
        with suppress(FileNotFoundError, msgspec.DecodeError):
            return msgspec.json.decode(self._places.read_bytes(), type=list[Place])
        return []

    def begin(self, records: Iterable[Record], places: Sequence[Place]) -> None:
        """Anew, for this release: with these, if there are any."""
        self.close()
        self._places.unlink(missing_ok=True)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._append(self._release)
        for record in records:
            self.note(record)
        if places:
            self.lay_out(places)

    def note(self, record: Record) -> None:
        if self._descriptor >= 0 and record.crc is not None:
            self._append(_ENCODER.encode(record))

    def lay_out(self, places: Sequence[Place]) -> None:
        draft = self._places.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(places))
        draft.replace(self._places)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _append(self, data: bytes) -> None:
        # A record is far below a page: it is written as a whole or, on a full disk, cut at the end.
        os.write(self._descriptor, len(data).to_bytes(_LENGTH_BYTES, "big") + data)


def _split(data: bytes) -> Iterator[bytes]:
    at = 0
    while at + _LENGTH_BYTES <= len(data):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(data[at:start], "big")
        if at <= len(data):
            yield data[start:at]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Record)
