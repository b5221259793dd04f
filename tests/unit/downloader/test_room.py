"""Who may write how much on a disk that several attempts share."""

import shutil
from pathlib import Path

import pytest

from services.downloader.errors import ScratchFull
from services.downloader.room import SPARE_BYTES, reserve


def berth(scratch: Path, name: str) -> Path:
    path = scratch / name / "spool"
    path.mkdir(parents=True)
    return path.parent


def free_bytes(scratch: Path) -> int:
    return shutil.disk_usage(scratch).free - SPARE_BYTES


def test_what_others_were_promised_is_not_free(tmp_path: Path):
    half = free_bytes(tmp_path) // 2
    reserve(berth(tmp_path, "one"), half)
    with pytest.raises(ScratchFull, match=r"to spare, the release needs .* GB; free some space"):
        reserve(berth(tmp_path, "two"), half + (1 << 30))
    reserve(berth(tmp_path, "three"), half - (1 << 30))


def test_who_was_refused_holds_nothing(tmp_path: Path):
    with pytest.raises(ScratchFull):
        reserve(berth(tmp_path, "greedy"), 1 << 60)
    reserve(berth(tmp_path, "modest"), free_bytes(tmp_path) // 2)


def test_what_is_written_counts_once(tmp_path: Path):
    one = berth(tmp_path, "one")
    (one / "spool" / "film.bin").write_bytes(bytes(64 << 20))
    needed = free_bytes(tmp_path) + (32 << 20)
    reserve(one, needed)
    with pytest.raises(ScratchFull):
        reserve(berth(tmp_path, "two"), 1 << 30)


def test_who_is_gone_needs_nothing(tmp_path: Path):
    gone = berth(tmp_path, "gone")
    reserve(gone, free_bytes(tmp_path) // 2)
    shutil.rmtree(gone)
    reserve(berth(tmp_path, "next"), free_bytes(tmp_path) * 3 // 4)
