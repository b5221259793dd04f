"""Seconds, CPU and memory: of the machine, of a program, of a process that is watched."""

import os
import platform
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

TICKS = os.sysconf("SC_CLK_TCK")
LOOK_EVERY_S = 0.02
PROCESS_START = """
from libs.cli.lean import import_without_extras, no_garbage
with no_garbage():
    import_without_extras()
    import libs.cli.main, services.downloader.instance
"""

TOUCH = """
import mmap, sys
size_bytes = int(sys.argv[1])
memory = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for at in range(0, size_bytes, mmap.PAGESIZE):
    memory[at] = 1
"""


def machine() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    processor = found[1] if found else platform.processor()
    return f"{os.cpu_count()} × {processor}, {platform.system()}, Python {platform.python_version()}"


def run_timed(*command: Sequence[object], check: bool = True) -> float:
    """Seconds of a program's run; its output is dropped."""
    started = time.perf_counter()
    subprocess.run([str(part) for parts in command for part in parts], check=check, capture_output=True)
    return time.perf_counter() - started


def process_start() -> float:
    """Seconds from nothing to an instance that has loaded what it is made of, and done nothing."""
    return run_timed([sys.executable, "-c", PROCESS_START])


def touch_memory(size_bytes: int) -> None:
    """Have the machine's free memory really there before something is timed.

    A virtual machine gives freed memory back to its host, and pays up to 2 CPU seconds for each GiB that it
    touches anew: whoever is measured first would pay for all.
    """
    run_timed([sys.executable, "-c", TOUCH, size_bytes])


def children(pid: int) -> set[int]:
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            found.update(map(int, (task / "children").read_text().split()))
        except OSError:
            continue
    return found


def cpu_s(pid: int) -> float:
    """CPU so far of one process and its children that have ended; 0 if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    return sum(map(int, stat.rsplit(")", 1)[1].split()[11:15])) / TICKS


def peak_bytes(pid: int) -> int:
    """The most memory that a process ever held (VmHWM); 0 if it is gone."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


@dataclass
class Watch:
    """Looks at the children of a process until left: CPU (with what they waited for) and memory of each.

    A context manager. Who was there before doesn't count.
    """

    pid: int
    cpu: dict[int, float] = field(default_factory=dict[int, float])
    peak: dict[int, int] = field(default_factory=dict[int, int])

    def __enter__(self) -> Self:
        self._before = children(self.pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            self._look()
        self._look()

    def _look(self) -> None:
        for pid in children(self.pid) - self._before:
            self.cpu[pid] = max(self.cpu.get(pid, 0.0), cpu_s(pid))
            self.peak[pid] = max(self.peak.get(pid, 0), peak_bytes(pid))
