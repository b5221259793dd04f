"""Room on the scratch disk: what an attempt needs must be free beside what others have yet to write."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from services.downloader.errors import ScratchFull
from services.downloader.runners.process import SPOOL

SPARE_BYTES: Final = 128 << 20
"""Left free on the scratch disk: the log and the databases may live there too."""
_PROMISED: Final = "promised"
_BLOCK_BYTES: Final = 512
"""What `st_blocks` counts in, whatever the disk's own blocks are (POSIX, `sys/stat.h`)."""


def reserve(berth: Path, needed_bytes: int) -> None:
    """Promises these bytes to the attempt whose berth this is, until the berth is removed.

    Of two that come at once and of which only one has room, both may be refused: they try again later.
    Raises `ScratchFull`.
    """
    try:
        promise = berth / _PROMISED
        promise.write_text(str(needed_bytes))
        others = sum(_yet_to_write(other) for other in berth.parent.iterdir() if other != berth)
        free = shutil.disk_usage(berth).free - others - SPARE_BYTES
        yet_needed = needed_bytes - _written(berth)
        if yet_needed > free:
            promise.unlink()
            raise ScratchFull(
                f"The scratch disk has {max(free, 0) / 1e9:.1f} GB to spare, the release needs "
                f"{yet_needed / 1e9:.1f} GB; free some space and try again."
            )
    except OSError as error:
        raise ScratchFull(f"the scratch disk at {berth.parent} fails: {error.strerror}") from error


def _yet_to_write(berth: Path) -> int:
    # It may be removed while we look; then it needs nothing more.
    with suppress(OSError, ValueError):
        return max(int((berth / _PROMISED).read_text()) - _written(berth), 0)
    return 0


def _written(berth: Path) -> int:
    written = 0
    for path in (berth / SPOOL).glob("*"):
        with suppress(OSError):
            written += path.stat().st_blocks * _BLOCK_BYTES
    return written
