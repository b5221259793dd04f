"""Programs of others, run on foreign data: with limits, without our environment, and never left behind."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from . import confined

KEPT_OUTPUT_BYTES = 16 * 1024
"""The verdict is at the end of what a program says."""
PIPE_BYTES = 1 << 20


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel holds a program to."""

    cpu_s: int
    """Of all its threads together."""
    memory_bytes: int
    """Of address space."""
    file_bytes: int
    """Of the largest file it writes; with 0 it can write none at all. Pipes don't count."""


@asynccontextmanager
async def confined_process(
    program: Path, arguments: Sequence[str], limits: Limits, *, directory: Path, errors_to: int
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """The running program, in `directory`; what it says comes through a pipe, and it is asked nothing.

    `errors_to`: where its stderr goes, as for `subprocess`. Its whole process group is killed at the end if
    it still runs; on Linux the kernel kills the program also if this process dies.
    """
    numbers = [limits.cpu_s, limits.memory_bytes, limits.file_bytes]
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-I", "-S", confined.__file__, *map(str, numbers), str(program), *arguments],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=errors_to,
        cwd=directory,
        env={},
        start_new_session=True,
        limit=PIPE_BYTES,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            # A pipe that is full keeps `wait` waiting.
            while process.stdout and await process.stdout.read(PIPE_BYTES):
                pass
            await process.wait()


async def tail(said: asyncio.StreamReader | None, hear: Callable[[bytes], None] = lambda _: None) -> str:
    """The end of what a program says, once it has said everything. `hear` is told all of it as it comes."""
    assert said is not None  # noqa: S101  it was started with a pipe
    kept = b""
    while piece := await said.read(KEPT_OUTPUT_BYTES):
        hear(piece)
        kept = (kept + piece)[-KEPT_OUTPUT_BYTES:]
    return kept.decode(errors="replace")
