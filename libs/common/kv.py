"""Compare-and-set on JetStream's key-value buckets."""

from typing import Any

import msgspec
from nats.errors import Error as NatsError
from nats.js.errors import (
    KeyDeletedError,
    KeyNotFoundError,
    KeyWrongLastSequenceError,
    NoKeysError,
)

from libs.common.bus import Bus
from libs.common.errors import BusUnavailable, Conflict


class Entry(msgspec.Struct, frozen=True):
    value: bytes
    revision: int


class Bucket:
    """One bucket. Every method raises BusUnavailable if the broker doesn't answer."""

    def __init__(self, bus: Bus, name: str) -> None:
        self._bus = bus
        self._name = name

    async def get(self, key: str) -> Entry | None:
        found, _ = await self._look(key)
        return found

    async def _look(self, key: str) -> tuple[Entry | None, int]:
        """The entry, and the revision that a write must name."""
        try:
            kv = await self._bus.js.key_value(self._name)
            entry = await kv.get(key)
        except KeyDeletedError as error:
            deleted: Any = error.entry
            return None, int(deleted.revision or 0) if deleted else 0
        except KeyNotFoundError:
            return None, 0
        except (NatsError, TimeoutError) as error:
            raise BusUnavailable("NATS does not answer") from error
        # After a time-to-live has run out nats-py gives an entry without a value.
        if entry.value is None:
            return None, entry.revision or 0
        return Entry(entry.value, entry.revision or 0), entry.revision or 0

    async def create(self, key: str, value: bytes) -> int:
        """Write a key that has no value; its revision. Raises Conflict if it has one."""
        found, revision = await self._look(key)
        if found:
            raise Conflict(f"{self._name}/{key} exists")
        return await self.update(key, value, revision)

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Write if the key is still at `revision` (0: never written). Raises Conflict otherwise."""
        try:
            kv = await self._bus.js.key_value(self._name)
            return await kv.update(key, value, last=revision)
        except KeyWrongLastSequenceError as error:
            raise Conflict(f"{self._name}/{key} was written by someone else") from error
        except (NatsError, TimeoutError) as error:
            raise BusUnavailable("NATS does not answer") from error

    async def put(self, key: str, value: bytes) -> int:
        try:
            kv = await self._bus.js.key_value(self._name)
            return await kv.put(key, value)
        except (NatsError, TimeoutError) as error:
            raise BusUnavailable("NATS does not answer") from error

    async def delete(self, key: str) -> None:
        try:
            kv = await self._bus.js.key_value(self._name)
            await kv.delete(key)
        except (NatsError, TimeoutError) as error:
            raise BusUnavailable("NATS does not answer") from error

    async def keys(self) -> list[str]:
        try:
            kv = await self._bus.js.key_value(self._name)
            return await kv.keys()
        except NoKeysError:
            return []
        except (NatsError, TimeoutError) as error:
            raise BusUnavailable("NATS does not answer") from error


def key_of(name: str) -> str:
    """A bucket key from an id such as `tmdb:movie:603`: keys know no colon."""
    return name.replace(":", ".")
