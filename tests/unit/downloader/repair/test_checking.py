"""A file's CRC-32 from its slices', and which files aren't what is protected."""

from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from services.downloader.repair.checking import contradicted, crc32_of_slices
from services.downloader.repair.packets import Par2File, Par2Set

SLICE_BYTES = 8


def protected(data: bytes, file_id: bytes = b"a") -> Par2File:
    slices = [
        data[at : at + SLICE_BYTES].ljust(SLICE_BYTES, b"\0") for at in range(0, len(data), SLICE_BYTES)
    ]
    checksums = b"".join(bytes(16) + crc32(part).to_bytes(4, "little") for part in slices)
    return Par2File(
        file_id=file_id, name="a", size_bytes=len(data), md5=b"", md5_16k=data, checksums=checksums
    )


def wrong(crcs: dict[int, int | None], files: dict[int, Par2File]) -> list[int]:
    par2 = Par2Set(
        set_id=b"", slice_bytes=SLICE_BYTES, files={f.file_id: f for f in files.values()}, recovery_blocks=0
    )
    return contradicted(crcs, par2, files, crcs.get)


@given(st.binary(max_size=100))
def test_the_crc_of_a_file_is_that_of_its_slices_without_what_pads_the_last(data: bytes) -> None:
    assert crc32_of_slices(protected(data), SLICE_BYTES) == crc32(data)


def test_what_differs_is_told_and_what_nobody_knows_is_not() -> None:
    files = {1: protected(b"right"), 2: protected(b"another", b"b"), 3: protected(b"untold", b"c")}
    crcs = {1: crc32(b"right"), 2: crc32(b"anothex"), 3: None, 4: crc32(b"not protected")}
    assert wrong(crcs, files) == [2]


def test_files_that_may_have_been_taken_for_each_other_are_passed_over() -> None:
    files = {1: protected(b"one"), 2: protected(b"one", b"b")}
    assert wrong({1: 5, 2: 6}, files) == []
