"""Access tokens: only ours, only in their time."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.streamer.auth.tokens import Claims, mint, verify

SECRET = b"an installation's secret"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_token_says_its_session_until_its_time_is_over() -> None:
    token = mint(SECRET, session="cli", ttl_s=60, now=NOW)
    assert verify(SECRET, token, NOW) == Claims("cli", NOW + timedelta(seconds=60))
    assert verify(SECRET, token, NOW + timedelta(seconds=59))
    assert verify(SECRET, token, NOW + timedelta(seconds=60)) is None


CLAIMS = {"sub": "owner", "aud": "matinee", "sid": "cli", "exp": int(NOW.timestamp()) + 60}


@pytest.mark.parametrize(
    "token",
    [
        mint(b"another", session="cli", ttl_s=60, now=NOW),
        jwt.encode(CLAIMS, key="", algorithm="none"),
        jwt.encode(CLAIMS, key=SECRET.ljust(32), algorithm="HS256"),
        mint(SECRET, session="cli", ttl_s=60, now=NOW).rpartition(".")[0] + ".",
        "x" * 5000,
    ],
    ids=["another secret", "unsigned", "the secret itself as key", "signature cut off", "long"],
)
def test_no_other_token_counts(token: str) -> None:
    assert verify(SECRET, token, NOW) is None


@given(st.text(max_size=300) | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True))
def test_garbage_is_nobody(token: str) -> None:
    assert verify(SECRET, token, NOW) is None
