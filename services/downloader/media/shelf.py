"""What has been made for players, kept for the next who asks; made once, however many ask at a time."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

SHELF_BYTES: Final = 64 << 20
"""What was asked for longest ago goes first; what alone is larger isn't kept."""

Key = TypeVar("Key", bound=Hashable)


class Shelf(Generic[Key]):
    def __init__(self, make: Callable[[Key], Awaitable[bytes]], capacity_bytes: int = SHELF_BYTES) -> None:
        self._make = make
        self._capacity_bytes = capacity_bytes
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._kept_bytes = 0
        self._making: dict[Key, _Making] = {}

    async def get(self, key: Key) -> bytes:
        """Raises what `make` raises, to all who wait for it. The making ends when nobody waits any more."""
        if (kept := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return kept
        making = self._making.get(key)
        if making is None:
            making = self._making[key] = _Making(asyncio.create_task(self._made(key), name=f"make-{key}"))
        making.waiting += 1
        try:
            return await asyncio.shield(making.task)
        finally:
            making.waiting -= 1
            if not making.waiting and self._making.get(key) is making:
                del self._making[key]
                making.task.cancel()

    async def _made(self, key: Key) -> bytes:
        data = await self._make(key)
        if len(data) <= self._capacity_bytes:
            self._kept[key] = data
            self._kept_bytes += len(data)
            while self._kept_bytes > self._capacity_bytes:
                _, oldest = self._kept.popitem(last=False)
                self._kept_bytes -= len(oldest)
        return data


class _Making:
    def __init__(self, task: "asyncio.Task[bytes]") -> None:
        self.task = task
        self.waiting = 0
