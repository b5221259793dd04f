"""RAR 4 headers: against rarfile as the independent reader, and against bytes no packer writes."""

import struct
import zlib
from pathlib import Path
from typing import Any, cast

import pytest
import rarfile
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.sandbox.archives import rar4 as made
from services.downloader.archives import rar4
from services.downloader.archives.locks import Keyring
from services.downloader.archives.reading import MAX_BLOCKS
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


async def walked(data: bytes) -> rar4.Headers:
    return await rar4.walk(Reads(data), len(data), Keyring())


FILES = [("film.mkv", bytes(range(256)) * 20), ("Sample/sample.mkv", b"short"), ("Ünïcode.nfo", b"x")]


async def test_the_entries_are_those_rarfile_sees(tmp_path: Path):
    data = made.archive(FILES)
    (tmp_path / "a.rar").write_bytes(data)
    headers = await walked(data)

    with rarfile.RarFile(tmp_path / "a.rar") as independent:
        members = cast(list[Any], independent.infolist())  # rarfile has no types
        seen = [(m.filename, m.file_size, m.compress_size, m.CRC) for m in members]
        contents = [cast(bytes, independent.read(m)) for m in members]
    assert [(e.name, e.size_bytes, e.packed_bytes, e.crc) for e in headers.entries] == seen
    assert [data[e.offset : e.offset + e.packed_bytes] for e in headers.entries] == contents
    assert all(e.stored and not e.encrypted and not e.directory and not e.link for e in headers.entries)
    assert (headers.number, headers.is_volume, headers.is_last) == (None, False, True)


@pytest.mark.parametrize("new_naming", [True, False])
async def test_volumes_are_those_rarfile_sees(tmp_path: Path, new_naming: bool):
    volumes = made.volumes(FILES, 1500, new_naming=new_naming)
    names = [f"a.part{n + 1}.rar" if new_naming else f"a.r{n - 1:02}" for n in range(len(volumes))]
    names[0] = names[0] if new_naming else "a.rar"
    for name, data in zip(names, volumes, strict=True):
        (tmp_path / name).write_bytes(data)
    walks = [await walked(data) for data in volumes]

    with rarfile.RarFile(tmp_path / names[0]) as independent:
        listed = cast(list[str], independent.volumelist())
        assert [Path(name).name for name in listed] == names
        assert cast(bytes, independent.read("film.mkv")) == FILES[0][1]
    assert [headers.is_first for headers in walks] == [True, False, False, False]
    assert [headers.is_last for headers in walks] == [False, False, False, True]
    assert {headers.new_naming for headers in walks} == {new_naming}
    numbers = [
        await rar4.number_at_end(Reads(data), len(data), headers, Keyring())
        for data, headers in zip(volumes, walks, strict=True)
    ]
    assert numbers == [0, 1, 2, 3]


async def test_a_volume_of_an_old_packer_has_no_number():
    data = made.volumes(FILES, 1500, tells=False)[1]
    assert await rar4.number_at_end(Reads(data), len(data), await walked(data), Keyring()) is None


async def test_data_are_never_read():
    reads = Reads(made.volumes([("film.mkv", bytes(1_000_000))], 500_000)[0])
    headers = await rar4.walk(reads, len(reads.data), Keyring())
    assert sum(length for _, length in reads.asked) < 2000
    await rar4.number_at_end(reads, len(reads.data), headers, Keyring())
    assert sum(length for _, length in reads.asked) < 3000


async def test_sizes_beyond_four_gigabytes():
    whole = made.entry("film.mkv", b"part", 5 << 32, after=True)
    (entry,) = (await walked(made.SIGNATURE + made.main(0) + whole)).entries
    assert (entry.size_bytes, entry.packed_bytes) == (5 << 32, 4)


async def test_a_header_longer_than_the_first_read_is_read_whole():
    name = "x" * 5000
    assert [e.name for e in (await walked(made.archive([(name, b"data")]))).entries] == [name]


async def test_service_and_old_blocks_are_passed_over():
    data = made.SIGNATURE + made.main() + made.entry("CMT", b"hello", kind=0x7A)
    data += made.block(0x78, 0x8000, struct.pack("<I", 3) + bytes(19), b"abc")
    headers = await walked(data + made.entry("film.mkv", b"film") + made.end())
    assert [entry.name for entry in headers.entries] == ["film.mkv"]


COMMENTED_MAIN = struct.pack("<BHH", 0x73, 2, 20) + bytes(6)


async def test_a_main_header_may_have_an_old_comment():
    head = struct.pack("<H", zlib.crc32(COMMENTED_MAIN) & 0xFFFF) + COMMENTED_MAIN + b"comment"
    headers = await walked(made.SIGNATURE + head + made.entry("film.mkv", b"film"))
    assert len(headers.entries) == 1


def packed_name(plain: bytes, packed: bytes) -> bytes:
    return plain + b"\x00" + packed


@pytest.mark.parametrize(
    "name",
    [
        packed_name(b"f.mkv", b"\x04\x55\x30\x31\x32\x33"),  # four with the common high byte
        packed_name(b"f??.mkv", b"\x00\x0bf?\xe9\x20\x02"),  # low, low, both, and a run
        packed_name(b"abcdef", b"\x04\xc0\x81\x05"),  # a run, corrected
        packed_name(b"abcdef", b"\x04\xc0\xff\x05"),  # a run beyond the name
        packed_name(b"abcdef", b"\x04\xc0\x02"),
        packed_name(b"abcdef", b"\x00\xb0\xe9\x20\x01"),
    ],
)
async def test_packed_unicode_names_are_those_rarfile_sees(tmp_path: Path, name: bytes):
    data = made.SIGNATURE + made.main() + made.entry(name, b"x", flags=made.UNICODE) + made.end()
    (tmp_path / "a.rar").write_bytes(data)
    with rarfile.RarFile(tmp_path / "a.rar") as independent:
        seen = cast(list[str], independent.namelist())
    assert [entry.name for entry in (await walked(data)).entries] == seen


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (made.entry("a", b"x", method=0x33), ("stored", False)),
        (made.entry("a", b"x", flags=4), ("encrypted", True)),
        (made.entry("a", b"", attributes=0xA1FF), ("link", True)),
        (made.entry("a", b"", attributes=0xA1FF, host=2), ("link", False)),
        (made.entry("a", b"", flags=0xE0), ("directory", True)),
        (made.entry("a", b"x", flags=0xC0), ("directory", False)),
        (made.entry("a", b"x", before=True), ("split_before", True)),
        (made.entry("a", b"x", after=True), ("split_after", True)),
        (made.entry("a\x00b", b"x"), ("name", "a")),
        (made.entry(b"\xff\xfe", b"x"), ("name", "\ufffd\ufffd")),
    ],
)
async def test_what_an_entry_says_of_itself(entry: bytes, field: tuple[str, object]):
    headers = await walked(made.SIGNATURE + made.main() + entry)
    assert getattr(headers.entries[0], field[0]) == field[1]


GOOD = made.SIGNATURE + made.main()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "isn't one"),
        (b"Rar!", "isn't one"),
        (b"MZ" + bytes(100), "isn't one"),
        (made.SIGNATURE, "no main header"),
        (made.SIGNATURE + made.entry("film.mkv", b"film"), "no main header"),
        (made.SIGNATURE + b"\x00" + made.main()[1:], "checksum"),
        (GOOD[:-1], "outside of its volume"),
        (GOOD + struct.pack("<HBHH", 0, 0x74, 0, 6), "ends too soon"),
        (GOOD + made.block(0x74, 0x8000, bytes(8)), "ends too soon"),
        (GOOD + made.block(0x70, 0x8000, bytes(3)), "ends too soon"),
        (GOOD + made.block(0x7B, 8, b"\x00"), "ends too soon"),
        (GOOD + made.entry("a", b"x")[:-1], "data reach outside"),
        (GOOD + made.entry("a", b"x", 0xFFFFFFFF), "how large"),
        (GOOD + made.entry("a", b"x", (1 << 64) - 1), "how large"),
        (GOOD + made.entry("a", b"x", 1 << 60), "how large"),
        (GOOD + made.entry("a" * 9000, b"x"), "name of 9000 bytes"),
        (GOOD + made.block(0x7A, 0, bytes(29)) * 10_001, "more than 10000 blocks"),
    ],
)
async def test_broken_and_lying_archives_are_refused(data: bytes, says: str):
    with pytest.raises(ArchiveRefused, match=says):
        await walked(data)


async def test_encrypted_headers_are_said():
    with pytest.raises(NoFilm, match="encrypted"):
        await walked(made.SIGNATURE + made.main(flags=0x80) + bytes(64))


@settings(deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=60), st.booleans())
async def test_any_bytes_are_walked_or_refused(tail: bytes, name: bytes, large: bool):
    await walked_or_refused(tail)
    await walked_or_refused(GOOD + tail)
    await walked_or_refused(GOOD + made.entry(name, b"x", flags=made.UNICODE, large=large) + tail)
    for kind in (0x73, 0x74, 0x7A, 0x7B):
        flags = int.from_bytes(tail[:2], "little")
        await walked_or_refused(GOOD + made.block(kind, flags, tail[2:]))


SEED = made.volumes(FILES, 1500)[3]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(SEED) - 1), st.integers(0, 255)), min_size=1, max_size=8))
async def test_mutated_archives_are_walked_or_refused(edits: list[tuple[int, int]]):
    changed = bytearray(SEED)
    for at, value in edits:
        changed[at] = value
    await walked_or_refused(bytes(changed))


async def walked_or_refused(data: bytes) -> None:
    """The promise of `walk`: entries inside the volume or one of our errors, in a bounded number of reads."""
    reads = Reads(data)
    try:
        headers = await rar4.walk(reads, len(data), Keyring())
        await rar4.number_at_end(reads, len(data), headers, Keyring())
    except (ArchiveRefused, NoFilm):
        return
    assert len(reads.asked) <= 4 * MAX_BLOCKS
    for entry in headers.entries:
        assert 0 <= entry.offset <= entry.offset + entry.packed_bytes <= len(data)
