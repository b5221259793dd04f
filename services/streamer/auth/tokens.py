"""Access tokens: JWTs (RFC 7519, HS256) that say which session their bearer belongs to.

Whoever can read the installation's secret on this machine is the owner, so the command line mints its own.
"""

from datetime import UTC, datetime, timedelta

import jwt
import msgspec

from libs.common.security import sign

ACCESS_TTL_S = 900
_ALGORITHM = "HS256"
_AUDIENCE = "matinee"
_MAX_TOKEN_CHARS = 2_000


class Claims(msgspec.Struct, frozen=True):
    """What a genuine token says."""

    session: str
    expires_at: datetime


def mint(secret: bytes, *, session: str, ttl_s: int, now: datetime) -> str:
    """A token for `ttl_s` seconds from `now` (aware).

    `session` is the id of a session in the bucket, or a name such as `cli` for a token that has none: it
    then can't be revoked before its time, nor renewed.
    """
    claims = {
        "sub": "owner",
        "aud": _AUDIENCE,
        "sid": session,
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(seconds=ttl_s)).timestamp()),
    }
    return jwt.encode(claims, _key(secret), algorithm=_ALGORITHM)


def verify(secret: bytes, token: str, now: datetime) -> Claims | None:
    """What the token says; None if it isn't ours or its time is over."""
    if len(token) > _MAX_TOKEN_CHARS:
        return None
    try:
        claims = jwt.decode(
            token,
            _key(secret),
            algorithms=[_ALGORITHM],
            audience=_AUDIENCE,
            # The clock is ours to give; everything else is jwt's to check.
            options={"require": ["exp", "sid", "aud"], "verify_exp": False, "verify_iat": False},
        )
        found = Claims(session=str(claims["sid"]), expires_at=datetime.fromtimestamp(claims["exp"], UTC))
    except (jwt.InvalidTokenError, TypeError, ValueError, OverflowError):
        return None
    return found if now < found.expires_at else None


def _key(secret: bytes) -> str:
    # A key of its own: what is signed elsewhere with the same secret can never pass for a token.
    return sign(secret, "access-token")
