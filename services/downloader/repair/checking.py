"""Whether posted files are what par2 protects, by CRC-32s that are known without reading them. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import sabctools

from .packets import Par2File, Par2Set


def crc32_of_slices(file: Par2File, slice_bytes: int) -> int | None:
    """The file's CRC-32, put together from those of its slices; None if the set doesn't tell them."""
    if not file.checksums:
        return 0 if not file.size_bytes else None
    crcs, crc = file.slice_crcs, 0
    for slice_crc in crcs:
        crc = sabctools.crc32_combine(crc, slice_crc, slice_bytes)
    return sabctools.crc32_zero_unpad(crc, len(crcs) * slice_bytes - file.size_bytes)


def contradicted(
    files: Iterable[int], par2: Par2Set, protected: Mapping[int, Par2File], crc32: Callable[[int], int | None]
) -> list[int]:
    """Those of the posted `files` that aren't what the set protects. `crc32`: of one, if it can be told.

    Files that nothing but what comes later tells apart are passed over: one may have been taken for another.
    """
    alike = Counter((file.md5_16k, file.size_bytes) for file in protected.values())
    found: list[int] = []
    for index in files:
        file = protected.get(index)
        if file is None or alike[file.md5_16k, file.size_bytes] > 1:
            continue
        posted, expected = crc32(index), crc32_of_slices(file, par2.slice_bytes)
        if None not in (posted, expected) and posted != expected:
            found.append(index)
    return found
