"""Zip archives: as Python's zipfile writes and reads them, and bytes no packer writes."""

import io
import struct
import zipfile
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.downloader.archives import zips
from services.downloader.archives.volumes import InnerFile
from services.downloader.errors import ArchiveRefused, NoFilm, ReleaseError

FILM = bytes(range(256)) * 20
FILES = [("Film/film.mkv", FILM), ("Film/Ünïcode.nfo", b"about"), ("empty.txt", b"")]


class Unseekable(io.BytesIO):
    """Makes zipfile write data descriptors, as it can't go back to the sizes."""

    def tell(self) -> int:
        raise OSError("this is a pipe")


def zipped(
    files: list[tuple[str, bytes]],
    *,
    method: int = 0,
    wide: bool = False,
    streamed: bool = False,
    comment: int = 0,
) -> bytes:
    out = Unseekable() if streamed else io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files:
            with archive.open(name, "w", force_zip64=wide) as member:
                member.write(data)
        archive.comment = bytes(comment)
    return out.getvalue()


async def opened(data: bytes) -> list[InnerFile]:
    async def read(offset: int, length: int) -> bytes:
        assert 0 <= offset <= offset + length <= len(data)
        return data[offset : offset + length]

    return await zips.zip_files(read, len(data))


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("comment", [0, 500, 1010, 0xFFFF])
async def test_stored_files_are_those_zipfile_sees(streamed: bool, wide: bool, comment: int):
    data = zipped(FILES, streamed=streamed, wide=wide, comment=comment)
    files = await opened(data)
    with zipfile.ZipFile(io.BytesIO(data)) as independent:
        members = [m for m in independent.infolist() if not m.is_dir()]
        seen = [(m.filename.rpartition("/")[2], m.file_size, m.CRC) for m in members]
        contents = [independent.read(m) for m in members]
    assert [(f.name, f.size_bytes, f.crc) for f in files] == seen
    assert [b"".join(data[e.offset : e.end] for e in f.extents) for f in files] == contents
    assert all(file.stored and not file.encrypted and file.format == "zip" for file in files)


async def test_deflated_files_have_no_extents():
    files = await opened(zipped(FILES, method=zipfile.ZIP_DEFLATED))
    assert [(f.name, f.stored, f.extents) for f in files[:1]] == [("film.mkv", False, [])]


async def test_directories_and_links_are_no_files():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.mkdir("Film")
        link = zipfile.ZipInfo("link.mkv")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert await opened(out.getvalue()) == []


async def test_the_directory_of_zip64():
    """As written for more than 65,535 files or beyond 4 GiB: made of a small one, for speed."""
    files = await opened(as_zip64(zipped(FILES)))
    assert [file.name for file in files] == ["film.mkv", "Ünïcode.nfo", "empty.txt"]


def as_zip64(data: bytes) -> bytes:
    body, end = data[:-22], data[-22:]
    _, _, _, count, _, size, offset, _ = struct.unpack("<4sHHHHIIH", end)
    assert offset + size == len(body)
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(body), 1)
    short = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    made = body + record + locator + short
    assert zipfile.ZipFile(io.BytesIO(made)).namelist() == [name for name, _ in FILES]
    return made


async def test_sizes_and_offset_beyond_four_gigabytes():
    """By a hand-made directory entry: all three come from the zip64 field, in their order."""
    size = 5 << 32
    extra = struct.pack("<HHQQQ", 1, 24, size, size, 7)
    central = struct.pack(
        "<4sHHHHHHIIIHHHHHII",
        b"PK\x01\x02",
        45,
        45,
        0,
        0,
        0,
        0,
        0,
        *[0xFFFFFFFF] * 2,
        1,
        28,
        0,
        0,
        0,
        0,
        0xFFFFFFFF,
    )
    central += b"f" + extra
    local = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 45, 0, 0, 0, 0, 0, *[0xFFFFFFFF] * 2, 1, 0) + b"f"
    end_at = 7 + len(local) + size + len(central)
    end64 = struct.pack(
        "<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, len(central), end_at - len(central)
    )
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end_at, 1)
    tail = central + end64 + locator + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, 0, 0xFFFFFFFF, 0)
    start = bytes(7) + local

    async def read(offset: int, length: int) -> bytes:
        if offset < len(start):
            return start[offset : offset + length].ljust(length, b"\x00")
        data = bytes(max(0, length)) + tail
        at = len(data) - (end_at - len(central) + len(tail) - offset)
        return data[at : at + length]

    (file,) = await zips.zip_files(read, end_at - len(central) + len(tail))
    assert (file.size_bytes, file.extents[0].offset, file.extents[0].length) == (size, 7 + len(local), size)


def edited(data: bytes, signature: bytes, at: int, value: bytes) -> bytes:
    """The last record of that signature, with other bytes at a place in it."""
    begin = data.rindex(signature) + at
    return data[:begin] + value + data[begin + len(value) :]


GOOD = zipped(FILES[:2])
assert b"PK\x07\x08" in zipped(FILES, streamed=True)
CENTRAL, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"


async def test_encrypted_files_are_told():
    assert [f.encrypted for f in await opened(edited(GOOD, CENTRAL, 8, b"\x01"))] == [False, True]


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"", ArchiveRefused, "has no end"),
        (b"PK\x03\x04" + bytes(9000), ArchiveRefused, "has no end"),
        (GOOD[:-1], ArchiveRefused, "has no end"),
        (edited(GOOD, END, 4, b"\x01"), NoFilm, "several disks"),
        (edited(GOOD, END, 8, b"\x01"), NoFilm, "several disks"),
        (edited(GOOD, END, 16, b"\x01"), ArchiveRefused, "not where it says"),
        (edited(GOOD, END, 12, b"\x01"), ArchiveRefused, "not where it says"),
        (edited(edited(GOOD, END, 8, b"\x03\x00\x03\x00"), END, 4, b""), ArchiveRefused, "ends too soon"),
        (edited(GOOD, END, 8, b"\xff\xff\xff\xff"), ArchiveRefused, "65535 files"),
        (edited(GOOD, CENTRAL, 0, b"PK\x01\x03"), ArchiveRefused, "directory is broken"),
        (edited(GOOD, CENTRAL, 28, b"\xff\xff"), ArchiveRefused, "directory is broken"),
        (edited(GOOD, CENTRAL, 34, b"\x05"), ArchiveRefused, "directory is broken"),
        (edited(GOOD, CENTRAL, 20, b"\xff\xff\xff\xff"), ArchiveRefused, "leaves out a size"),
        (edited(GOOD, CENTRAL, 24, b"\x99"), ArchiveRefused, "does not say how large"),
        (edited(GOOD, CENTRAL, 20, b"\x99\x00\x00\x00\x99"), ArchiveRefused, "overlap"),
        (edited(GOOD, CENTRAL, 42, bytes(4)), ArchiveRefused, "overlap"),
        (edited(GOOD, CENTRAL, 42, b"\xf0\xff\xff\x0f"), ArchiveRefused, "overlap"),
        (edited(GOOD, CENTRAL, 42, b"\x01\x00"), ArchiveRefused, "where it says it has"),
        (edited(GOOD, LOCAL, 8, b"\x08"), ArchiveRefused, "contradicts itself"),
        (edited(GOOD, LOCAL, 30, b"X"), ArchiveRefused, "contradicts itself"),
        (edited(GOOD, LOCAL, 28, b"\xff"), ArchiveRefused, "overlap"),
        (edited(as_zip64(zipped(FILES)), b"PK\x06\x07", 8, b"\xff" * 8), ArchiveRefused, "outside of it"),
        (edited(as_zip64(zipped(FILES)), b"PK\x06\x07", 8, bytes(8)), ArchiveRefused, "no zip64 record"),
    ],
)
async def test_broken_and_lying_archives_are_refused(data: bytes, error: type[ReleaseError], says: str):
    with pytest.raises(error, match=says):
        await opened(data)


SEEDS = [GOOD, zipped(FILES, streamed=True, wide=True), as_zip64(zipped(FILES))]


@settings(deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(1, 400), st.integers(0, 255)), min_size=1, max_size=8),
)
async def test_mutated_archives_are_read_or_refused(seed: bytes, edits: list[tuple[int, int]]):
    changed = bytearray(seed)
    for from_end, value in edits:
        changed[-from_end] = value
    await opened_or_refused(bytes(changed))


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 5), st.integers(0, 300), st.integers(0, 300))
async def test_random_directories_are_read_or_refused(junk: bytes, count: int, size: int, offset: int):
    await opened_or_refused(junk)
    end = struct.pack("<4sHHHHIIH", END, 0, 0, count, count, size, offset, 0)
    await opened_or_refused(junk + end)
    await opened_or_refused(CENTRAL + junk + end)
    await opened_or_refused(junk + struct.pack("<4sHHHHIIH", END, 0, 0, 1, 1, len(junk), 0, 0))


async def opened_or_refused(data: bytes) -> None:
    try:
        files = await opened(data)
    except (ArchiveRefused, NoFilm):
        return
    extents = sorted(e for file in files for e in file.extents)
    assert all(0 <= e.offset <= e.end <= len(data) for e in extents)
    assert all(one.end <= other.offset for one, other in pairwise(extents))
