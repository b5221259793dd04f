"""7z headers: of archives as 7-Zip writes them, and of bytes no packer writes."""

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.sandbox.archives import sevenzip as made
from services.downloader.archives.sevenzip import sevenzip_files
from services.downloader.archives.volumes import InnerFile, NotPosted
from services.downloader.errors import ArchiveRefused, NoFilm, ReleaseError

FILM = bytes(range(256)) * 20
FILES = [("Film/film.mkv", FILM), ("Film/film.nfo", b"about")]


async def opened(data: bytes) -> list[InnerFile]:
    async def read(offset: int, length: int) -> bytes:
        assert 0 <= offset <= offset + length <= len(data)
        return data[offset : offset + length]

    return await sevenzip_files(read, len(data))


def bytes_of(file: InnerFile, data: bytes) -> bytes:
    return b"".join(data[extent.offset : extent.end] for extent in file.extents)


@pytest.mark.parametrize("header_coder", [None, made.COPY, made.LZMA1, made.LZMA2])
@pytest.mark.parametrize("folders", [[FILES], [FILES[:1], FILES[1:]], [FILES, FILES], [[*FILES, ("e", b"")]]])
async def test_copied_files(folders: list[list[tuple[str, bytes]]], header_coder: bytes | None):
    data = made.archive(folders, header_coder=header_coder)
    files = await opened(data)
    full = [(name, content) for files in folders for name, content in files if content]
    assert [(f.name, f.directory, f.size_bytes) for f in files] == [
        (name.rpartition("/")[2], "Film", len(content)) for name, content in full
    ]
    assert [bytes_of(file, data) for file in files] == [content for _, content in full]
    assert [file.crc for file in files] == [zlib.crc32(content) for _, content in full]
    assert all(file.stored and not file.encrypted and file.format == "7z" for file in files)


@pytest.mark.parametrize(
    ("coder", "stored", "encrypted"),
    [(made.LZMA1, False, False), (made.LZMA2, False, False), (made.AES, False, True)],
)
async def test_what_is_not_copied_has_no_extents(coder: bytes, stored: bool, encrypted: bool):
    files = await opened(made.archive([FILES], coder=coder, header_coder=made.LZMA1))
    assert [(f.name, f.stored, f.encrypted, f.extents) for f in files] == [
        ("film.mkv", stored, encrypted, []),
        ("film.nfo", stored, encrypted, []),
    ]


async def test_links_are_no_files():
    files = await opened(made.archive([FILES], links=[True, False]))
    assert [file.name for file in files] == ["film.nfo"]


async def test_an_empty_archive():
    assert await opened(made.with_header(b"", b"")) == []
    assert await opened(made.archive([[("dir", b"")]])) == []


@settings(deadline=None)
@given(st.integers(0, (1 << 64) - 1))
def test_the_writer_of_numbers_is_right(value: int):
    """As the reader is tested with it: by the table of 7zFormat.txt."""
    encoded = made.number(value)
    ones = f"{encoded[0]:08b}".index("0") if encoded[0] < 0xFF else 8
    assert len(encoded) == 1 + ones
    high = encoded[0] & (0x7F >> ones)
    assert high << 8 * ones | int.from_bytes(encoded[1:], "little") == value


GOOD = made.archive([FILES])
ONE = [made.folder(made.COPY)]
NAMED = made.files_info(["film.mkv"])


def with_streams(streams: bytes, files: bytes = NAMED) -> bytes:
    return made.with_header(FILM, b"\x01\x04" + streams + files + b"\x00")


FITTING = made.streams([len(FILM)], ONE, [len(FILM)])


async def test_a_folder_without_sub_streams_is_one_file():
    data = with_streams(FITTING)
    (file,) = await opened(data)
    assert (file.crc, bytes_of(file, data)) == (None, FILM)


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"", ArchiveRefused, "isn't one"),
        (b"PK" + bytes(99), ArchiveRefused, "isn't one"),
        (GOOD[:20] + b"\x00" + GOOD[21:], ArchiveRefused, "first header has a wrong checksum"),
        (GOOD[:-1] + b"\x01", ArchiveRefused, "header has a wrong checksum"),
        (GOOD[:-1], NotPosted, "its end is missing"),
        (made.with_header(b"", b"\x99"), ArchiveRefused, "unknown kind"),
        (made.with_header(b"", b"\x01"), ArchiveRefused, "ends too soon"),
        (made.with_header(b"", b"\x01\x77"), ArchiveRefused, "broken header"),
        (made.with_header(bytes(1 << 24), bytes(1 << 24) + b"\x01"), ArchiveRefused, "header is larger"),
        (with_streams(made.streams([len(FILM) + 1], ONE, [len(FILM) + 1])), ArchiveRefused, "reach outside"),
        (with_streams(made.streams([len(FILM)], ONE, [len(FILM)], at=1)), ArchiveRefused, "reach outside"),
        (with_streams(made.streams([len(FILM)], ONE, [9])), ArchiveRefused, "contradicts itself"),
        (with_streams(made.streams([], ONE, [9])), ArchiveRefused, "fewer streams"),
        (with_streams(made.streams([1 << 60], ONE, [9])), ArchiveRefused, "larger than any film"),
        (with_streams(FITTING, made.files_info(["a", "b"])), ArchiveRefused, "names more files"),
        (with_streams(FITTING, b"\x05\xc0\xff\xff"), ArchiveRefused, "more than any release"),
        (with_streams(FITTING, b"\x05\x02\x11\x03\x00a\x00\x00"), ArchiveRefused, "does not name all"),
        (with_streams(FITTING, b"\x05\x01\x11\x01\x01\x00"), ArchiveRefused, "elsewhere"),
        (
            with_streams(made.streams([9], [b"\x21" + made.COPY * 33], [9])),
            ArchiveRefused,
            "folder of 33 coders",
        ),
        (
            with_streams(made.streams([9], [b"\x01\x11\x00\x01\x02\x00\x00"], [9])),
            ArchiveRefused,
            "without data",
        ),
        (with_streams(made.streams([9], [b"\x01\x81\x00"], [9])), ArchiveRefused, "unknown kind"),
        (
            with_streams(made.streams([len(FILM)], ONE, [len(FILM)], b"\x08\x0d\x02\x09\xff" + b"\x01" * 8)),
            ArchiveRefused,
            "larger than",
        ),
        (
            with_streams(made.streams([len(FILM)], ONE, [len(FILM)], b"\x08\x0d\x02\x09\xc0\xff\xff\x00")),
            ArchiveRefused,
            "larger than what they are packed in",
        ),
        (
            with_streams(made.streams([len(FILM)], ONE, [len(FILM)], b"\x08\x0d\x02\x00")),
            ArchiveRefused,
            "leaves out the sizes",
        ),
        (made.packed_header(b"", b"\x01\x00", made.AES), NoFilm, "file names are encrypted"),
        (made.packed_header(b"", b"\x01\x00", b"\x03\x03\x04\x01"), NoFilm, "can't read"),
        (made.packed_header(b"", b"\x01\x00", made.LZMA1)[:32] + bytes(90), ArchiveRefused, "checksum"),
    ],
)
async def test_broken_and_lying_archives_are_refused(data: bytes, error: type[ReleaseError], says: str):
    with pytest.raises(error, match=says):
        await opened(data)


def header_of(packed: bytes, size_bytes: int, coder: bytes = made.LZMA1) -> bytes:
    told = made.streams([len(packed)], [made.folder(coder)], [size_bytes])
    return made.with_header(packed, b"\x17" + told)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (header_of(b"\xff" * 90, 50), "compressed header is broken"),
        (header_of(made.pack(made.LZMA1, b"\x01\x00"), 500), "compressed header is broken"),
        (header_of(bytes(90), 1 << 30), "not packed as any other"),
        (
            header_of(bytes(90), 50, b"\x23\x03\x01\x01\x05\xff\x00\x00\x01\x00"),
            "compressed header is broken",
        ),
    ],
)
async def test_a_broken_compressed_header_is_refused(data: bytes, says: str):
    with pytest.raises(ArchiveRefused, match=says):
        await opened(data)


async def test_headers_in_headers_are_bounded():
    header = b"\x01\x00"
    body = b""
    for _ in range(6):
        told = made.streams([len(header)], [made.folder(made.COPY)], [len(header)], at=len(body))
        body, header = body + header, b"\x17" + told
    with pytest.raises(ArchiveRefused, match="unknown kind"):
        await opened(made.with_header(body, header))


SEED_HEADER = GOOD[32 + len(FILM) + 5 :]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(SEED_HEADER) - 1), st.integers(0, 255)), max_size=6),
    st.binary(max_size=30),
    st.sampled_from([None, made.LZMA1, made.LZMA2]),
)
async def test_mutated_headers_are_read_or_refused(
    edits: list[tuple[int, int]], tail: bytes, coder: bytes | None
):
    changed = bytearray(SEED_HEADER)
    for at, value in edits:
        changed[at] = value
    header = bytes(changed) + tail
    body = FILM + b"about"
    await opened_or_refused(
        made.with_header(body, header) if coder is None else made.packed_header(body, header, coder)
    )


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 300))
async def test_random_bytes_are_read_or_refused(tail: bytes, offset: int):
    await opened_or_refused(tail)
    await opened_or_refused(made.SIGNATURE + tail)
    await opened_or_refused(made.with_header(FILM, b"\x01\x04" + tail, offset=offset))
    await opened_or_refused(made.with_header(FILM, b"\x01\x05" + tail))
    await opened_or_refused(header_of(tail, 100))


async def opened_or_refused(data: bytes) -> None:
    try:
        files = await opened(data)
    except (ArchiveRefused, NoFilm, NotPosted):
        return
    assert all(0 <= e.offset <= e.end <= len(data) for file in files for e in file.extents)
    assert all(sum(e.length for e in f.extents) == f.size_bytes for f in files if f.stored)


def test_the_first_header_is_as_documented():
    assert struct.unpack_from("<6sBB", GOOD) == (made.SIGNATURE, 0, 4)
