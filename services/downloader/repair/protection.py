"""The par2 sets that a release brings, and what they protect."""

from collections.abc import Mapping, Sequence

import msgspec

from services.downloader.errors import ArchiveRefused, BytesLost
from services.downloader.source import PostedFile, Source, Urgency

from .blocks import RecoveryFile, blocks_of
from .names import heads_md5, match
from .packets import Par2File, Par2Set, description, parse

MAX_SETS = 64
"""A season pack may bring a set for each episode; more are passed over."""
MAX_INDEX_BYTES = 16 << 20
"""What is read to learn what a set protects; an index of the most slices allowed is below 2 MiB."""
MAX_TRIES = 3
"""Volumes of a set that are tried if the smallest one is damaged."""


class Protection(msgspec.Struct, frozen=True, kw_only=True):
    """A par2 set, the posted files it protects (by their index), and the posted volumes it is mended with."""

    par2: Par2Set
    protected: Mapping[int, Par2File]
    recovery_files: Sequence[RecoveryFile]

    @property
    def recovery_bytes(self) -> int:
        """How many bytes it could mend at most."""
        return self.par2.slice_bytes * sum(volume.blocks for volume in self.recovery_files)


async def protections(
    source: Source, volumes: Sequence[PostedFile], others: Sequence[PostedFile]
) -> list[Protection]:
    """What the par2 `volumes` of a release protect among the `others`. Reads one small volume of each set.

    A set of which no volume can be read is left out: without it the release is only unprotected.
    """
    sets: dict[bytes, list[PostedFile]] = {}
    for file in sorted(volumes, key=lambda file: file.size_bytes):
        if file.head:
            sets.setdefault(file.head[32:48], []).append(file)
    if len(sets) == 1:
        # A volume whose beginning is lost may still have whole recovery packets.
        next(iter(sets.values())).extend(file for file in volumes if not file.head)
    md5s = heads_md5(others)
    found: list[Protection] = []
    for members in list(sets.values())[:MAX_SETS]:
        if read := await _read_smallest(source, members):
            index, par2 = read
            found.append(
                Protection(
                    par2=par2,
                    protected=match(others, md5s, par2.files.values()),
                    recovery_files=_recovery_files(members, index, par2),
                )
            )
    return found


async def _read_smallest(source: Source, members: Sequence[PostedFile]) -> tuple[int, Par2Set] | None:
    for file in members[:MAX_TRIES]:
        if file.size_bytes > MAX_INDEX_BYTES:
            return None
        try:
            return file.index, parse(await source.read(file.index, 0, file.size_bytes, Urgency.DESCRIBE))
        except (BytesLost, ArchiveRefused):
            continue
    return None


def _recovery_files(members: Sequence[PostedFile], index: int, par2: Par2Set) -> list[RecoveryFile]:
    described_bytes = len(description(par2, [""] * len(par2.files)))
    counted = [
        RecoveryFile(
            file.index,
            par2.recovery_blocks
            if file.index == index
            else blocks_of(file.name, file.size_bytes, par2, described_bytes),
        )
        for file in members
    ]
    return [volume for volume in counted if volume.blocks]
