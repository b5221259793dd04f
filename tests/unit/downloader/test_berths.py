"""Where an attempt's bytes lie between one instance and the next."""

import asyncio
import os
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from libs.common.errors import BusUnavailable
from services.downloader.errors import BytesLost, ScratchFull
from services.downloader.runners.process import LOCK, SPOOL, Berth, ProcessRunner

LONG_AGO = time.time() - 3_600


def berth(scratch: Path, instance: str = "one") -> Berth:
    nest = scratch / f"instance-{instance}"
    nest.mkdir(parents=True, exist_ok=True)
    return Berth(scratch, "job_1_00", 1, nest)


def leave_spool(scratch: Path, why: BaseException | None) -> Path:
    """An instance that leaves something behind; where."""
    with pytest.raises(type(why)) if why else nullcontext(), berth(scratch) as path:
        (path / SPOOL).mkdir(exist_ok=True)
        (path / SPOOL / "film.bin").write_bytes(b"film")
        (path / "repair-x").mkdir()
        if why:
            raise why
    return path


def age(path: Path) -> None:
    for one in (path, *path.rglob("*")):
        os.utime(one, (LONG_AGO, LONG_AGO))


@pytest.mark.parametrize("why", [None, BytesLost("gone"), OSError(5, "I/O error")], ids=str)
def test_an_attempt_that_is_over_leaves_nothing(tmp_path: Path, why: BaseException | None):
    leave_spool(tmp_path, why)
    assert [path.name for path in tmp_path.iterdir()] == ["instance-one"]


@pytest.mark.parametrize("why", [asyncio.CancelledError(), BusUnavailable("no NATS")], ids=repr)
def test_who_is_stopped_leaves_the_spool_and_nothing_else_to_the_next(tmp_path: Path, why: BaseException):
    path = leave_spool(tmp_path, why)
    with berth(tmp_path, "two") as again:
        assert again == path
        assert {entry.name for entry in again.iterdir()} == {LOCK, SPOOL}
        assert (again / SPOOL / "film.bin").read_bytes() == b"film"


def test_two_at_one_attempt_have_places_of_their_own(tmp_path: Path):
    with berth(tmp_path) as one, berth(tmp_path, "two") as two:
        assert one != two
        assert two.is_relative_to(tmp_path / "instance-two")


def test_what_was_left_is_swept_when_nobody_came_for_long(tmp_path: Path):
    path = leave_spool(tmp_path, asyncio.CancelledError())
    runner = ProcessRunner(tmp_path, {})
    # It began long ago; what counts is when something was written there last.
    os.utime(path / LOCK, (LONG_AGO, LONG_AGO))
    assert (runner.sweep(), path.exists()) == (1, True)
    age(path)
    with berth(tmp_path):
        age(path)
        runner.sweep()
        assert path.exists()
    path = leave_spool(tmp_path, asyncio.CancelledError())
    (path / LOCK).unlink()
    age(path)
    # The nest of the instance, and the berth.
    assert (runner.sweep(), list(tmp_path.iterdir())) == (2, [])


def test_remains_of_a_removal_are_swept(tmp_path: Path):
    (tmp_path / ".remains-abc").mkdir()
    ProcessRunner(tmp_path, {}).sweep()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fails_is_told(tmp_path: Path):
    (tmp_path / "attempt-job_1_00-1").write_bytes(b"no folder")
    with pytest.raises(ScratchFull, match="can't be written"), berth(tmp_path):
        pass
