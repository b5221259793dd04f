"""The spool: posted files as sparse files, named by their number and never by what a poster called them.

Once it is known which posted bytes make up the film, those lie in one file as the film itself, and only what
is around them in a posted file of its own: to publish the film is then a rename. A journal beside them tells
an instance that comes after a dead one what is there.
"""

import os
from collections import OrderedDict, defaultdict
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final
from zlib import crc32

import msgspec

from libs.common.ranges import Lying
from services.downloader.errors import ScratchFull
from services.downloader.extents import Extent, Ranges, VirtualFile
from services.downloader.source import Layout, Span
from services.downloader.usenet.articles import FILE_BYTES_MAX
from services.downloader.usenet.journal import Journal, Place, Record

OPEN_FILES_MAX: Final = 64
"""Posted files kept open for writing; a release may have thousands, a process 1024 descriptors."""
COPY_BYTES: Final = 1024 * 1024


class _Piece(msgspec.Struct, frozen=True):
    """`length` posted bytes, and where they lie."""

    film: int | None
    """The film's descriptor; None: they are in the posted file."""
    at: int
    length: int


class _Laid(msgspec.Struct, frozen=True):
    """The film as a file, and its descriptor."""

    film: Layout
    descriptor: int


class Spool:
    """Articles are written by one thread; everything else may be called on any."""

    def __init__(self, directory: Path, release: str) -> None:
        """Makes the directory. `release`: what is kept here. Raises `ScratchFull` if that can't be done."""
        self._directory = directory
        self._journal = Journal(directory, release)
        self._writers: OrderedDict[int, int] = OrderedDict()
        self._laid: _Laid | None = None
        self._put_aside: list[int] = []
        self._is_settled = False
        # Held while an article is written, so that none slips past the laying out.
        self._lock = Lock()
        self._written: defaultdict[int, Ranges] = defaultdict(Ranges)
        """What has come before the film was laid out."""
        with self._translated():
            directory.mkdir(parents=True, exist_ok=True)

    def resume(self) -> list[Record]:
        """What an earlier instance left here of this release, read again and found good; first of all.

        Raises `ScratchFull`.
        """
        with self._translated(), self._lock:
            records = self._journal.records()
            places = self._journal.places() if records else []
            if not records:
                self._clear()
            if places:
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
                self._laid = _Laid(_film_of(places), os.open(self.film_path, flags, 0o600))
            good = [record for record in records if self._is_good(record)]
            self._journal.begin(good, places)
            for record in good:
                self._written[record.file].add(record.start, record.start + record.length)
            return good

    def path(self, file: int) -> Path:
        """The posted file, without those of its bytes that are laid out as the film."""
        return self._directory / f"{file:04d}.bin"

    @property
    def film_path(self) -> Path:
        return self._directory / "film.bin"

    def write(self, record: Record, data: bytes | bytearray) -> None:
        """All of a checked article's data, at its place. Raises `ScratchFull`."""
        view = memoryview(data)
        with self._translated(), self._lock:
            for piece in self._pieces(record.file, Span(record.start, record.start + record.length)):
                descriptor = (
                    self._writer(record.file, record.file_bytes) if piece.film is None else piece.film
                )
                _write(descriptor, view[: piece.length], piece.at)
                view = view[piece.length :]
            if not self._is_settled:
                self._written[record.file].add(record.start, record.start + record.length)
            self._journal.note(record)

    def read(self, file: int, offset: int, length: int) -> bytes:
        """These bytes, or as many as the file has. Raises `ScratchFull` if the disk fails."""
        with self._translated():
            pieces = list(self._pieces(file, Span(offset, offset + length)))
            in_film = [os.pread(p.film, p.length, p.at) for p in pieces if p.film is not None]
            if len(in_film) == len(pieces):
                read = in_film
                return read[0] if len(read) == 1 else b"".join(read)
            with self.path(file).open("rb", buffering=0) as opened:
                posted = opened.fileno()
                return b"".join(
                    os.pread(posted if p.film is None else p.film, p.length, p.at) for p in pieces
                )

    def lying(self, file: int, offset: int, length: int) -> Lying | None:
        """Where in the film these bytes lie together, if they do."""
        match list(self._pieces(file, Span(offset, offset + length))):
            case [_Piece(film=int() as film, at=at)]:
                if hasattr(os, "posix_fadvise"):
                    # Whoever sends it must not wait for a disk.
                    os.posix_fadvise(film, at, length, os.POSIX_FADV_WILLNEED)
                return Lying(descriptor=film, offset=at, length=length)
            case _:
                return None

    def lay_out(self, film: Layout, files: Iterable[int]) -> None:
        """From now on the film's bytes lie in a file of their own; those that are here go there. Once.

        `files`: those of which the film may have bytes.
        """
        with self._translated(), self._lock:
            places = _places_of(film, files)
            if self._laid is None or places != self._journal.places():
                self._lay_out(film)
                self._journal.lay_out(places)
            self._is_settled = True
            self._written.clear()

    def _lay_out(self, film: Layout) -> None:
        if (laid := self._laid) is not None:
            # An earlier instance took something else for the film.
            for file, ranges in self._written.items():
                self._writer(file, 0)
                for span in ranges:
                    self._copy(laid, file, span, to_film=False)
            # Whoever reads finds everything in the posted files meanwhile.
            self._laid = None
            self._put_aside.append(laid.descriptor)
        # Never written over: it may be a posted file under another name.
        self.film_path.unlink(missing_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        laid = _Laid(film, os.open(self.film_path, flags, 0o600))
        os.truncate(laid.descriptor, film.size_bytes)
        for file, ranges in self._written.items():
            for span in ranges:
                self._copy(laid, file, span, to_film=True)
        self._laid = laid

    def mend(self, file: int, start: int, data: bytes) -> None:
        """Bytes that no article brought, or not as they should be, at their place."""
        view, span = memoryview(data), Span(start, start + len(data))
        with self._translated(), self._lock:
            for piece in self._pieces(file, span):
                descriptor = self._writer(file, 0) if piece.film is None else piece.film
                _write(descriptor, view[: piece.length], piece.at)
                view = view[piece.length :]
            if not self._is_settled:
                self._written[file].add(span.start, span.end)

    def complete(self, file: int, file_bytes: int) -> None:
        """Make sure that the posted file is there and has its size, whatever was written."""
        with self._translated(), self.path(file).open("ab") as appender:
            os.truncate(appender.fileno(), file_bytes)

    def close(self) -> None:
        with self._lock:
            self._journal.close()
            while self._writers:
                _, writer = self._writers.popitem()
                os.close(writer)
            for descriptor in (*self._put_aside, *([self._laid.descriptor] if self._laid else [])):
                os.close(descriptor)
            self._laid = None
            self._put_aside.clear()

    def _clear(self) -> None:
        for path in self._directory.iterdir():
            path.unlink()

    def _is_good(self, record: Record) -> bool:
        try:
            data = self.read(record.file, record.start, record.length)
        except ScratchFull:
            return False
        return len(data) == record.length and crc32(data) == record.crc

    def _pieces(self, file: int, span: Span) -> Iterator[_Piece]:
        """All of the span in order."""
        at = span.start
        # Once: another layout may take its place at any time.
        if (laid := self._laid) is not None:
            for start, posted in laid.film.places(file, span):
                if at < posted.start:
                    yield _Piece(None, at, posted.start - at)
                yield _Piece(laid.descriptor, start, posted.length)
                at = posted.end
        if at < span.end:
            yield _Piece(None, at, span.end - at)

    def _copy(self, laid: _Laid, file: int, span: Span, *, to_film: bool) -> None:
        with self.path(file).open("r+b", buffering=0) as opened:
            for start, posted in laid.film.places(file, span):
                ends = (opened.fileno(), posted.start), (laid.descriptor, start)
                source, target = ends if to_film else reversed(ends)
                for done in range(0, posted.length, COPY_BYTES):
                    length = min(COPY_BYTES, posted.length - done)
                    data = os.pread(source[0], length, source[1] + done)
                    _write(target[0], memoryview(data), target[1] + done)

    def _writer(self, file: int, file_bytes: int) -> int:
        writer = self._writers.get(file)
        if writer is not None:
            self._writers.move_to_end(file)
            return writer
        if len(self._writers) >= OPEN_FILES_MAX:
            os.close(self._writers.popitem(last=False)[1])
        writer = os.open(self.path(file), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._writers[file] = writer
        if os.fstat(writer).st_size < file_bytes:
            os.truncate(writer, file_bytes)
        return writer

    @contextmanager
    def _translated(self) -> Generator[None]:
        """Raises `ScratchFull` for whatever the disk says."""
        try:
            yield
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise ScratchFull(
                f"the scratch disk at {self._directory} can't take the download ({why}); "
                "free some space there"
            ) from error


def _places_of(film: Layout, files: Iterable[int]) -> list[Place]:
    return [
        Place(file, posted.start, posted.end, at)
        for file in files
        for at, posted in film.places(file, Span(0, FILE_BYTES_MAX))
    ]


def _film_of(places: Iterable[Place]) -> VirtualFile:
    in_order = sorted(places, key=lambda place: place.at)
    return VirtualFile("film", [Extent(p.file, p.start, p.end - p.start) for p in in_order])


def _write(descriptor: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written
