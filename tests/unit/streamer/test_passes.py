"""Passes say what they were made to say, for their time, and can't be made by anybody else."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.streamer.auth.passes import Pass, mint_pass, read_pass

SECRET = b"s" * 32
NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
JOB = "job_1763640000000_0123456789"
GOOD = mint_pass(SECRET, job_id=JOB, attempt=2, is_of_ready=True, session="a" * 32, ttl_s=60, now=NOW)


def test_a_pass_says_what_it_was_made_for_until_its_time_is_over() -> None:
    expires_at = NOW + timedelta(seconds=60)
    said = Pass(job_id=JOB, attempt=2, is_of_ready=True, session="a" * 32, expires_at=expires_at)
    assert read_pass(SECRET, GOOD, expires_at - timedelta(microseconds=1)) == said
    assert read_pass(SECRET, GOOD, expires_at) is None
    assert read_pass(b"t" * 32, GOOD, NOW) is None


@given(st.integers(0, len(GOOD) - 1), st.characters())
def test_no_character_of_it_can_be_changed(at: int, character: str) -> None:
    changed = GOOD[:at] + character + GOOD[at + 1 :]
    assert (read_pass(SECRET, changed, NOW) is None) == (changed != GOOD)


@given(st.text())
def test_garbage_is_no_pass(text: str) -> None:
    assert read_pass(SECRET, text, NOW) is None
    assert read_pass(SECRET, f"{JOB}.1.r.s.99999999999.{text}", NOW) is None
