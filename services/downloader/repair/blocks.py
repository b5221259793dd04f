"""How much is damaged, and which recovery volumes suffice. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from services.downloader.errors import BytesLost
from services.downloader.source import Span

from .packets import HEADER_BYTES, Par2File, Par2Set

MAX_RECOVERY_BLOCKS = 65535
"""Exponents have 16 bits."""


class NotEnoughBlocks(BytesLost):
    """More is damaged than the release can mend."""

    def __init__(self, missing: int, available: int) -> None:
        lacking = "1 block is" if missing == 1 else f"{missing} blocks are"
        super().__init__(f"{lacking} missing, the release brings {available}: it can't be mended")
        self.missing = missing
        self.available = available


class RecoveryFile(msgspec.Struct, frozen=True):
    """A posted par2 volume, and how many recovery blocks it brings."""

    file: int
    blocks: int


def touched_slices(file: Par2File, slice_bytes: int, holes: Iterable[Span]) -> set[int]:
    """The slices of the file that the holes touch, counted from 0: each costs one recovery block."""
    touched: set[int] = set()
    for hole in holes:
        end = min(hole.end, file.size_bytes)
        if hole.start < end:
            touched.update(range(hole.start // slice_bytes, -(-end // slice_bytes)))
    return touched


def damaged_slices(file: Par2File, slice_bytes: int, holes: Iterable[Span]) -> int:
    return len(touched_slices(file, slice_bytes, holes))


def needed_blocks(
    par2: Par2Set, protected: Mapping[int, Par2File], holes: Callable[[int], Iterable[Span]]
) -> int:
    """How many recovery blocks the set needs: those for the `holes` of each posted file (by its index), and
    as many as they have slices for files that were never posted.
    """
    slice_bytes = par2.slice_bytes
    posted = {file.file_id for file in protected.values()}
    missing = [file for file in par2.files.values() if file.file_id not in posted]
    return sum(damaged_slices(file, slice_bytes, holes(index)) for index, file in protected.items()) + sum(
        -(-file.size_bytes // slice_bytes) for file in missing
    )


def choose_volumes(volumes: Sequence[RecoveryFile], needed: int) -> list[RecoveryFile]:
    """Volumes that bring `needed` blocks with few to spare; none of them is superfluous.

    Exactly the fewest blocks for volumes of doubling size (1, 2, 4 …, as par2 makes them) and for equal ones.
    Raises `NotEnoughBlocks` if all together do not suffice.
    """
    available = sum(volume.blocks for volume in volumes)
    if needed > available:
        raise NotEnoughBlocks(needed, available)
    chosen: list[RecoveryFile] = []
    left: list[RecoveryFile] = []
    for volume in sorted(volumes, key=lambda volume: volume.blocks, reverse=True):
        taken = 0 < volume.blocks <= needed
        (chosen if taken else left).append(volume)
        needed -= volume.blocks if taken else 0
    if needed:
        # Every volume left over is larger than what is still needed, so the smallest does.
        chosen.append(min(left, key=lambda volume: (volume.blocks < needed, volume.blocks)))
    return _without_superfluous(chosen, chosen[-1].blocks - needed if needed else 0)


def blocks_of(name: str, size_bytes: int, par2: Par2Set, description_bytes: int) -> int:
    """How many recovery blocks a posted par2 file brings, before it is read: an estimate, rather too low.

    Its name says so (`.vol03+04.par2` brings 4); a name that is lost leaves arithmetic: beside its n blocks a
    volume has the description of the set, `description_bytes` large, about log2(n) times, as par2 writes it.
    """
    said = re.search(r"\.vol\d+[+-](\d{1,5})\.par2$", name, re.IGNORECASE)
    if said:
        return min(int(said[1]), size_bytes // par2.slice_bytes)
    packet_bytes = HEADER_BYTES + 4 + par2.slice_bytes
    blocks = min(size_bytes // packet_bytes, MAX_RECOVERY_BLOCKS)
    while blocks and blocks * packet_bytes + blocks.bit_length() * description_bytes > size_bytes:
        blocks -= 1
    return blocks


def _without_superfluous(chosen: list[RecoveryFile], spare: int) -> list[RecoveryFile]:
    kept: list[RecoveryFile] = []
    for volume in sorted(chosen, key=lambda volume: volume.blocks, reverse=True):
        if volume.blocks <= spare:
            spare -= volume.blocks
        else:
            kept.append(volume)
    return kept
