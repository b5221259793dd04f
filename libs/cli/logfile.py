"""A child's log: a file that the child itself writes, read along for what a person should see."""

import json
import shutil
from pathlib import Path
from typing import IO, Any, cast

KEPT_FILES = 3
MAX_BYTES = 10 * 1024 * 1024
MAX_READ_BYTES = 256 * 1024
"""Read at one look; if more was written in between, the oldest of it is not shown."""
MAX_SHOWN_CHARS = 200
_LOUD = ("warning", "error", "critical")
# How nats-server marks the lines that matter.
_LOUD_MARKS = ("[WRN]", "[ERR]", "[FTL]")
_UNSHOWN = ("level", "timestamp", "service", "event", "exception", "library")


class LogFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_up_to = path.stat().st_size if path.exists() else 0

    def open(self) -> IO[bytes]:
        """For a child to write to; it appends, also after the file was rotated."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self.path.open("ab")

    def rotate(self) -> None:
        """Beyond 10 MiB the lines move to `.1`, those to `.2`, and the oldest go.

        Copied and cut, for the children keep the file open; a line written in between may be lost.
        """
        if not self.path.exists() or self.path.stat().st_size < MAX_BYTES:
            return
        for number in range(KEPT_FILES - 1, 1, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        shutil.copyfile(self.path, self._numbered(1))
        with self.path.open("r+b") as file:
            file.truncate(0)
        self._read_up_to = 0

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def new_lines(self) -> list[str]:
        """The whole lines written since the last time."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, 2)
                start = min(max(self._read_up_to, size - MAX_READ_BYTES), size)
                file.seek(start)
                data = file.read(MAX_READ_BYTES)
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._read_up_to = start + len(whole)
        return whole.decode(errors="replace").splitlines()

    def last_line(self) -> str:
        """The last thing said: of a crash, what it was. Empty if there is nothing, or it can't be read."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - 4096))
                lines = file.read(4096).decode(errors="replace").splitlines()
        except OSError:
            return ""
        return next((_cut(line.strip()) for line in reversed(lines) if line.strip()), "")


def loud(line: str) -> str | None:
    """What a terminal shows of a line: None unless it is a warning or worse."""
    if any(mark in line for mark in _LOUD_MARKS):
        return _cut(line)
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict):
        return None
    fields = cast("dict[str, Any]", entry)
    if str(fields.get("level", "")).lower() not in _LOUD:
        return None
    rest = [f"{key}={value}" for key, value in fields.items() if key not in _UNSHOWN]
    return _cut(" ".join([str(fields.get("event", "")), *rest]))


def _cut(text: str) -> str:
    # What a log says came from outside in part: no control characters on the owner's terminal.
    plain = "".join(c if c.isprintable() else " " for c in text[: MAX_SHOWN_CHARS + 1])
    return plain if len(plain) <= MAX_SHOWN_CHARS else f"{plain[:MAX_SHOWN_CHARS]}…"
