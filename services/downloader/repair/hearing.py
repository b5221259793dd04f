"""How far the par2 program is, by what it says: it looks through the files, multiplies, and looks again.

Each of the three counts for a third: how long they take depends on the damage, and only their order is sure.
"""

import re
from typing import Final

_REPAIRING = re.compile(rb"Repairing: (\d{1,3}\.\d)%")
_CHECKED = b"Target: "
_BEGINS_AGAIN = b"Verifying repaired files"
PIECE_BYTES_MAX: Final = 4096
"""Longer than any line that tells something."""


class Hearing:
    """Told everything that the program says, piece by piece."""

    def __init__(self) -> None:
        self.share = 0.0
        """From 0 to 1; never falls."""
        self.files = 1
        """How many the program is shown."""
        self._checked = 0
        self._is_repaired = False
        self._rest = b""

    def hear(self, said: bytes) -> None:
        lines = re.split(rb"[\r\n]", self._rest + said)
        self._rest = lines.pop()[-PIECE_BYTES_MAX:]
        for line in lines:
            self._hear(line)

    def _hear(self, line: bytes) -> None:
        if line.startswith(_BEGINS_AGAIN):
            self._is_repaired, self._checked = True, 0
        elif line.startswith(_CHECKED):
            self._checked += 1
            self._rise(2 * self._is_repaired + min(self._checked / max(self.files, 1), 1))
        elif found := _REPAIRING.fullmatch(line):
            self._rise(1 + float(found[1]) / 100)

    def _rise(self, thirds: float) -> None:
        self.share = max(self.share, min(thirds / 3, 1.0))
