"""The spool as the film itself: bytes written before and after it is laid out, torn volumes, and back."""

import os
import random
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.downloader.errors import ScratchFull
from services.downloader.extents import Extent, VirtualFile
from services.downloader.usenet.journal import Record
from services.downloader.usenet.spool import Spool

VOLUMES = [random.Random(seed).randbytes(size) for seed, size in ((1, 1_000), (2, 1_000), (3, 400))]
EXTENTS = [Extent(0, 60, 930), Extent(1, 40, 950), Extent(2, 40, 300)]
FILM = b"".join(VOLUMES[e.file][e.offset : e.end] for e in EXTENTS)


def film() -> VirtualFile:
    return VirtualFile("film.mkv", EXTENTS)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = opened(tmp_path / "spool")
    yield spool
    spool.close()


def opened(directory: Path, release: str = "a release") -> Spool:
    spool = Spool(directory, release)
    spool.resume()
    return spool


def write(spool: Spool, file: int, start: int, end: int) -> None:
    data = VOLUMES[file][start:end]
    spool.write(Record(file, start // 100, start, len(data), len(VOLUMES[file]), crc32(data)), data)


def write_all(spool: Spool, step: int = 100) -> None:
    for file, data in enumerate(VOLUMES):
        for start in range(0, len(data), step):
            write(spool, file, start, min(start + step, len(data)))


@given(st.permutations(range(24)), st.integers(0, 24))
def test_whatever_comes_before_and_after_it_is_laid_out_the_film_is_whole(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], laid_out_after: int
):
    spool = opened(tmp_path_factory.mktemp("spool"))
    articles = [(file, at) for file, data in enumerate(VOLUMES) for at in range(0, len(data), 100)]
    for number, index in enumerate(order):
        if number == laid_out_after:
            spool.lay_out(film(), range(3))
        write(spool, articles[index][0], articles[index][1], articles[index][1] + 100)
    if laid_out_after == 24:
        spool.lay_out(film(), range(3))
    assert spool.film_path.read_bytes() == FILM
    for file, data in enumerate(VOLUMES):
        assert spool.read(file, 0, len(data)) == data
        assert spool.read(file, 30, 100) == data[30:130]
    spool.close()


def test_what_is_around_the_film_lies_in_the_posted_files(spool: Spool):
    spool.lay_out(film(), range(3))
    write_all(spool)
    assert spool.path(0).read_bytes() == VOLUMES[0][:60] + bytes(930) + VOLUMES[0][990:]
    for file, data in enumerate(VOLUMES):
        assert spool.read(file, 0, len(data)) == data


def test_it_tells_where_in_the_film_posted_bytes_lie(spool: Spool):
    write_all(spool)
    assert spool.lying(0, 100, 50) is None
    spool.lay_out(film(), range(3))
    lying = spool.lying(1, 40, 950)
    assert lying
    assert os.pread(lying.descriptor, lying.length, lying.offset) == VOLUMES[1][40:990]
    # A header lies elsewhere, and so does what reaches into one.
    assert spool.lying(1, 39, 100) is None
    assert spool.lying(1, 0, 10) is None


def test_where_they_lie_is_true_after_a_mend(spool: Spool):
    whole = VirtualFile("film.mkv", [Extent(0, 0, 1_000)])
    write(spool, 0, 100, 1_000)
    spool.lay_out(whole, range(3))
    before = spool.lying(0, 0, 100)
    assert before
    spool.complete(0, 1_000)
    spool.mend(0, 0, VOLUMES[0][:100])
    assert os.pread(before.descriptor, before.length, before.offset) == VOLUMES[0][:100]


def test_what_is_mended_goes_to_its_place(spool: Spool):
    spool.lay_out(film(), range(3))
    for start in (0, 100, 300, 900):
        write(spool, 0, start, start + 100)
    spool.complete(0, 1_000)
    # Not only where nothing had come: par2 proves what no checksum of an article did.
    spool.write(Record(0, 0, 0, 100, 1_000, None), bytes(100))
    for start, end in ((0, 400), (400, 1_000)):
        spool.mend(0, start, VOLUMES[0][start:end])
    assert spool.film_path.read_bytes()[:930] == VOLUMES[0][60:990]
    assert spool.read(0, 0, 1_000) == VOLUMES[0]


def test_a_file_that_was_mended_first_is_laid_out_whole(spool: Spool):
    write(spool, 0, 0, 100)
    spool.complete(0, 1_000)
    spool.mend(0, 100, VOLUMES[0][100:])
    spool.lay_out(film(), range(3))
    assert spool.film_path.read_bytes()[:930] == VOLUMES[0][60:990]


def test_who_reads_the_film_goes_on_when_it_is_renamed(spool: Spool, tmp_path: Path):
    spool.lay_out(film(), range(3))
    write_all(spool)
    spool.film_path.rename(tmp_path / "published")
    assert spool.read(1, 40, 950) == VOLUMES[1][40:990]


def test_a_disk_that_fails_is_told(spool: Spool):
    spool.film_path.mkdir()
    with pytest.raises(ScratchFull, match="free some space"):
        spool.lay_out(film(), range(3))


# After an instance that was killed ------------------------------------------------------------------------


def left_by_a_dead_one(directory: Path, *, laid_out: bool) -> None:
    spool = opened(directory)
    write(spool, 0, 0, 100)
    if laid_out:
        spool.lay_out(film(), range(3))
    for start in (100, 300):
        write(spool, 0, start, start + 100)
    write(spool, 1, 0, 100)


@pytest.mark.parametrize("laid_out", [True, False])
def test_what_is_there_is_found_again(tmp_path: Path, laid_out: bool):
    left_by_a_dead_one(tmp_path, laid_out=laid_out)
    spool = Spool(tmp_path, "a release")
    assert [(record.file, record.start) for record in spool.resume()] == [(0, 0), (0, 100), (0, 300), (1, 0)]
    spool.lay_out(film(), range(3))
    write_all(spool)
    assert spool.film_path.read_bytes() == FILM


def test_it_is_found_a_second_time(tmp_path: Path):
    left_by_a_dead_one(tmp_path, laid_out=True)
    write(opened(tmp_path), 2, 0, 100)
    assert len(Spool(tmp_path, "a release").resume()) == 5


def test_bytes_that_the_disk_lost_are_not_believed(tmp_path: Path):
    left_by_a_dead_one(tmp_path, laid_out=True)
    with (tmp_path / "film.bin").open("r+b") as film_file:
        film_file.seek(150 - 60)
        film_file.write(b"\0")
    assert [record.start for record in Spool(tmp_path, "a release").resume()] == [0, 300, 0]


def test_a_film_that_is_gone_is_fetched_anew(tmp_path: Path):
    left_by_a_dead_one(tmp_path, laid_out=True)
    (tmp_path / "film.bin").unlink()
    spool = Spool(tmp_path, "a release")
    assert spool.resume() == []
    spool.lay_out(film(), range(3))
    write_all(spool)
    assert spool.film_path.read_bytes() == FILM


def test_another_release_and_a_torn_journal_are_nothing_to_go_on_with(tmp_path: Path):
    left_by_a_dead_one(tmp_path, laid_out=True)
    journal = (tmp_path / "journal").read_bytes()
    assert Spool(tmp_path, "another").resume() == []
    for cut in (1, 5, len(journal) - 1):
        (tmp_path / "journal").write_bytes(journal[:cut])
        assert len(opened(tmp_path).resume()) <= 3
    (tmp_path / "journal").write_bytes(journal[:20] + b"\xff" * 40)
    assert Spool(tmp_path, "a release").resume() == []


def test_nothing_of_another_release_is_in_the_way(tmp_path: Path):
    # A film that is a posted file, and all of it.
    spool = opened(tmp_path)
    whole = VirtualFile("film.mkv", [Extent(0, 0, 1_000)])
    spool.lay_out(whole, range(3))
    write(spool, 0, 0, 500)
    spool.complete(0, 1_000)
    another = opened(tmp_path, "another release")
    write(another, 0, 0, 500)
    another.lay_out(whole, range(3))
    write(another, 0, 500, 1_000)
    assert another.film_path.read_bytes() == VOLUMES[0]


def test_a_film_that_turns_out_to_be_another_is_laid_out_anew(tmp_path: Path):
    left_by_a_dead_one(tmp_path, laid_out=True)
    spool = opened(tmp_path)
    spool.lay_out(VirtualFile("other.mkv", [Extent(0, 0, 1_000)]), range(3))
    assert spool.film_path.read_bytes()[:200] == VOLUMES[0][:200]
    assert spool.film_path.read_bytes()[300:400] == VOLUMES[0][300:400]
    assert spool.read(1, 0, 100) == VOLUMES[1][:100]
