"""RAR 5 headers: against rarfile as the independent reader, and against bytes no packer writes."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import rarfile
from hypothesis import given
from hypothesis import strategies as st

from libs.sandbox.archives import rar5 as made
from services.downloader.archives.locks import Keyring
from services.downloader.archives.rar import walk
from services.downloader.archives.reading import MAX_BLOCKS
from services.downloader.archives.volumes import Volume
from services.downloader.errors import ArchiveRefused, NoFilm


class Reads:
    """`read` over bytes; refuses what is outside, and remembers how much was asked for."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[tuple[int, int]] = []

    async def __call__(self, offset: int, length: int) -> bytes:
        assert offset >= 0
        assert length >= 0
        assert offset + length <= len(self.data)
        self.asked.append((offset, length))
        return self.data[offset : offset + length]


async def walked(data: bytes) -> Volume:
    return await walk(Reads(data), len(data), Keyring())


FILES = [("film.mkv", bytes(range(256)) * 20), ("Sample/sample.mkv", b"short"), ("film.nfo", b"")]


async def test_the_entries_are_those_rarfile_sees(tmp_path: Path):
    data = made.archive(FILES)
    (tmp_path / "a.rar").write_bytes(data)
    volume = await walked(data)

    with rarfile.RarFile(tmp_path / "a.rar") as independent:
        members = cast(list[Any], independent.infolist())  # rarfile has no types
        seen = [(m.filename, m.file_size, m.compress_size, m.CRC) for m in members]
        contents = [cast(bytes, independent.read(m)) for m in members]
    assert [(e.name, e.size_bytes, e.packed_bytes, e.crc) for e in volume.entries] == seen
    assert [data[e.offset : e.offset + e.packed_bytes] for e in volume.entries] == contents
    assert all(e.stored and not e.encrypted and not e.directory and not e.link for e in volume.entries)
    assert (volume.number, volume.is_volume, volume.is_last) == (0, False, True)


async def test_volumes_are_those_rarfile_sees(tmp_path: Path):
    volumes = made.volumes(FILES, 2000)
    for number, data in enumerate(volumes):
        (tmp_path / f"a.part{number + 1}.rar").write_bytes(data)
    walks = [await walked(data) for data in volumes]

    with rarfile.RarFile(tmp_path / "a.part1.rar") as independent:
        names = cast(list[str], independent.volumelist())
        assert [Path(name).name for name in names] == [f"a.part{v.number + 1}.rar" for v in walks]
        assert independent.getinfo("film.mkv").file_size == walks[0].entries[0].size_bytes
        assert walks[-1].entries[0].crc == independent.getinfo("film.mkv").CRC
    assert [v.is_last for v in walks] == [False, False, True]
    assert all(v.is_volume for v in walks)
    assert [(e.split_before, e.split_after) for v in walks for e in v.entries] == [
        (False, True),
        (True, True),
        (True, False),
        (False, False),
        (False, False),
    ]


async def test_data_are_never_read_and_nothing_after_a_part_that_goes_on():
    film = bytes(1_000_000)
    reads = Reads(made.volumes([("film.mkv", film)], 500_000)[0])

    await walk(reads, len(reads.data), Keyring())

    assert sum(length for _, length in reads.asked) < 2000
    assert max(offset + length for offset, length in reads.asked) < 2000


async def test_a_header_longer_than_the_first_read_is_read_whole():
    name = "x" * 5000
    volume = await walked(made.archive([(name, b"data")]))
    assert [entry.name for entry in volume.entries] == [name]


async def test_service_and_unknown_blocks_are_passed_over():
    data = made.SIGNATURE + made.main() + made.service("CMT", b"hello") + made.block(77, 4, b"?", b"data")
    volume = await walked(data + made.entry("film.mkv", b"film") + made.service("QO", b"quick") + made.end())
    assert [entry.name for entry in volume.entries] == ["film.mkv"]


async def test_an_archive_without_an_end_is_read_to_its_end():
    volume = await walked(made.SIGNATURE + made.main() + made.entry("film.mkv", b"film"))
    assert volume.is_last


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (made.entry("a", b"x", method=3), ("stored", False)),
        (made.entry("a", b"x", records=[made.EXTRA_ENCRYPTION]), ("encrypted", True)),
        (made.entry("a", b"", records=[made.EXTRA_LINK]), ("link", True)),
        (made.entry("a", b"", directory=True), ("directory", True)),
        (made.entry("a", b"x", before=True), ("split_before", True)),
        (made.entry("a", b"x", after=True), ("split_after", True)),
        (made.entry(b"\xff\xfe", b"x"), ("name", "\ufffd\ufffd")),
    ],
)
async def test_what_an_entry_says_of_itself(entry: bytes, field: tuple[str, object]):
    volume = await walked(made.SIGNATURE + made.main() + entry)
    assert getattr(volume.entries[0], field[0]) == field[1]


GOOD = made.SIGNATURE + made.main()
LYING_DATA = made.block(3, 2, b"")[:-1]


def with_header(header: bytes) -> bytes:
    """A block whose checksum is right, whatever its header says."""
    return GOOD + zlib.crc32(header).to_bytes(4, "little") + header


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "isn't one"),
        (b"Rar!", "isn't one"),
        (b"MZ" + bytes(100), "isn't one"),
        (made.SIGNATURE, "no main header"),
        (made.SIGNATURE + made.entry("film.mkv", b"film"), "no main header"),
        (GOOD[:-1], "outside of its volume"),
        (GOOD[:-1] + b"\xaa", "checksum"),
        (GOOD + b"\x00\x00", "ends too soon"),
        (GOOD + bytes(4) + b"\x80" * 20, "broken number"),
        (GOOD + bytes(4) + b"\xff\xff\xff\x7f", "outside of its volume"),
        (with_header(made.vint(3) + bytes([3, 2, 100])), "data reach outside"),
        (with_header(made.vint(3) + bytes([3, 1, 100])), "ends too soon"),
        (with_header(made.vint(2) + bytes([2, 0])), "broken number"),
        (GOOD + made.entry("a", b"x", records=[b""]), "broken number"),
        (GOOD + made.entry("a", b"x", size_unknown=True), "how large"),
        (GOOD + made.entry("a", b"x", 1 << 60), "how large"),
        (GOOD + made.entry("a" * 9000, b"x"), "name of 9000 bytes"),
        (GOOD + made.service("CMT", b"") * 10_001, "more than 10000 blocks"),
    ],
)
async def test_broken_and_lying_archives_are_refused(data: bytes, says: str):
    with pytest.raises(ArchiveRefused, match=says):
        await walked(data)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (made.SIGNATURE + made.block(4, 0, bytes(20)), "encrypted"),
    ],
)
async def test_what_cannot_be_opened_yet_says_so(data: bytes, says: str):
    with pytest.raises(NoFilm, match=says):
        await walked(data)


def mutate(data: bytes, edits: list[tuple[int, int]]) -> bytes:
    changed = bytearray(data)
    for at, value in edits:
        changed[at % len(changed)] = value
    return bytes(changed)


def mend_checksums(data: bytes) -> bytes:
    """Makes the first header's checksum right again, so that mutations get past it."""
    changed = bytearray(data)
    at = len(made.SIGNATURE)
    for _ in range(3):
        size = changed[at + 4] if at + 4 < len(changed) else 0
        if not 0 < size < 0x80 or at + 5 + size > len(changed):
            break
        changed[at : at + 4] = zlib.crc32(changed[at + 4 : at + 5 + size]).to_bytes(4, "little")
        at += 5 + size
    return bytes(changed)


edits = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=8)
SEED = (
    made.SIGNATURE
    + made.main(3)
    + made.service("CMT", b"")
    + made.entry("a/b.mkv", b"film", records=[made.EXTRA_ENCRYPTION])
)


@pytest.mark.parametrize("repair", [bytes, mend_checksums])
@given(edits=edits)
async def test_mutated_archives_are_walked_or_refused(
    repair: Callable[[bytes], bytes], edits: list[tuple[int, int]]
):
    await walked_or_refused(repair(mutate(SEED, edits)))


@given(st.binary(max_size=300))
async def test_random_bytes_are_walked_or_refused(tail: bytes):
    await walked_or_refused(tail)
    await walked_or_refused(GOOD + tail)
    await walked_or_refused(with_header(made.vint(len(tail)) + tail))


async def walked_or_refused(data: bytes) -> None:
    """The promise of `walk`: entries inside the volume or one of our errors, in a bounded number of reads."""
    reads = Reads(data)
    try:
        volume = await walk(reads, len(data), Keyring())
    except (ArchiveRefused, NoFilm):
        return
    assert len(reads.asked) <= 2 * MAX_BLOCKS
    for entry in volume.entries:
        assert 0 <= entry.offset <= entry.offset + entry.packed_bytes <= len(data)
