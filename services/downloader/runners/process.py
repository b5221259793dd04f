"""Instances as processes of this machine.

An instance holds a lock on `lock` in its own folder of the scratch directory for as long as it lives, and the
kernel lets go of it however the instance ends. So a launcher that was restarted sees what runs, and what a
dead instance left behind is told from what a living one uses.
"""

import asyncio
import fcntl
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

import structlog

from libs.common.errors import BusError
from services.downloader.errors import ScratchFull
from services.downloader.usenet.journal import JOURNAL

log = structlog.get_logger(__name__)

ID_VARIABLE = "MATINEE_INSTANCE_ID"
LOCK = "lock"
_UNBORN = ".new-"
_UNBORN_FOR_S = 60.0
SPOOL = "spool"
_BERTH = "attempt-"
_REMAINS = ".remains-"
_BERTH_KEPT_S = 900.0
"""Longer than the broker takes to give a dead instance's job to another, with its pauses between tries."""
STOP_S = 1.5


class Nest:
    """The instance's side: its own locked folder under the scratch directory. Use as a context manager."""

    def __init__(self, scratch: Path, instance: str) -> None:
        self.path = scratch / instance
        self._born_at = scratch / f"{_UNBORN}{instance}"
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> Path:
        # Locked before it has its name: nobody can take it for an abandoned one.
        self._born_at.mkdir(parents=True, mode=0o700)
        self._lock = (self._born_at / LOCK).open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._born_at.rename(self.path)
        return self.path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock:
            self._lock.close()


class Berth:
    """Where one attempt's bytes lie: if this instance is stopped or killed, the next one finds them.

    A context manager that gives its directory. Of that only `SPOOL` outlives an instance.
    """

    def __init__(self, scratch: Path, job_id: str, attempt: int, nest: Path) -> None:
        """`nest`: where the bytes go instead while another instance is still at this very attempt."""
        self._shared = scratch / f"{_BERTH}{job_id}-{attempt}"
        self._own = nest / "berth"
        self._lock: IO[bytes] | None = None
        self._path = self._own

    def __enter__(self) -> Path:
        """Raises `ScratchFull`."""
        try:
            self._shared.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = _locked(self._shared)
            if self._lock:
                self._path = self._shared
                for path in self._path.iterdir():
                    if path.name not in (LOCK, SPOOL):
                        _remove(path)
            self._path.mkdir(exist_ok=True)
        except OSError as error:
            raise ScratchFull(f"the scratch disk can't be written: {error.strerror}") from error
        return self._path

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Stopped, or cut off from the log: the attempt goes on elsewhere.
        if kind is None or not issubclass(kind, asyncio.CancelledError | BusError):
            _remove_berth(self._path)
        if self._lock:
            self._lock.close()


def new_instance_id() -> str:
    return f"instance-{secrets.token_hex(6)}"


class ProcessRunner:
    """The launcher's side."""

    def __init__(self, scratch: Path, environment: Mapping[str, str]) -> None:
        """`environment`: everything an instance gets to know, secrets included."""
        self._scratch = scratch
        self._environment = environment
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._watches: set[asyncio.Task[int]] = set()
        self.deaths = 0

    async def start(self, on_exit: Callable[[], None]) -> str:
        """Start an instance; its id. It finds its work by itself."""
        instance = new_instance_id()
        command = [sys.executable, "-m", "libs.cli.main", "instance"]
        process = self._children[instance] = await asyncio.create_subprocess_exec(
            *command,
            env={**self._environment, ID_VARIABLE: instance},
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        watch = asyncio.create_task(process.wait(), name=instance)
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        watch.add_done_callback(lambda _: on_exit())
        return instance

    def running(self) -> set[str]:
        """The instances alive now, those of an earlier launcher included."""
        for instance, process in list(self._children.items()):
            if process.returncode is not None:
                del self._children[instance]
                self.deaths = self.deaths + 1 if process.returncode else 0
                if process.returncode:
                    log.warning("instance_died", instance=instance, exit_code=process.returncode)
        return set(self._children) | {nest.name for nest in self._nests() if _is_held(nest / LOCK)}

    def sweep(self) -> int:
        """Remove what dead instances left in the scratch directory; how many folders."""
        swept = 0
        for nest in self._nests(with_unborn=True):
            if not _is_held(nest / LOCK):
                shutil.rmtree(nest, ignore_errors=True)
                swept += 1
        for berth in self._scratch.glob(f"{_BERTH}*"):
            if _is_abandoned(berth) and (lock := _locked(berth)):
                with lock:
                    _remove_berth(berth)
                swept += 1
        for remains in self._scratch.glob(f"{_REMAINS}*"):
            shutil.rmtree(remains, ignore_errors=True)
        return swept

    def _nests(self, *, with_unborn: bool = False) -> list[Path]:
        if not self._scratch.is_dir():
            return []
        nests = [p for p in self._scratch.iterdir() if p.is_dir() and p.name.startswith("instance-")]
        if with_unborn:
            nests += [p for p in self._scratch.glob(f"{_UNBORN}*") if _older_than(p, _UNBORN_FOR_S)]
        return nests

    async def stop(self) -> None:
        """Ask every instance that we started to end, and see to it that it does."""
        children = list(self._children.values())
        for process in children:
            with suppress(ProcessLookupError):
                process.terminate()
        try:
            if self._watches:
                await asyncio.wait(self._watches, timeout=STOP_S)
        finally:
            for process in children:
                with suppress(ProcessLookupError):
                    process.kill()


def _locked(berth: Path) -> IO[bytes] | None:
    """Its lock, held; None if another one holds it, or if it was removed in this moment."""
    lock = (berth / LOCK).open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock.fileno()).st_ino == (berth / LOCK).stat().st_ino:
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    lock.close()
    return None


def _remove_berth(berth: Path) -> None:
    """Out of the way first: nobody finds half of it."""
    remains = berth.with_name(f"{_REMAINS}{secrets.token_hex(4)}")
    with suppress(OSError):
        berth.rename(remains)
        shutil.rmtree(remains, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()


def _is_abandoned(berth: Path) -> bool:
    """Whether nobody has written there for long."""
    signs = (berth / LOCK, berth / SPOOL / JOURNAL, berth)
    return all(_older_than(sign, _BERTH_KEPT_S) for sign in signs if sign.exists())


def _older_than(path: Path, age_s: float) -> bool:
    try:
        return time.time() - path.stat().st_mtime > age_s
    except FileNotFoundError:
        return False


def _is_held(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:
        # Who can't tell must not delete.
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
