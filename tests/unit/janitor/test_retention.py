from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Expired
from services.janitor.retention import due, next_due
from tests.unit.janitor.story import T0, Story, fold

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("expires_after", "watched_after", "unwatched_days", "asked_after", "reason"),
    [
        (None, None, 0, 1000 * DAY, None),
        (DAY, None, 0, DAY - timedelta(seconds=1), None),
        (DAY, None, 0, DAY, "age"),
        (None, None, 7, 7 * DAY - timedelta(seconds=1), None),
        (None, None, 7, 7 * DAY, "unwatched"),
        (None, 3 * DAY, 7, 9 * DAY, None),
        (None, 3 * DAY, 7, 10 * DAY, "unwatched"),
        (5 * DAY, 3 * DAY, 7, 5 * DAY, "age"),
        (8 * DAY, None, 7, 9 * DAY, "unwatched"),
        (6 * DAY, None, 7, 9 * DAY, "age"),
        (None, None, 1e-5, timedelta(seconds=1), "unwatched"),
        (None, None, 1e12, 1000 * DAY, None),
    ],
)
def test_why_a_film_is_due(
    expires_after: timedelta | None,
    watched_after: timedelta | None,
    unwatched_days: float,
    asked_after: timedelta,
    reason: str | None,
) -> None:
    story = Story()
    state = fold(story.until_ready(T0 + expires_after if expires_after else None))
    if watched_after:
        state = state.apply(Story(at=T0 + watched_after).watched())
    assert due(state, unwatched_days, T0 + asked_after) == reason


def test_only_what_is_ready_can_be_due() -> None:
    story = Story()
    downloading = fold([story.requested(), story.queued(1), story.started(1)])
    expired = fold(
        [*story.until_ready(T0 + DAY), Expired(id="e", at=T0 + DAY, job_id=story.job_id, reason="age")]
    )
    for state in (downloading, expired):
        assert due(state, 1, T0 + 100 * DAY) is None
        assert next_due(state, 1) is None


@given(
    expires_h=st.none() | st.floats(0.01, 1000),
    watched_h=st.none() | st.floats(0.01, 1000),
    unwatched_days=st.just(0.0) | st.floats(0.01, 100),
)
def test_next_due_is_the_first_moment_that_is_due(
    expires_h: float | None, watched_h: float | None, unwatched_days: float
) -> None:
    expires_at = T0 + timedelta(hours=expires_h) if expires_h else None
    state = fold(Story().until_ready(expires_at))
    if watched_h:
        state = state.apply(Story().after(hours=watched_h).watched())
    moment = next_due(state, unwatched_days)
    far: datetime = T0 + 10_000 * DAY
    assert (moment is None) == (due(state, unwatched_days, far) is None)
    if moment:
        assert due(state, unwatched_days, moment) is not None
        assert due(state, unwatched_days, moment - timedelta(microseconds=1)) is None
