"""How parsers of archives read, and how much they take before they refuse."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

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
READS_AT_ONCE = 32
"""A set of a hundred volumes is then read in a few round trips, and not in a hundred."""


async def each(items: Sequence[Item], work: Callable[[Item], Awaitable[Result]]) -> list[Result]:
    """The results of `work`, in the order of `items`, some at once. The first error raised stops it."""
    turns = asyncio.Semaphore(READS_AT_ONCE)

    async def in_turn(item: Item) -> Result:
        async with turns:
            return await work(item)

    try:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(in_turn(item), name=f"archive-{at}") for at, item in enumerate(items)
            ]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return [task.result() for task in running]
