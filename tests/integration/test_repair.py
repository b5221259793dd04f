"""Mending with the real par2 program: sets made by it, damaged, and compared byte for byte."""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from libs.sandbox.rar import write_rar_volumes
from services.downloader import confined
from services.downloader.describe import Description, NeedsRepairFirst, describe
from services.downloader.errors import ScratchFull
from services.downloader.repair.blocks import NotEnoughBlocks, choose_volumes, needed_blocks
from services.downloader.repair.hearing import Hearing
from services.downloader.repair.packets import parse
from services.downloader.repair.program import Job, par2_program, repair, time_limit_s
from services.downloader.source import Landed, Span, Urgency
from tests.support.memory_source import MemorySource
from tests.support.par2_sets import create_par2

EBML = b"\x1aE\xdf\xa3\xa3B\x86\x81\x01B\x82\x88matroska"
ZEROS_AT = 80_000
FILM = (
    EBML.ljust(100, b"x")
    + random.Random(1).randbytes(79_900)
    + bytes(2000)
    + random.Random(2).randbytes(9000)
)
FILES = [("film.mkv", FILM), ("film.nfo", b"about the film")]
SLICE_BYTES = 2000


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def state_of(path: Path) -> tuple[int, int, int]:
    """Which file it is, and when it was last written."""
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_mtime_ns


class Release:
    """Files and their par2 set, posted with holes, some under other names; the directories it lives in."""

    def __init__(
        self,
        directory: Path,
        holes: Mapping[int, Sequence[Span]],
        *,
        recovery_blocks: int = 10,
        slice_bytes: int = SLICE_BYTES,
        files: Sequence[tuple[str, bytes]] = FILES,
        posted_as: Mapping[int, str] | None = None,
        posted_bytes: Mapping[int, bytes] | None = None,
    ) -> None:
        for name in ("made", "spool", "scratch"):
            (directory / name).mkdir()
        self.scratch = directory / "scratch"
        par2 = create_par2(
            directory / "made", files, slice_bytes=slice_bytes, recovery_blocks=recovery_blocks
        )
        self.files = [*files, *par2]
        posted = [
            ((posted_as or {}).get(at, name), (posted_bytes or {}).get(at, data))
            for at, (name, data) in enumerate(self.files)
        ]
        self.source = MemorySource(posted, directory / "spool", holes=holes)

    async def described(self) -> Description:
        await self.source.open()
        return await describe(self.source)

    async def filled(self, files: Sequence[int]) -> int:
        return sum([told.span.length async for told in self.source.fill(files) if isinstance(told, Landed)])

    async def job(self, *, holes_needed: int | None = None) -> Job:
        """As the pipeline does it: describe, fill what is protected, choose volumes, fill them."""
        described = await self.described()
        assert described.par2 is not None
        await self.filled(list(described.protected))
        needed = needed_blocks(described.par2, described.protected, self.source.holes)
        chosen = choose_volumes(described.recovery_files, needed if holes_needed is None else holes_needed)
        recovery = [volume.file for volume in chosen]
        await self.filled(recovery)
        return Job(par2=described.par2, protected=described.protected, recovery=recovery)


async def test_a_film_with_holes_is_mended_in_its_spool(tmp_path: Path):
    release = Release(tmp_path, {0: [Span(5000, 5001), Span(60_000, 63_000)]})
    job = await release.job()
    before = state_of(release.source.path(1))

    hearing = Hearing()
    assert (await repair(release.source, job, release.scratch, hearing)).files == [0]
    # The program has been heard to have looked through the files, multiplied, and looked again.
    assert hearing.share > 2 / 3

    assert release.source.path(0).read_bytes() == FILM
    assert release.source.holes(0) == []
    assert state_of(release.source.path(1)) == before
    assert names_in(release.scratch) == []


async def test_nothing_is_written_but_the_slices_that_were_lost(tmp_path: Path):
    release = Release(tmp_path, {0: [Span(5000, 5001), Span(60_000, 63_000)]})
    job = await release.job()
    await repair(release.source, job, release.scratch)
    assert release.source.written == [(0, 4000, 2000), (0, 60_000, 2000), (0, 62_000, 2000)]


async def test_lost_slices_whose_first_16_kib_no_checksum_tells_are_mended(tmp_path: Path):
    film = EBML + random.Random(3).randbytes(400_000)
    holes = {0: [Span(0, 1), Span(25_000, 25_001), Span(400_000, 400_001)]}
    release = Release(tmp_path, holes, files=[("film.mkv", film), FILES[1]], slice_bytes=20_000)
    assert (await repair(release.source, await release.job(), release.scratch)).files == [0]
    assert release.source.path(0).read_bytes() == film


async def test_the_end_of_a_film_is_mended_without_what_pads_it(tmp_path: Path):
    release = Release(tmp_path, {0: [Span(len(FILM) - 1, len(FILM))]})
    assert (await repair(release.source, await release.job(), release.scratch)).files == [0]
    assert release.source.path(0).read_bytes() == FILM


async def test_only_the_volumes_that_are_needed_are_filled(tmp_path: Path):
    release = Release(tmp_path, {0: [Span(5000, 5001)]})
    job = await release.job()
    blocks = {
        index: parse(data).recovery_blocks for index, (_, data) in enumerate(release.files) if index > 1
    }
    assert [blocks[index] for index in job.recovery] == [1]


async def test_without_damage_nothing_is_replaced(tmp_path: Path):
    release = Release(tmp_path, {})
    job = await release.job()
    before = state_of(release.source.path(0))
    assert (await repair(release.source, job, release.scratch)).files == []
    assert state_of(release.source.path(0)) == before


async def test_a_film_whose_beginning_is_lost_is_found_by_its_name_and_mended(tmp_path: Path):
    release = Release(tmp_path, {0: [Span(0, 1)]})
    described = await release.described()
    assert described.film.name == "film.mkv"
    assert (await repair(release.source, await release.job(), release.scratch)).files == [0]
    assert release.source.path(0).read_bytes() == FILM


async def test_volumes_of_which_nothing_is_left_are_made_anew_and_then_the_film_is_found(tmp_path: Path):
    """The first volume of a set, and the last without a name: their sizes are only claimed, and too large."""
    (tmp_path / "packed").mkdir()
    film = tmp_path / "packed" / "film.mkv"
    film.write_bytes(FILM)
    volumes = [(path.name, path.read_bytes()) for path in write_rar_volumes(film, tmp_path, "film", 20_000)]
    last = len(volumes) - 1
    lost = {index: [Span(0, len(volumes[index][1]))] for index in (0, last)}
    release = Release(tmp_path, lost, recovery_blocks=30, files=volumes, posted_as={last: ""})

    with pytest.raises(NeedsRepairFirst) as needs:
        await release.described()
    protection = needs.value.protection
    recovery = [volume.file for volume in protection.recovery_files]
    await release.filled([*protection.protected, *recovery])
    job = Job(par2=protection.par2, protected=protection.protected, recovery=recovery)
    assert (await repair(release.source, job, release.scratch)).files == [0, last]

    described = await describe(release.source)
    assert (described.film.name, described.film.size_bytes) == ("film.mkv", len(FILM))
    assert await described.film.read(release.source, 0, len(FILM), Urgency.FILL) == FILM


async def test_holes_in_a_recovery_volume_cost_its_blocks_only(tmp_path: Path):
    release = Release(tmp_path, {0: [Span(5000, 5001)], 6: [Span(6000, 6001)]})
    described = await release.described()
    assert described.par2 is not None
    await release.filled(range(len(release.files)))
    every = [volume.file for volume in described.recovery_files]
    job = Job(par2=described.par2, protected=described.protected, recovery=every)

    assert release.source.holes(6)
    assert (await repair(release.source, job, release.scratch)).files == [0]
    assert release.source.path(0).read_bytes() == FILM


async def test_too_few_blocks_are_told_before_the_program_starts(tmp_path: Path):
    release = Release(tmp_path, {0: [Span(5000, 5001), Span(60_000, 66_000)]})
    job = await release.job(holes_needed=2)
    with pytest.raises(NotEnoughBlocks, match="the release brings 2") as refused:
        await repair(release.source, job, release.scratch)
    assert refused.value.missing > 2
    assert names_in(release.scratch) == []


@pytest.mark.parametrize("holes", [[], [Span(5000, 5001)]], ids=["no hole", "a hole beside it"])
async def test_damage_that_nobody_knew_of_is_mended(tmp_path: Path, holes: list[Span]):
    """A poster's own error: the articles are fine, the file is not what par2 protects."""
    posted = FILM[:50_000] + b"oops" + FILM[50_004:]
    release = Release(tmp_path, {0: holes}, posted_bytes={0: posted})
    job = await release.job(holes_needed=2)
    assert (await repair(release.source, job, release.scratch)).files == [0]
    assert release.source.path(0).read_bytes() == FILM


async def test_damage_that_nobody_knew_of_is_counted_by_the_program(tmp_path: Path):
    posted = FILM[:50_000] + b"oops" + FILM[50_004:70_000] + b"oops" + FILM[70_004:]
    release = Release(tmp_path, {}, posted_bytes={0: posted})
    with pytest.raises(NotEnoughBlocks) as refused:
        await repair(release.source, await release.job(holes_needed=1), release.scratch)
    assert (refused.value.missing, refused.value.available) == (2, 1)
    assert release.source.path(0).read_bytes() == posted


async def test_foreign_names_never_reach_the_disk(tmp_path: Path):
    """The set's own names lead out of any directory; the film is mended all the same."""
    release = Release(tmp_path, {0: [Span(5000, 5001)]})
    job = await release.job()
    files = {
        file_id: replace(file, name=f"../../planted{number}")
        for number, (file_id, file) in enumerate(job.par2.files.items())
    }
    protected = {index: files[file.file_id] for index, file in job.protected.items()}
    hostile = Job(par2=replace(job.par2, files=files), protected=protected, recovery=job.recovery)

    await repair(release.source, hostile, release.scratch)

    assert release.source.path(0).read_bytes() == FILM
    assert names_in(tmp_path) == ["made", "scratch", "spool"]


async def test_cancelling_kills_the_program_and_leaves_the_spool(tmp_path: Path):
    # Large enough for the program to be met at its work.
    film = EBML + random.Random(3).randbytes(64_000_000)
    release = Release(tmp_path, {0: [Span(5000, 5001)]}, files=[("film.mkv", film)], slice_bytes=64_000)
    job = await release.job()
    damaged = release.source.path(0).read_bytes()
    task = asyncio.create_task(repair(release.source, job, release.scratch))
    while not (running := par2_processes()):
        await asyncio.sleep(0.001)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not any(process.is_running() for process in running)
    assert release.source.path(0).read_bytes() == damaged
    assert names_in(release.scratch) == []


def par2_processes() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if child.name() == "par2"]


async def test_a_scratch_that_is_too_small_is_told_before(tmp_path: Path):
    release = Release(tmp_path, {0: [Span(5000, 5001)]})
    job = await release.job()
    protected = {index: replace(file, size_bytes=1 << 49) for index, file in job.protected.items()}
    with pytest.raises(ScratchFull, match="scratch space"):
        await repair(release.source, Job(par2=job.par2, protected=protected, recovery=[]), release.scratch)


def test_a_confined_program_has_its_limits():
    kinds = "(r.RLIMIT_CPU, r.RLIMIT_AS, r.RLIMIT_FSIZE)"
    program = f"import os, resource as r; print([r.getrlimit(kind) for kind in {kinds}])"
    command = [
        confined.__file__,
        "60",
        str(4 << 30),
        "5000",
        sys.executable,
        "-c",
        f"{program}; print(os.nice(0))",
    ]
    said = subprocess.run(
        [sys.executable, "-I", "-S", *command], capture_output=True, check=True, timeout=30
    ).stdout
    assert said.decode().split("\n")[:2] == [
        str([(60, 60), (4 << 30, 4 << 30), (5000, 5000)]),
        str(min(os.nice(0) + confined.NICENESS, 19)),
    ]


def test_the_program_is_found():
    assert os.access(par2_program(), os.X_OK)


def test_the_time_limit_grows_with_the_set_and_the_damage_and_ends():
    assert time_limit_s(0, 0) < time_limit_s(1 << 30, 0) < time_limit_s(1 << 30, 100)
    assert time_limit_s(1 << 50, 32768) == time_limit_s(1 << 49, 32768)
