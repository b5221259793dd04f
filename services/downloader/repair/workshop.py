"""The directory a repair works in: posted files and recovery blocks under names of our own.

No foreign name ever gets here. The description of the set is written anew with neutral names, and of the
recovery volumes only whole, proven recovery packets of this set are taken over; so whatever else a par2
file may hold, the par2 program does not see it.
"""

import mmap
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from .packets import HEADER_BYTES, Kind, Par2File, Par2Set, description, packets

INDEX = "index.par2"
DATA = "data"


class Workshop:
    """`directory` must be new and empty; it is not removed here."""

    def __init__(self, directory: Path, par2: Par2Set) -> None:
        self.directory = directory
        self._par2 = par2
        self._names = {file_id: f"{number:05}" for number, file_id in enumerate(par2.files)}
        (directory / DATA).mkdir()

    def write_index(self, recovery: Iterable[Path]) -> int:
        """Makes the one par2 file from the recovery volumes; returns how many different blocks it holds.

        Raises `ArchiveRefused` for a volume that is an attack, and OSError.
        """
        exponents: set[bytes] = set()
        with (self.directory / INDEX).open("wb") as index:
            index.write(description(self._par2, list(self._names.values())))
            for path in recovery:
                if path.stat().st_size:
                    self._take_over(path, index, exponents)
        return len(exponents)

    def link(self, spool: Mapping[bytes, Path]) -> None:
        """Shows posted files (by file id) to the program, which replaces links, not what they lead to."""
        for file_id, path in spool.items():
            if path.exists():
                (self.directory / DATA / self._names[file_id]).symlink_to(path.resolve())

    def is_rewritten(self, file: Par2File) -> bool:
        """Whether the program wrote this file anew, in its full size."""
        made = self.directory / DATA / self._names[file.file_id]
        return not made.is_symlink() and made.is_file() and made.stat().st_size == file.size_bytes

    def bring_back(self, file: Par2File, spool: Path) -> None:
        """Puts a mended file in the place of the damaged one: at once if both are on one file system."""
        shutil.move(self.directory / DATA / self._names[file.file_id], spool)

    def _take_over(self, volume: Path, index: BinaryIO, exponents: set[bytes]) -> None:
        block_bytes = 4 + self._par2.slice_bytes
        with volume.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
            # A list, so that nothing looks into `data` any more when it is closed, whatever happens.
            for packet in list(packets(data)):
                exponent = data[packet.start : packet.start + 4]
                if (
                    packet.kind == Kind.RECOVERY
                    and packet.set_id == self._par2.set_id
                    and packet.end - packet.start == block_bytes
                    and exponent not in exponents
                ):
                    exponents.add(exponent)
                    index.write(data[packet.start - HEADER_BYTES : packet.end])
