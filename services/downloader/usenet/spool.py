"""The spool: one sparse file per posted file, named by its number and never by what a poster called it."""

import os
from collections import OrderedDict
from pathlib import Path
from typing import Final

from services.downloader.errors import ScratchFull

OPEN_FILES_MAX: Final = 64
"""Files kept open for writing; a release may have thousands, a process 1024 descriptors."""


class Spool:
    """Writing belongs to one thread; reading and `path` to any."""

    def __init__(self, directory: Path) -> None:
        """Makes the directory. Raises `ScratchFull` if that can't be done."""
        self._directory = directory
        self._writers: OrderedDict[int, int] = OrderedDict()
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _translated(error, directory) from error

    def path(self, file: int) -> Path:
        return self._directory / f"{file:04d}.bin"

    def write(self, file: int, offset: int, data: bytes | bytearray, file_bytes: int) -> None:
        """All of `data` at `offset` of a file of `file_bytes`. Raises `ScratchFull`."""
        try:
            writer = self._writer(file, file_bytes)
            remaining = memoryview(data)
            while remaining:
                written = os.pwrite(writer, remaining, offset)
                remaining, offset = remaining[written:], offset + written
        except OSError as error:
            raise _translated(error, self._directory) from error

    def read(self, file: int, offset: int, length: int) -> bytes:
        """These bytes, or as many as the file has. Raises `ScratchFull` if the disk fails."""
        try:
            with self.path(file).open("rb", buffering=0) as reader:
                return os.pread(reader.fileno(), length, offset)
        except OSError as error:
            raise _translated(error, self._directory) from error

    def complete(self, file: int, file_bytes: int) -> None:
        """Make sure that the file is there and has its size, whatever was written. Raises `ScratchFull`."""
        try:
            with self.path(file).open("ab") as appender:
                os.truncate(appender.fileno(), file_bytes)
        except OSError as error:
            raise _translated(error, self._directory) from error

    def close(self) -> None:
        while self._writers:
            _, writer = self._writers.popitem()
            os.close(writer)

    def _writer(self, file: int, file_bytes: int) -> int:
        writer = self._writers.get(file)
        if writer is not None:
            self._writers.move_to_end(file)
            return writer
        if len(self._writers) >= OPEN_FILES_MAX:
            os.close(self._writers.popitem(last=False)[1])
        writer = os.open(self.path(file), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._writers[file] = writer
        os.truncate(writer, file_bytes)
        return writer


def _translated(error: OSError, directory: Path) -> ScratchFull:
    why = error.strerror or type(error).__name__
    return ScratchFull(
        f"the scratch disk at {directory} can't take the download ({why}); free some space there"
    )
