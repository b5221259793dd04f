"""The events of one job's life, for the janitor's tests."""

from datetime import UTC, datetime, timedelta

from libs.common.events import (
    AttemptFailed,
    Blame,
    Candidate,
    Film,
    JobEvent,
    Queued,
    Ready,
    Requested,
    Score,
    Started,
    TitleRef,
    Watched,
)
from libs.common.jobs import JobState, event_id

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TITLE = TitleRef(key="tmdb:movie:603", movie_id=603, name="The Matrix", year=1999)


def candidate(release_id: str) -> Candidate:
    return Candidate(
        release_id=release_id,
        title=f"The.Matrix.1999.1080p-{release_id}",
        indexer="Test",
        nzb_url=f"http://127.0.0.1/{release_id}.nzb?apikey={{api_key}}",
        size_bytes=1000,
        age_days=1,
        quality="1080p",
        score=Score(total=1.0),
    )


class Story:
    """Makes the events of one job, with the ids that their owners give them."""

    def __init__(self, job_id: str = "job_1_a", at: datetime = T0) -> None:
        self.job_id = job_id
        self.at = at

    def after(self, **span: float) -> "Story":
        """The same job, that much later."""
        return Story(self.job_id, self.at + timedelta(**span))

    def requested(self) -> Requested:
        return Requested(
            id=event_id(self.job_id, "requested"), at=self.at, job_id=self.job_id, title=TITLE, mode="auto"
        )

    def queued(self, attempt: int, release_id: str = "a", *alternatives: str) -> Queued:
        return Queued(
            id=event_id(self.job_id, "queued", attempt),
            at=self.at,
            job_id=self.job_id,
            attempt=attempt,
            pick=candidate(release_id),
            alternatives=tuple(candidate(a) for a in alternatives),
            title=TITLE,
        )

    def started(self, attempt: int, delivery: int = 1) -> Started:
        return Started(
            id=event_id(self.job_id, "started", attempt, delivery),
            at=self.at,
            job_id=self.job_id,
            attempt=attempt,
            delivery=delivery,
            instance="i",
        )

    def attempt_failed(self, attempt: int, blame: Blame) -> AttemptFailed:
        return AttemptFailed(
            id=event_id(self.job_id, "attempt_failed", attempt, 1),
            at=self.at,
            job_id=self.job_id,
            attempt=attempt,
            delivery=1,
            code="USENET_ERROR",
            message="The articles are gone.",
            blame=blame,
        )

    def ready(self, attempt: int = 1, expires_at: datetime | None = None) -> Ready:
        film = Film(key=f"movies/{self.job_id}/movie.mp4", size_bytes=4, content_type="video/mp4")
        return Ready(
            id=event_id(self.job_id, "ready", attempt, 1),
            at=self.at,
            job_id=self.job_id,
            attempt=attempt,
            delivery=1,
            film=film,
            expires_at=expires_at,
        )

    def watched(self) -> Watched:
        moment = f"{self.at:%Y%m%dT%H%M%S%f}"
        return Watched(id=f"{self.job_id}.watched.{moment}", at=self.at, job_id=self.job_id)

    def until_failure(self, blame: Blame, *alternatives: str) -> list[JobEvent]:
        queued = self.queued(1, "a", *alternatives)
        return [self.requested(), queued, self.started(1), self.attempt_failed(1, blame)]

    def until_ready(self, expires_at: datetime | None = None) -> list[JobEvent]:
        return [self.requested(), self.queued(1), self.started(1), self.ready(1, expires_at)]


def fold(events: list[JobEvent]) -> JobState:
    state = JobState(job_id=events[0].job_id)
    for event in events:
        state = state.apply(event)
    return state
