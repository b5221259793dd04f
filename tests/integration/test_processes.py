"""Programs of others: what the kernel holds them to, and that none is left behind."""

import asyncio
import signal
import sys
from pathlib import Path

import psutil
import pytest

from services.downloader.processes import Limits, confined_process, tail

LIMITS = Limits(cpu_s=10, memory_bytes=1 << 30, file_bytes=0)
PARENT = """
import asyncio, sys
from pathlib import Path
from services.downloader.processes import Limits, confined_process

async def main():
    limits = Limits(cpu_s=10, memory_bytes=1 << 30, file_bytes=0)
    arguments = ["-c", "echo $$; exec sleep 60"]
    async with confined_process(
        Path("/bin/sh"), arguments, limits, directory=Path("/"), errors_to=asyncio.subprocess.DEVNULL
    ) as process:
        sys.stdout.buffer.write(await process.stdout.readline())
        sys.stdout.flush()
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def said_by(script: str, directory: Path) -> tuple[str, int]:
    async with confined_process(
        Path("/bin/sh"), ["-c", script], LIMITS, directory=directory, errors_to=asyncio.subprocess.DEVNULL
    ) as process:
        return await tail(process.stdout), await process.wait()


async def test_it_can_talk_and_not_write(tmp_path: Path) -> None:
    said, status = await said_by("echo here; pwd; env | grep -c HOME; echo lost > file; echo $?", tmp_path)
    assert said.split()[:2] == ["here", str(tmp_path)]
    assert status == -signal.SIGXFSZ or said.split()[-1] != "0"
    assert not (tmp_path / "file").exists() or (tmp_path / "file").read_bytes() == b""


async def test_its_whole_group_ends_with_whoever_wanted_it(tmp_path: Path) -> None:
    async with confined_process(
        Path("/bin/sh"),
        ["-c", "sleep 60 & echo $!; wait"],
        LIMITS,
        directory=tmp_path,
        errors_to=asyncio.subprocess.DEVNULL,
    ) as process:
        assert process.stdout
        grandchild = psutil.Process(int(await process.stdout.readline()))
    async with asyncio.timeout(5):
        while grandchild.is_running() and grandchild.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.02)


async def test_one_that_never_stops_talking_is_stopped(tmp_path: Path) -> None:
    async with asyncio.timeout(10):
        async with confined_process(
            Path("/bin/sh"),
            ["-c", "yes"],
            LIMITS,
            directory=tmp_path,
            errors_to=asyncio.subprocess.DEVNULL,
        ) as process:
            await asyncio.sleep(0.2)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")
async def test_it_ends_when_its_parent_is_killed() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout
    child = psutil.Process(int(await parent.stdout.readline()))
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(5):
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.02)
