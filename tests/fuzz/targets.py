"""What eats foreign bytes, each as a function of bytes: it returns, or raises what is a finding."""

import asyncio
import re
import selectors
import socket
import struct
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import msgspec
import sabctools

from libs.common.releases import explain
from libs.common.subtitles.cues import NoSubtitles
from libs.common.subtitles.reading import as_webvtt
from libs.sandbox.archives.names import Files
from services.downloader.archives.locks import Keyring
from services.downloader.archives.names import base_name
from services.downloader.archives.opening import open_release
from services.downloader.archives.parts import Part
from services.downloader.decrypted import Layers
from services.downloader.describe import describe
from services.downloader.errors import ArchiveRefused, NzbRefused, ReleaseError
from services.downloader.extents import Extent, VirtualFile
from services.downloader.media import timed_text
from services.downloader.repair.blocks import damaged_slices
from services.downloader.repair.packets import description, parse
from services.downloader.source import Span, Urgency
from services.downloader.usenet.articles import PartRefused, Parts, part_header
from services.downloader.usenet.connection import Connection, ConnectionFault
from services.downloader.usenet.lanes import Article
from services.downloader.usenet.nzb import NUMBER_MAX, parse_nzb
from services.downloader.usenet.servers import Server
from services.downloader.usenet.uuencoded import bare_part, is_uuencoded
from tests.fuzz import seeds
from tests.fuzz.seals import sealed
from tests.support.memory_source import MemorySource

FILES_MAX = 30
SLOTS = 8
SEALED = 1
_FILE = struct.Struct("<BBI")
_loop = asyncio.new_event_loop()


class Target(msgspec.Struct, frozen=True):
    run: Callable[[bytes], None]
    """Raises `Refused` with the reason if the input is refused as it should be."""
    seeds: Callable[[], Sequence[bytes]]


class Refused(Exception):
    """The input was refused in the way that is meant for it."""


def nzb(data: bytes) -> None:
    try:
        parsed = parse_nzb(data)
    except NzbRefused as refusal:
        raise Refused(str(refusal)) from None
    assert parsed.files
    for file in parsed.files:
        numbers = [segment.number for segment in file.segments]
        assert all(a < b for a, b in pairwise(numbers))
        assert numbers[0] > 0
        assert numbers[-1] <= NUMBER_MAX
        assert not any(c in s.message_id for s in file.segments for c in "<> \r\n")


def framed(files: Files) -> bytes:
    """Files as one input: each with its name and size, and whether its checksums are put right."""
    return b"".join(
        _FILE.pack(SEALED, len(name.encode()), len(data)) + name.encode() + data for name, data in files
    )


def unframed(data: bytes) -> Files:
    files: Files = []
    at = 0
    while at + _FILE.size <= len(data) and len(files) < FILES_MAX:
        seal, name_bytes, size = _FILE.unpack_from(data, at)
        at += _FILE.size
        name = data[at : at + name_bytes].decode("utf-8", "replace")
        content = data[at + name_bytes : at + name_bytes + size]
        at += name_bytes + size
        files.append((name, sealed(content) if seal & 1 else content))
    return files


def archives(data: bytes) -> None:
    """`open_release`: every file it finds has its bytes inside the posted ones."""
    _loop.run_until_complete(_open(unframed(data)))


async def _open(files: Files) -> None:
    source = MemorySource(files, Path(tempfile.gettempdir()))
    await source.open()
    posted = [
        Part(
            name=base_name(f.name),
            size_bytes=f.size_bytes,
            extents=[Extent(f.index, 0, f.size_bytes)],
            head=f.head,
        )
        for f in source.files
    ]
    try:
        release = await open_release(Layers(source, len(files)), posted, (), Keyring(["secret"]))
    except ReleaseError as refusal:
        raise Refused(str(refusal)) from None
    sizes = [len(content) for _, content in files]
    for part in release.parts:
        for extent in part.extents:
            # What has a higher number is decrypted; that it lies inside of its file, `Layers` sees to.
            assert extent.file >= len(sizes) or 0 <= extent.offset <= extent.end <= sizes[extent.file]
        assert part.size_bytes == VirtualFile(part.name, part.extents).size_bytes
        assert "/" not in part.name
    if release.troubles:
        raise Refused(" ".join(str(trouble.error) for trouble in release.troubles))


def releases(data: bytes) -> None:
    """`describe`, which reads par2 and chooses: the film can be read as it is told."""
    _loop.run_until_complete(_describe(unframed(data)))


async def _describe(files: Files) -> None:
    source = MemorySource(files, Path(tempfile.gettempdir()))
    await source.open()
    try:
        found = await describe(source, keyring=Keyring(["secret"]))
    except ReleaseError as refusal:
        raise Refused(str(refusal)) from None
    film = found.film
    assert len(await film.read(source, 0, film.size_bytes, Urgency.FILL)) == film.size_bytes > 0


def par2(data: bytes) -> None:
    try:
        read = parse(sealed(data))
    except ArchiveRefused as refusal:
        raise Refused(str(refusal)) from None
    for file in read.files.values():
        assert damaged_slices(file, read.slice_bytes, [Span(0, file.size_bytes)]) <= 32768
        assert len(file.slice_crcs) <= 32768
    assert parse(description(read, [str(n) for n in range(len(read.files))])).slice_bytes == read.slice_bytes


def parts(data: bytes) -> None:
    """Answers to BODY: whatever they hold, parts stay inside their file and beside each other."""
    known = Parts(range(SLOTS))
    reasons: list[str] = []
    for slot, response in enumerate(_decoded(data)):
        try:
            if is_uuencoded(response):
                bare = bare_part(response)
                span, size = known.place_bare(slot, bare.length, begins=bare.begins, ends=bare.ends)
            else:
                header = part_header(response)
                span, size = known.place(slot, header), header.file_bytes
        except PartRefused as refusal:
            reasons.append(str(refusal))
            continue
        assert response.data is not None
        assert len(response.data) == span.length > 0
        known.record(slot, span, size)
    landed = [span for slot in range(SLOTS) if (span := known.landed(slot))]
    assert all(before.end <= after.start for before, after in pairwise(landed))
    assert known.size_bytes is None or all(span.end <= known.size_bytes for span in landed)
    assert all(gap.start < gap.end for gap in known.gaps(1))
    known.survey()
    known.absent([1])
    known.needed(Span(0, known.size_bytes or 9))
    if reasons:
        raise Refused(" ".join(reasons))


def _decoded(data: bytes) -> list[sabctools.NNTPResponse]:
    decoder = sabctools.Decoder(64 * 1024)
    for slot in range(SLOTS):
        decoder.expect(slot)
    found: list[sabctools.NNTPResponse] = []
    for at in range(0, len(data), 8192):
        piece = data[at : at + 8192]
        view = memoryview(decoder)
        if view.nbytes < len(piece):
            break
        view[: len(piece)] = piece
        view.release()
        try:
            decoder.process(len(piece))
        except (BufferError, ValueError):
            break
        found.extend(decoder)
    return found[:SLOTS]


def nntp(data: bytes) -> None:
    """A whole conversation, of which the server's side is the input: the connection answers or ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = Server(host="127.0.0.1", port=port, tls=False, username="bob", password="hunter2")
        connection = Connection(server, (socket.AF_INET, ("127.0.0.1", port)), None, now=0.0)
        peer, _ = listener.accept()
    with peer, closing(connection):
        told = str(_end_of(connection, peer, data))
    assert "hunter2" not in told
    assert told.isprintable()
    if told != "the server closed the connection":
        raise Refused(told)


def _end_of(connection: Connection, peer: socket.socket, data: bytes) -> ConnectionFault | None:
    try:
        _converse(connection, peer, data)
    except ConnectionFault as fault:
        return fault
    return None


def _converse(connection: Connection, peer: socket.socket, data: bytes) -> None:
    """A line is said for each that is awaited until the connection is ready, then all the rest at once."""
    lines = data.splitlines(keepends=True)
    _wait(connection, selectors.EVENT_WRITE)
    connection.on_writable(0.0)
    while lines and not connection.ready:
        peer.sendall(lines.pop(0))
        _wait(connection, selectors.EVENT_READ)
        assert list(connection.on_readable(1.0)) == []
    for slot in range(SLOTS if connection.ready else 0):
        connection.ask(Article(0, slot, f"{slot}@x", Urgency.FILL), 2.0)
    peer.sendall(b"".join(lines))
    peer.shutdown(socket.SHUT_WR)
    while _wait(connection, selectors.EVENT_READ):
        for article, response in connection.on_readable(3.0):
            assert response.context is article


def _wait(connection: Connection, event: int) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(connection.fileno, event)
        return bool(selector.select(1.0))


_MARKUP = re.compile(r"</?(?:i|b|u|ruby|rt|c)(?:\.[a-z_]+)*>")


def subtitles(data: bytes) -> None:
    """A file as it is, and the same bytes as packets of a film."""
    _read_only(timed_text.marked(data).text)
    try:
        vtt = as_webvtt(data)
    except NoSubtitles as refusal:
        raise Refused(str(refusal)) from None
    for block in vtt.split("\n\n")[1:]:
        timing, text = block.split("\n", 1)
        assert timing.count(" --> ") == 1
        _read_only(text)


def _read_only(text: str) -> None:
    left = _MARKUP.sub("", text)
    assert "<" not in left
    assert ">" not in left
    assert "\n\n" not in text


def release_names(data: bytes) -> None:
    """`explain`: whatever it says was read in the name."""
    name = data.decode(errors="replace")
    reading = explain(name)
    assert all(0 <= start < end <= len(name) for places in reading.spans.values() for start, end in places)
    assert len(reading.release.episodes) <= 200


TARGETS: dict[str, Target] = {
    "nzb": Target(nzb, seeds.nzbs),
    "archives": Target(archives, lambda: [framed(files) for files in seeds.forms()]),
    "releases": Target(releases, lambda: [framed(files) for files in seeds.protected()]),
    "par2": Target(par2, seeds.recovery),
    "parts": Target(parts, seeds.bodies),
    "nntp": Target(nntp, seeds.conversations),
    "subtitles": Target(subtitles, seeds.subtitles),
    "names": Target(release_names, seeds.release_names),
}
