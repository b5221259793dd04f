"""A job's view in each phase of its life."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

import msgspec
import pytest

from libs.common.events import AttemptFailed, Blame, JobEvent, Progress
from libs.common.jobs import JobState, event_id
from services.streamer.progress import ProgressBoard
from services.streamer.views import JobView, job_view
from tests.support.gateway import Story

NOW = datetime(2026, 1, 1, tzinfo=UTC)

Stage = Literal["opening", "downloading", "repairing", "unpacking", "publishing"]


def view_of(
    story: Story, events: list[JobEvent], *, done: int | None = None, stage: Stage = "downloading"
) -> JobView:
    state, board = JobState(job_id=story.job_id), ProgressBoard()
    for event in events:
        state = state.apply(event)
    if done is not None:
        board.note(
            Progress(
                at=NOW,
                job_id=story.job_id,
                attempt=1,
                delivery=1,
                stage=stage,
                done_bytes=done,
                total_bytes=1000,
                speed_bps=10.0,
                eta_s=3.0,
            )
        )
    return job_view(state, board.of(state))


@pytest.mark.parametrize(
    ("phase", "status", "progress", "playable"),
    [
        ("requested", "queued", 0.0, False),
        ("queued", "queued", 0.0, False),
        ("downloading", "downloading", 12.3, False),
        ("preparing", "preparing", 100.0, False),
        ("ready", "ready", 100.0, True),
        ("deleted", "deleted", 0.0, False),
    ],
)
def test_each_phase_has_its_status(phase: str, status: str, progress: float, playable: bool) -> None:
    story = Story(5, 1)
    view = view_of(story, story.up_to(phase), done=123)
    assert (view.status, view.progress, view.playable) == (status, progress, playable)
    assert (view.movie_id, view.title) == (5, "Film 5")


@pytest.mark.parametrize(
    ("phase", "stage", "shown"),
    [
        ("downloading", "opening", "opening"),
        ("preparing", "opening", None),
        ("preparing", "repairing", "repairing"),
        ("preparing", "unpacking", "unpacking"),
        ("ready", "publishing", None),
    ],
)
def test_what_is_prepared_is_not_being_opened(phase: str, stage: Stage, shown: str | None) -> None:
    story = Story(5, 1)
    assert view_of(story, story.up_to(phase), done=0, stage=stage).stage == shown


def failed(story: Story, blame: Blame) -> AttemptFailed:
    return AttemptFailed(
        id=event_id(story.job_id, "attempt_failed", 1, 1),
        at=datetime(2026, 1, 2, 12, tzinfo=timezone(timedelta(hours=2))),
        job_id=story.job_id,
        attempt=1,
        delivery=1,
        code="USENET_ERROR",
        message="The server hung up.",
        blame=blame,
    )


def test_a_failure_of_the_world_waits_for_its_next_try() -> None:
    story = Story(5, 1)
    view = view_of(story, [*story.up_to("downloading"), failed(story, "world")], done=500)
    assert (view.status, view.error_code, view.error_message) == (
        "queued",
        "USENET_ERROR",
        "The server hung up.",
    )
    assert view.retry_at == datetime(2026, 1, 2, 10, 0, 15, tzinfo=UTC)
    assert (view.progress, view.stage, view.done_bytes) == (0.0, None, None)


def test_a_failure_of_the_release_is_told_until_the_next_one_runs() -> None:
    story = Story(5, 1)
    events = [*story.up_to("downloading"), failed(story, "release"), story.queued(2, "r2")]
    waiting = view_of(story, events)
    assert (waiting.status, waiting.error_message, waiting.release_id) == (
        "queued",
        "The server hung up.",
        "r2",
    )
    assert waiting.retry_at is None


def test_times_are_utc_on_the_wire() -> None:
    story = Story(5, 1)
    view = view_of(story, [*story.up_to("downloading"), failed(story, "world")])
    wire = msgspec.json.decode(msgspec.json.encode(view))
    assert wire["updated_at"].endswith("Z")
    assert wire["retry_at"] == "2026-01-02T10:00:15Z"
    assert wire["ready_at"] is None


def test_a_job_without_a_title_has_no_view() -> None:
    with pytest.raises(ValueError, match="job_1_a"):
        job_view(JobState(job_id="job_1_a"), None)
