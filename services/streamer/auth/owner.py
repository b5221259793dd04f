"""The owner's password: an Argon2id hash (RFC 9106) under one key of the bucket `owner`."""

import asyncio
from datetime import datetime

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from libs.common.bus import Bus
from libs.common.errors import Conflict, ErrorCode, ServiceError
from libs.common.kv import Bucket
from libs.common.streams import OWNER

MIN_PASSWORD_CHARS = 8
MAX_PASSWORD_CHARS = 200
CONCURRENT_HASHES = 2
"""Each takes 64 MiB for some tens of milliseconds."""

_KEY = "password"


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    hash: str
    created_at: datetime


class Owner:
    def __init__(self, bus: Bus) -> None:
        self._bucket = Bucket(bus, OWNER)
        self._hasher = PasswordHasher()
        self._room = asyncio.Semaphore(CONCURRENT_HASHES)

    async def is_set_up(self) -> bool:
        return await self._bucket.get(_KEY) is not None

    async def set_up(self, password: str, now: datetime) -> None:
        """Set the first password. Raises ServiceError: CONFLICT if there is one, or someone was faster."""
        if await self.is_set_up():
            raise _already_set()
        async with self._room:
            hashed = await asyncio.to_thread(self._hasher.hash, password)
        try:
            await self._bucket.create(_KEY, msgspec.json.encode(_Record(hash=hashed, created_at=now)))
        except Conflict as error:
            raise _already_set() from error

    async def knows(self, password: str) -> bool:
        """Whether this is the password. Raises ServiceError: CONFLICT if none was set yet."""
        entry = await self._bucket.get(_KEY)
        if entry is None:
            raise ServiceError(ErrorCode.CONFLICT, "No password has been set yet; choose one first.")
        record = msgspec.json.decode(entry.value, type=_Record)
        async with self._room:
            return await asyncio.to_thread(self._matches, record.hash, password)

    def _matches(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False


def _already_set() -> ServiceError:
    return ServiceError(ErrorCode.CONFLICT, "A password was already set; sign in with it.")
