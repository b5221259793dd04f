"""Compare-and-set on JetStream's key-value buckets (NATS ADR-8), spoken directly.

nats-py's own client hides the revision of a deleted key and takes an expired one for a value.
"""

import msgspec
from nats.errors import Error as NatsError
from nats.js.errors import APIError, NotFoundError

from libs.common.bus import WRONG_LAST_SEQUENCE, Bus, headers_of
from libs.common.errors import BusUnavailable, Conflict

_GONE_HEADERS = ("KV-Operation", "Nats-Marker-Reason")


class Entry(msgspec.Struct, frozen=True):
    value: bytes
    revision: int


class Bucket:
    """One bucket. Every method raises BusUnavailable if the broker doesn't answer."""

    def __init__(self, bus: Bus, name: str) -> None:
        self._js = bus.js
        self._name = name

    async def get(self, key: str) -> Entry | None:
        found, _ = await self._look(key)
        return found

    async def create(self, key: str, value: bytes) -> int:
        """Write a key that has no value; its revision. Raises Conflict if it has one."""
        found, revision = await self._look(key)
        if found:
            raise Conflict(f"{self._name}/{key} exists")
        return await self.update(key, value, revision)

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Write if the key is still at `revision` (0: never written); the new revision. Raises Conflict."""
        return await self._write(key, value, {"Nats-Expected-Last-Subject-Sequence": str(revision)})

    async def put(self, key: str, value: bytes) -> int:
        return await self._write(key, value, {})

    async def delete(self, key: str) -> None:
        await self._write(key, b"", {"KV-Operation": "DEL"})

    async def _look(self, key: str) -> tuple[Entry | None, int]:
        """The entry, and the revision that a write must name."""
        try:
            message = await self._js.get_last_msg(f"KV_{self._name}", self._subject(key), direct=True)
        except NotFoundError:
            return None, 0
        except (NatsError, TimeoutError) as error:
            raise BusUnavailable("NATS does not answer") from error
        headers = headers_of(message)
        revision = message.seq or 0
        gone = any(name in headers for name in _GONE_HEADERS)
        return (None if gone else Entry(message.data or b"", revision)), revision

    async def _write(self, key: str, value: bytes, headers: dict[str, str]) -> int:
        try:
            ack = await self._js.publish(self._subject(key), value, headers=headers)
        except APIError as error:
            if error.err_code == WRONG_LAST_SEQUENCE:
                raise Conflict(f"{self._name}/{key} was written by someone else") from error
            raise BusUnavailable(f"NATS refused to write {self._name}: {error.description}") from error
        except (NatsError, TimeoutError) as error:
            raise BusUnavailable("NATS does not answer") from error
        return ack.seq

    def _subject(self, key: str) -> str:
        return f"$KV.{self._name}.{key}"


def key_of(name: str) -> str:
    """A bucket key from an id such as `tmdb:movie:603`: keys know no colon."""
    return name.replace(":", ".")
