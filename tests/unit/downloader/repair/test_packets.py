"""PAR2 packets: as the real program writes them, and as an attacker would."""

import hashlib
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.downloader.errors import ArchiveRefused
from services.downloader.repair.packets import (
    HEADER_BYTES,
    MAGIC,
    MAX_CRITICAL_BYTES,
    Kind,
    Par2Set,
    description,
    packed,
    packets,
    parse,
)
from tests.support.par2_sets import create_par2

FILES = [("film.mkv", bytes(range(256)) * 100), ("film.nfo", b"about the film"), ("ümlaut.srt", b"1")]
SET_ID = b"s" * 16
FILE_ID = b"f" * 16


def test_the_set_is_what_the_program_was_given(tmp_path: Path):
    index, *volumes = create_par2(tmp_path, FILES, slice_bytes=2000, recovery_blocks=7)
    par2 = parse(index[1])

    told = {file.name: file for file in par2.files.values()}
    assert par2.slice_bytes == 2000
    assert par2.recovery_blocks == 0
    assert "par2cmdline" in par2.creator
    assert {name: file.size_bytes for name, file in told.items()} == {name: len(data) for name, data in FILES}
    for name, data in FILES:
        assert told[name].md5 == hashlib.md5(data).digest()
        assert told[name].md5_16k == hashlib.md5(data[:16384]).digest()
        slices = [data[at : at + 2000].ljust(2000, b"\x00") for at in range(0, len(data), 2000)]
        assert told[name].slice_crcs == [zlib.crc32(piece) for piece in slices]
    assert sum(parse(data).recovery_blocks for _, data in volumes) == 7
    assert all(parse(data).files == par2.files for _, data in volumes)


def test_a_description_written_anew_says_the_same_under_other_names(tmp_path: Path):
    par2 = parse(create_par2(tmp_path, FILES)[0][1])
    again = parse(description(par2, ["a", "bc", "def"]))

    assert [file.name for file in again.files.values()] == ["a", "bc", "def"]
    assert [f.checksums for f in again.files.values()] == [f.checksums for f in par2.files.values()]
    assert (again.set_id, again.slice_bytes, list(again.files)) == (
        par2.set_id,
        par2.slice_bytes,
        list(par2.files),
    )


def test_packets_are_found_around_damage(tmp_path: Path):
    volume = bytearray(create_par2(tmp_path, FILES, recovery_blocks=4)[-1][1])
    whole = list(packets(bytes(volume)))
    broken = next(packet for packet in whole if packet.kind == Kind.RECOVERY)
    volume[broken.start + 100] ^= 1

    found = list(packets(b"rubbish" + bytes(volume) + MAGIC))

    assert len(found) == len(whole) - 1
    assert [packet.kind for packet in found].count(Kind.RECOVERY) == 1


def main(slice_bytes: int = 4, ids: tuple[bytes, ...] = (FILE_ID,), count: int | None = None) -> bytes:
    counted = len(ids) if count is None else count
    return packed(
        Kind.MAIN, SET_ID, slice_bytes.to_bytes(8, "little") + counted.to_bytes(4, "little") + b"".join(ids)
    )


def file(name: bytes = b"name", size_bytes: int = 8) -> bytes:
    body = FILE_ID + bytes(32) + size_bytes.to_bytes(8, "little") + name
    return packed(Kind.FILE, SET_ID, body + bytes(-len(name) % 4))


def checksums(count: int) -> bytes:
    return packed(Kind.CHECKSUMS, SET_ID, FILE_ID + bytes(20 * count))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "does not say what it protects"),
        (file(), "does not say what it protects"),
        (main(0) + file(), "slices of 0 bytes"),
        (main(6) + file(), "slices of 6 bytes"),
        (main(1 << 40) + file(), "slices of"),
        (main(ids=()) + file(), "broken list"),
        (main(count=2) + file(), "broken list"),
        (main(count=2**32 - 1) + file(), "broken list"),
        (main(ids=(FILE_ID, FILE_ID)) + file(), "broken list"),
        (main(), "does not describe every file"),
        (main(ids=(FILE_ID, b"g" * 16)) + file(), "does not describe every file"),
        (main() + file(name=b""), "does not describe every file"),
        (main() + file(size_bytes=1 << 60), "larger than any disk"),
        (main() + file(size_bytes=1 << 30), "more than 32768 slices"),
        (main() + file() + checksums(3), "do not fit"),
    ],
)
def test_a_description_that_lies_is_refused(data: bytes, says: str):
    with pytest.raises(ArchiveRefused, match=says):
        parse(data)


def test_packets_of_another_set_are_passed_over():
    other = packed(Kind.FILE, b"o" * 16, FILE_ID + bytes(40) + b"evil")
    assert [f.name for f in parse(main() + other + file() + other).files.values()] == ["name"]


def test_overlapping_packets_cannot_cost_quadratic_time():
    """Each magic claims a packet up to the end: hashing them all would be a hundred times the file."""
    header = MAGIC + (64 * 1000).to_bytes(8, "little") + bytes(32) + Kind.MAIN
    with pytest.raises(ArchiveRefused, match="overlap"):
        list(packets(header * 2000))


@pytest.mark.parametrize("length", [0, 4, HEADER_BYTES, 101, MAX_CRITICAL_BYTES + 4, 2**64 - 4])
def test_implausible_lengths_are_no_packets(length: int):
    good = main()
    lying = MAGIC + length.to_bytes(8, "little") + good[16:]
    assert len(list(packets(lying + good))) == 1


SEED = main() + file() + checksums(2) + packed(Kind.RECOVERY, SET_ID, bytes(8))


@given(
    st.lists(st.tuples(st.integers(0, len(SEED) - 1), st.integers(0, 255)), max_size=8),
    st.binary(max_size=60),
)
def test_mutated_sets_are_parsed_or_refused(edits: list[tuple[int, int]], tail: bytes):
    changed = bytearray(SEED)
    for at, value in edits:
        changed[at] = value
    parsed_or_refused(bytes(changed) + tail)


@given(
    st.sampled_from([Kind.MAIN, Kind.FILE, Kind.CHECKSUMS, Kind.RECOVERY, Kind.CREATOR]),
    st.binary(max_size=200),
)
def test_packets_with_any_body_are_parsed_or_refused(kind: bytes, body: bytes):
    body += bytes(-len(body) % 4)
    parsed_or_refused(packed(kind, SET_ID, body))
    parsed_or_refused(packed(kind, SET_ID, FILE_ID + body) + SEED)


def parsed_or_refused(data: bytes) -> Par2Set | None:
    """The promise of `parse`: a set that is consistent, or one of our errors."""
    try:
        par2 = parse(data)
    except ArchiveRefused:
        return None
    for told in par2.files.values():
        assert told.name
        assert not told.checksums or len(told.slice_crcs) == -(-told.size_bytes // par2.slice_bytes)
    assert parse(description(par2, ["x"] * len(par2.files))).slice_bytes == par2.slice_bytes
    return par2
