from pathlib import Path

import pytest

from libs.cli.logfile import KEPT_FILES, MAX_BYTES, MAX_READ_BYTES, LogFile, loud


def write(log: LogFile, text: str) -> None:
    with log.open() as file:
        file.write(text.encode())


def test_lines_are_seen_once_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("of an earlier run\n")
    log = LogFile(path)
    assert log.new_lines() == []
    write(log, "one\ntw")
    assert log.new_lines() == ["one"]
    write(log, "o\nthree\n")
    assert log.new_lines() == ["two", "three"]
    assert log.new_lines() == []
    assert log.last_line() == "three"


def test_its_directory_is_made_whenever_it_is_missing(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "logs" / "a.log")
    assert (log.new_lines(), log.last_line()) == ([], "")
    write(log, "one\n")
    log.path.unlink()
    log.path.parent.rmdir()
    write(log, "two\n")
    assert log.last_line() == "two"


def test_a_flood_is_read_from_its_end(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "a.log")
    write(log, "x" * (2 * MAX_READ_BYTES) + "\nlast\n")
    assert log.new_lines()[-1] == "last"
    assert log.new_lines() == []


def test_a_large_log_moves_on_while_a_child_writes(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "a.log")
    with log.open() as child:
        for generation in range(KEPT_FILES + 2):
            child.write(f"{generation}\n".encode() + b"x" * MAX_BYTES)
            child.flush()
            log.rotate()
        child.write(b"after\n")
        child.flush()
        log.rotate()
    assert log.new_lines() == ["after"]
    older = sorted(path for path in tmp_path.iterdir() if path != log.path)
    assert [path.name for path in older] == ["a.log.1", "a.log.2"]
    assert [path.read_bytes()[:1] for path in older] == [b"4", b"3"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"level": "info", "event": "started"}', None),
        (
            '{"job_id": "j", "event": "failed", "level": "warning", "timestamp": "t", "service": "s"}',
            "failed job_id=j",
        ),
        ('{"level":"ERROR","library":"x","event":"boom"}', "boom"),
        ("[1] 2026/01/01 [INF] Listening", None),
        ("[1] 2026/01/01 [ERR] no space", "[1] 2026/01/01 [ERR] no space"),
        ("Traceback (most recent call last):", None),
        ("[1, 2]", None),
        ('{"level": "error", "event": "a\\u001b[2Jb"}', "a [2Jb"),
        ('{"level": "error", "event": "' + "e" * 500 + '"}', "e" * 200 + "…"),
    ],
)
def test_only_what_is_wrong_is_shown_and_cannot_play_with_the_terminal(line: str, shown: str | None) -> None:
    assert loud(line) == shown
