"""The RAR5 writer against rarfile, which knows the format from elsewhere."""

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
import rarfile
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.sandbox.rar import VOLUME_OVERHEAD_BYTES, write_rar, write_rar_volumes

SIZES = st.one_of(st.integers(0, 300), st.integers(126, 130), st.integers(16_380, 16_390), st.just(300_000))


def make_file(directory: Path, size_bytes: int, name: str = "Film.2024.mkv") -> Path:
    path = directory / name
    path.write_bytes(Random(size_bytes).randbytes(size_bytes))
    return path


@given(size_bytes=SIZES)
@settings(max_examples=40, deadline=None)
def test_a_single_archive_gives_the_file_back(size_bytes: int) -> None:
    with TemporaryDirectory() as folder:
        source = make_file(Path(folder), size_bytes)
        write_rar(source, Path(folder) / "a.rar")
        with rarfile.RarFile(Path(folder) / "a.rar") as archive:
            (member,) = archive.infolist()
            assert member.filename == source.name
            assert member.compress_type == rarfile.RAR_M0
            assert int(member.mtime.timestamp()) == int(source.stat().st_mtime)
            assert archive.read(member) == source.read_bytes()


@given(size_bytes=SIZES, share_bytes=st.sampled_from([100, 127, 128, 16_384, 70_000]))
@settings(max_examples=60, deadline=None)
def test_volumes_give_the_file_back_and_keep_their_bound(size_bytes: int, share_bytes: int) -> None:
    with TemporaryDirectory() as folder:
        source = make_file(Path(folder), size_bytes)
        bound = share_bytes + VOLUME_OVERHEAD_BYTES
        volumes = write_rar_volumes(source, Path(folder), "set", bound)
        assert len(volumes) == max(1, -(-size_bytes // share_bytes))
        assert all(volume.stat().st_size <= bound for volume in volumes)
        with rarfile.RarFile(volumes[0]) as archive:
            assert archive.volumelist() == [str(volume) for volume in volumes]
            assert archive.read(source.name) == source.read_bytes()


def test_names_count_up_with_as_many_digits_as_needed(tmp_path: Path) -> None:
    source = make_file(tmp_path, 1200)
    volumes = write_rar_volumes(source, tmp_path, "set", VOLUME_OVERHEAD_BYTES + 10)
    assert volumes[0].name == "set.part001.rar"
    assert volumes[-1].name == "set.part120.rar"


def test_a_volume_without_room_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no room"):
        write_rar_volumes(make_file(tmp_path, 10), tmp_path, "set", VOLUME_OVERHEAD_BYTES)


def test_a_name_that_would_overflow_the_header_is_refused(tmp_path: Path) -> None:
    source = make_file(tmp_path, 10)
    long = Path(f"{source}x")
    source.rename(long)
    write_rar(long, tmp_path / "a.rar")
    with rarfile.RarFile(tmp_path / "a.rar") as archive:
        assert archive.namelist() == [long.name]
