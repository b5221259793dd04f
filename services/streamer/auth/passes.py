"""Passes: the ids of play sessions. Whoever has one may read one job's film for a while, with nothing else.

A video element can't renew a cookie in the middle of a film, so the id in its address has to do: it is signed
and bound to a job, to the attempt whose release is played, and to the session of whoever started it. It says
too whether the film was ready by then: what is published can be other bytes than what was fetched.
"""

import re
from datetime import UTC, datetime, timedelta

import msgspec

from libs.common.security import same, sign

_PASS = re.compile(
    r"(job_\d{1,16}_[0-9a-f]{1,32})\.(\d{1,6})\.([fr])\.(\w{1,64})\.(\d{1,12})\.([0-9a-f]{64})", re.ASCII
)


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """`session`: the signed-in session that it ends with. `attempt`: 0 if no release was picked yet."""

    job_id: str
    attempt: int
    is_of_ready: bool
    session: str
    expires_at: datetime


def mint_pass(
    secret: bytes,
    *,
    job_id: str,
    attempt: int,
    is_of_ready: bool,
    session: str,
    ttl_s: int,
    now: datetime,
) -> str:
    """A pass for `ttl_s` seconds from `now` (aware); fit for a URL's path."""
    expires = int((now + timedelta(seconds=ttl_s)).timestamp())
    said = (job_id, str(attempt), "r" if is_of_ready else "f", session, str(expires))
    return ".".join((*said, _signature(secret, *said)))


def read_pass(secret: bytes, text: str, now: datetime) -> Pass | None:
    """What the pass says; None if it isn't ours or its time is over."""
    match = _PASS.fullmatch(text)
    if match is None:
        return None
    *said, signature = match.groups()
    if not same(signature, _signature(secret, *said)):
        return None
    job_id, attempt, form, session, expires = said
    expires_at = datetime.fromtimestamp(int(expires), UTC)
    if now >= expires_at:
        return None
    return Pass(
        job_id=job_id,
        attempt=int(attempt),
        is_of_ready=form == "r",
        session=session,
        expires_at=expires_at,
    )


def _signature(secret: bytes, *said: str) -> str:
    return sign(secret, "play-pass", *said)
