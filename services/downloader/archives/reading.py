"""How parsers of archives read, and how much they take before they refuse."""

from collections.abc import Awaitable, Callable

Read = Callable[[int, int], Awaitable[bytes]]
"""`await read(offset, length)` gives exactly these bytes of the volume."""

MAX_BLOCKS = 10_000
"""Blocks in one volume; a film's volume has three to a few hundred."""
MAX_PATH_BYTES = 8192
"""Twice what Linux takes; with MAX_BLOCKS it bounds what the entries of a volume can weigh."""
MAX_FILE_BYTES = 1 << 50
"""A petabyte: no film, and far from where sums of sizes stop to make sense."""
MAX_ENTRIES = 20_000
"""Files in all archives of a release: bounds time and memory. The largest packs have some thousands."""
