"""What runs confined keeps its limits, and ends with whoever started it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from services.downloader import confined

PARENT = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:])
print(child.pid, flush=True)
child.wait()
"""


def command(*program: str, cpu_s: int = 60) -> list[str]:
    limits = [str(cpu_s), str(1 << 30), str(1 << 20)]
    return [sys.executable, "-I", "-S", confined.__file__, *limits, *program]


def test_it_ends_with_its_parent() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, *command("/bin/sleep", "60")], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout
    with parent.stdout:
        child = psutil.Process(int(parent.stdout.readline()))
        deadline = time.monotonic() + 10
        while child.name() != "sleep":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        parent.kill()
        parent.wait()
        gone, _ = psutil.wait_procs([child], timeout=5)
    assert gone


@pytest.mark.parametrize(
    ("program", "ends_by"),
    [
        ("while True: pass", signal.SIGKILL),
        ("open('large', 'wb').write(bytes(2 << 20))", None),
        ("bytearray(2 << 30)", None),
    ],
    ids=["time", "file size", "memory"],
)
def test_its_limits_hold(program: str, ends_by: signal.Signals | None, tmp_path: Path) -> None:
    done = subprocess.run(
        command(sys.executable, "-c", program, cpu_s=1), cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == -ends_by if ends_by else done.returncode == 1
    assert not list(tmp_path.glob("large")) or (tmp_path / "large").stat().st_size <= 1 << 20
