"""A job as people and programs see it: its state on the log, and how far its download is."""

from datetime import UTC, datetime, timedelta

import msgspec

from libs.common.events import Progress
from libs.common.jobs import JobState, MovieStatus, Phase, TryAgain, after_failure
from services.streamer.progress import RUNNING, Shown


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """Times are RFC 3339 in UTC; `progress` is 0 to 100 with one decimal."""

    job_id: str
    movie_id: int
    title: str
    poster_url: str | None
    status: MovieStatus
    stage: str | None
    progress: float
    playable: bool
    error_message: str | None
    error_code: str | None
    release_title: str | None
    release_id: str | None
    done_bytes: int | None
    total_bytes: int | None
    speed_bps: float | None
    eta_s: float | None
    retry_at: datetime | None
    created_at: datetime
    updated_at: datetime
    ready_at: datetime | None
    expires_at: datetime | None
    last_watched_at: datetime | None


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a film's own page says of its latest job."""

    job_id: str
    status: MovieStatus
    progress: float
    error_message: str | None


def job_view(state: JobState, shown: Shown | None) -> JobView:
    """`state` must know its title; `shown` is what its running attempt last told, if anything."""
    if state.title is None or state.updated_at is None:
        raise ValueError(f"{state.job_id} has no title yet")
    pick, now = state.pick, shown.progress if shown else None
    # A new attempt is on its way: what went wrong with the last one is no longer the news.
    is_troubled = state.phase not in RUNNING
    return JobView(
        job_id=state.job_id,
        movie_id=state.title.movie_id,
        title=state.title.name,
        poster_url=state.title.poster_url,
        status=state.movie_status,
        stage=_stage(state, now),
        progress=_percent(state, shown),
        playable=state.is_playable,
        error_message=state.error_message if is_troubled else None,
        error_code=state.error_code if is_troubled else None,
        release_title=pick.title if pick else None,
        release_id=pick.release_id if pick else state.release_id,
        done_bytes=now.done_bytes if now else None,
        total_bytes=now.total_bytes if now else None,
        speed_bps=now.speed_bps if now else None,
        eta_s=now.eta_s if now else None,
        retry_at=_retry_at(state),
        created_at=_utc(state.created_at or state.updated_at),
        updated_at=_utc(state.updated_at),
        ready_at=_utc_or_none(state.ready_at),
        expires_at=_utc_or_none(state.expires_at),
        last_watched_at=_utc_or_none(state.last_watched_at),
    )


def job_status(view: JobView) -> JobStatus:
    return JobStatus(
        job_id=view.job_id, status=view.status, progress=view.progress, error_message=view.error_message
    )


def _stage(state: JobState, now: Progress | None) -> str | None:
    # An instance's last word can be older than its last event.
    is_past = state.phase is Phase.PREPARING and now is not None and now.stage == "opening"
    return now.stage if now and not is_past else None


def _percent(state: JobState, shown: Shown | None) -> float:
    # When a film is being prepared every byte of it is there.
    if state.phase in (Phase.READY, Phase.PREPARING):
        return 100.0
    return shown.percent if shown else 0.0


def _retry_at(state: JobState) -> datetime | None:
    match after_failure(state):
        case TryAgain(delay_s=delay_s):
            return _utc(state.failures[-1].at + timedelta(seconds=delay_s))
        case _:
            return None


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _utc_or_none(moment: datetime | None) -> datetime | None:
    return None if moment is None else _utc(moment)
