"""Sessions: a short access token, and a refresh token that is good for one use.

A session is one key of the bucket `sessions` with the hash of its current refresh token. A refresh token that
isn't the current one has been used before, by somebody: the session is then over for everybody who has it.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Callable
from datetime import datetime

import msgspec

from libs.common.bus import Bus
from libs.common.errors import BusUnavailable, Conflict
from libs.common.kv import Bucket
from libs.common.security import same, sign
from libs.common.streams import SESSIONS
from services.streamer.auth.tokens import ACCESS_TTL_S, mint

REFRESH_TTL_S = 30 * 86_400
"""As long as the bucket keeps a session that isn't refreshed."""
TRUSTED_S = 5.0
"""How long a session found alive isn't looked up again: so long a sign-out at another gateway takes."""
MAX_TRUSTED = 1000

_ID = re.compile(r"[0-9a-f]{32}")


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What someone gets who signs in, or renews."""

    access_token: str
    refresh_token: str
    csrf_token: str


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    refresh_hash: str
    created_at: datetime


class Sessions:
    """Unless it says otherwise, what is async raises BusUnavailable if NATS doesn't answer."""

    def __init__(self, bus: Bus, secret: bytes, now: Callable[[], datetime]) -> None:
        self._bus = bus
        self._bucket = Bucket(bus, SESSIONS)
        self._secret = secret
        self._now = now
        self._trusted: dict[str, float] = {}

    async def open(self) -> Grant:
        session = secrets.token_hex(16)
        refresh_token, record = self._renewed(session, self._now())
        await self._bucket.create(session, record)
        return self._grant(session, refresh_token)

    async def refresh(self, refresh_token: str) -> Grant | None:
        """New tokens for the current refresh token; None for any other, and the session is over."""
        session = _session_of(refresh_token)
        entry = await self._bucket.get(session) if session else None
        if session is None or entry is None:
            return None
        record = msgspec.json.decode(entry.value, type=_Record)
        if not same(record.refresh_hash, _hash(refresh_token)):
            await self.close(session)
            return None
        renewed_token, renewed = self._renewed(session, record.created_at)
        try:
            await self._bucket.update(session, renewed, entry.revision)
        except Conflict:
            # Somebody else used the very same token in this moment.
            await self.close(session)
            return None
        return self._grant(session, renewed_token)

    async def close(self, session: str) -> None:
        """End a session; it and its tokens are worth nothing from here on. Idempotent."""
        self._trusted.pop(session, None)
        # A deletion is stored too: made-up sessions must not fill the bucket with them.
        if _ID.fullmatch(session) and await self._bucket.get(session) is not None:
            await self._bucket.delete(session)

    async def close_by(self, refresh_token: str) -> None:
        """End the session whose refresh token this is or was."""
        if session := _session_of(refresh_token):
            await self.close(session)

    async def is_live(self, session: str) -> bool:
        """Whether a genuine, unexpired token of this session still counts.

        The command line's tokens have no session to end. While NATS is silent, a token's own word counts.
        """
        if (
            not _ID.fullmatch(session)
            or time.monotonic() - self._trusted.get(session, -TRUSTED_S) < TRUSTED_S
        ):
            return True
        if not self._bus.client.is_connected:
            # The bucket would take its seconds to say the same.
            return True
        try:
            entry = await self._bucket.get(session)
        except BusUnavailable:
            return True
        if entry is None:
            return False
        if len(self._trusted) >= MAX_TRUSTED:
            self._trusted.clear()
        self._trusted[session] = time.monotonic()
        return True

    def csrf_token(self, session: str) -> str:
        return sign(self._secret, "csrf", session)

    def _renewed(self, session: str, created_at: datetime) -> tuple[str, bytes]:
        token = f"{session}.{secrets.token_urlsafe(32)}"
        record = _Record(refresh_hash=_hash(token), created_at=created_at)
        return token, msgspec.json.encode(record)

    def _grant(self, session: str, refresh_token: str) -> Grant:
        return Grant(
            access_token=mint(self._secret, session=session, ttl_s=ACCESS_TTL_S, now=self._now()),
            refresh_token=refresh_token,
            csrf_token=self.csrf_token(session),
        )


def _session_of(refresh_token: str) -> str | None:
    session, _, _ = refresh_token.partition(".")
    return session if _ID.fullmatch(session) else None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
