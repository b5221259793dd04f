"""One data directory, one Matinee: the lock on it, and what a killed one left running there."""

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from libs.cli.failure import CommandFailed
from libs.cli.running import SERVICES_FILE, read_json
from libs.common.settings import Settings

ENDS_BY_ITSELF_S = 6.0
"""Children notice within this time that their supervisor is gone."""
TERMINATE_S = 3.0


@contextmanager
def occupied(settings: Settings) -> Generator[None]:
    """Hold the directory as long as the block runs. Raises `CommandFailed` if somebody else does.

    The kernel lets go of the lock however we end.
    """
    lock = settings.run_dir / "lock"
    try:
        settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CommandFailed(
            f"The data directory {settings.data} can't be used: {error.strerror}. "
            "Give this user the right to write there, or name another by --data."
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = read_json(lock)
            raise CommandFailed(
                f"Matinee is already running on {settings.data} "
                f"(pid {holder.get('pid')}, {holder.get('url')}). Stop it first, or use another --data."
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps({"pid": os.getpid(), "url": settings.public_url}).encode())
        yield
    finally:
        os.close(descriptor)


def end_leftovers(settings: Settings) -> bool:
    """End what an earlier supervisor, killed, left running on this directory; whether there was anything."""
    left = _left_running(settings)
    _wait_until_gone(left, settings.data, ENDS_BY_ITSELF_S)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in left:
            if _runs_for(pid, settings.data):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        _wait_until_gone(left, settings.data, TERMINATE_S)
    (settings.run_dir / SERVICES_FILE).unlink(missing_ok=True)
    return bool(left)


def _left_running(settings: Settings) -> list[int]:
    entries = read_json(settings.run_dir / SERVICES_FILE).values()
    pids = [cast("dict[str, Any]", entry).get("pid") for entry in entries if isinstance(entry, dict)]
    with suppress(OSError, ValueError):
        pids.append(int((settings.run_dir / "nats.pid").read_text()))
    return [pid for pid in set(pids) if isinstance(pid, int) and pid > 1 and _runs_for(pid, settings.data)]


def _wait_until_gone(pids: list[int], data: Path, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while any(_runs_for(pid, data) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)


def _runs_for(pid: int, data: Path) -> bool:
    """Whether the process is alive and one of ours: numbers are used again by others."""
    command = _command_line(pid)
    return str(data) in command and ("libs." in command or "nats-server" in command)


def _command_line(pid: int) -> str:
    """Empty if there is no such process, or only its remains (a zombie)."""
    proc = Path("/proc")
    if (proc / "self").exists():
        with suppress(OSError):
            return (proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return ""
    shown = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False, timeout=5
    )
    return shown.stdout
