"""What a job is: one pure fold over its events, and the rules for what comes after a failure.

Every service that needs a job's state folds the same events with `JobState.apply`. The fold ignores what is
duplicated, out of order, or told by an attempt that is over. The fence is the pair (attempt, delivery): the
indexer or the janitor numbers attempts, the broker numbers deliveries of one attempt.
"""

import secrets
from datetime import datetime
from enum import StrEnum
from typing import Literal

from libs.common.events import (
    AttemptEvent,
    AttemptFailed,
    Blame,
    Candidate,
    Deleted,
    Described,
    Expired,
    Failed,
    Film,
    JobEvent,
    Mode,
    Playable,
    Preparing,
    Probed,
    Quality,
    Queued,
    Ready,
    Requested,
    Started,
    TitleRef,
    Unavailable,
    Watched,
    Wire,
)
from libs.common.media import Media

RETRIES = 5
FIRST_RETRY_S = 15
LONGEST_RETRY_S = 600
MAX_INSTANCES = 6
"""How many instances may begin one attempt, each after one that died or was stopped."""
MAX_FAILURES_KEPT = 32
"""Bounds a state's size; more attempts than this are never made (see `after_failure`)."""


class Phase(StrEnum):
    UNKNOWN = "unknown"
    REQUESTED = "requested"
    QUEUED = "queued"
    DOWNLOADING = "downloading"
    PREPARING = "preparing"
    WAITING = "waiting"
    """The attempt failed; the janitor decides what is next."""
    READY = "ready"
    FAILED = "failed"
    EXPIRED = "expired"
    DELETED = "deleted"


MovieStatus = Literal["queued", "downloading", "preparing", "ready", "error", "deleted"]

_MOVIE_STATUS: dict[Phase, MovieStatus] = {
    Phase.UNKNOWN: "queued",
    Phase.REQUESTED: "queued",
    Phase.QUEUED: "queued",
    Phase.DOWNLOADING: "downloading",
    Phase.PREPARING: "preparing",
    Phase.WAITING: "queued",
    Phase.READY: "ready",
    Phase.FAILED: "error",
    Phase.EXPIRED: "deleted",
    Phase.DELETED: "deleted",
}

_RUNNING = (Phase.DOWNLOADING, Phase.PREPARING)
_OVER = (Phase.FAILED, Phase.EXPIRED, Phase.DELETED)
_UNDECIDED = (Phase.UNKNOWN, Phase.REQUESTED, Phase.QUEUED, Phase.WAITING, *_RUNNING)


class Failure(Wire, frozen=True, kw_only=True):
    """One failed attempt, as the job's story tells it."""

    attempt: int
    at: datetime
    release_id: str
    release_title: str
    code: str
    message: str
    blame: Blame


class PlayAddress(Wire, frozen=True, kw_only=True):
    """Where the gateway gets a film that is still being fetched: `host:port` of the instance."""

    address: str
    size_bytes: int
    content_type: str


class JobState(Wire, frozen=True, kw_only=True):
    """Everything the log says about one job."""

    job_id: str
    phase: Phase = Phase.UNKNOWN
    title: TitleRef | None = None
    mode: Mode = "auto"
    release_id: str | None = None
    quality: Quality | None = None
    attempt: int = 0
    delivery: int = 0
    instance: str | None = None
    pick: Candidate | None = None
    alternatives: tuple[Candidate, ...] = ()
    failures: tuple[Failure, ...] = ()
    file_name: str | None = None
    file_bytes: int | None = None
    play: PlayAddress | None = None
    """Set while the very (attempt, delivery) that told it runs."""
    media: Media | None = None
    """What is inside the film; stays when it is ready."""
    is_probed: bool = False
    """Whether `media` is known, or known to be unknowable."""
    film: Film | None = None
    error_code: str | None = None
    error_message: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    ready_at: datetime | None = None
    expires_at: datetime | None = None
    last_watched_at: datetime | None = None
    expired_for: str | None = None

    @property
    def movie_status(self) -> MovieStatus:
        return _MOVIE_STATUS[self.phase]

    @property
    def is_playable(self) -> bool:
        """Its film can be played now: from the store, or from the instance, which knows what is inside."""
        return self.phase is Phase.READY or (self.play is not None and self.is_probed)

    @property
    def is_over(self) -> bool:
        """Nothing of it can be watched, now or later: a new job may be made for its title."""
        return self.phase in _OVER

    @property
    def is_running(self) -> bool:
        """An instance is at it."""
        return self.phase in _RUNNING

    def apply(self, event: JobEvent) -> "JobState":
        """The state after `event`; the same object if the event changes nothing. Never raises."""
        match event:
            case Requested():
                return self._requested(event)
            case Queued():
                return self._queued(event)
            case Unavailable():
                return self._unavailable(event)
            case Started():
                return self._started(event)
            case AttemptEvent():
                return self._of_current_attempt(event)
            case Failed():
                return self._failed(event)
            case Expired() if self.phase is Phase.READY:
                return self._with(event, phase=Phase.EXPIRED, expired_for=event.reason)
            case Deleted() if self.phase in (Phase.READY, Phase.EXPIRED):
                return self._with(event, phase=Phase.DELETED)
            case Watched():
                return self._watched(event)
            case _:
                return self

    def _with(self, event: JobEvent, **changes: object) -> "JobState":
        at = event.at if self.updated_at is None else max(self.updated_at, event.at)
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return JobState(**(fields | {"updated_at": at} | changes))  # pyright: ignore[reportArgumentType]  (same fields)

    def _requested(self, event: Requested) -> "JobState":
        if self.created_at is not None:
            return self
        return self._with(
            event,
            phase=Phase.REQUESTED if self.phase is Phase.UNKNOWN else self.phase,
            title=event.title,
            mode=event.mode,
            release_id=event.release_id,
            quality=event.quality,
            created_at=event.at,
        )

    def _queued(self, event: Queued) -> "JobState":
        if event.attempt <= self.attempt or self.phase not in _UNDECIDED:
            return self
        return self._with(
            event,
            phase=Phase.QUEUED,
            attempt=event.attempt,
            delivery=0,
            instance=None,
            pick=event.pick,
            alternatives=event.alternatives,
            title=self.title or event.title,
            file_name=None,
            file_bytes=None,
            play=None,
            media=None,
            is_probed=False,
        )

    def _unavailable(self, event: Unavailable) -> "JobState":
        if self.attempt or self.phase not in (Phase.UNKNOWN, Phase.REQUESTED):
            return self
        return self._with(event, phase=Phase.FAILED, error_code=event.code, error_message=event.message)

    def _started(self, event: Started) -> "JobState":
        may_start = self.phase is Phase.QUEUED or self.phase in _RUNNING
        if event.attempt != self.attempt or event.delivery <= self.delivery or not may_start:
            return self
        return self._with(
            event,
            phase=Phase.DOWNLOADING,
            delivery=event.delivery,
            instance=event.instance,
            file_name=None,
            play=None,
            media=None,
            is_probed=False,
        )

    def _of_current_attempt(self, event: AttemptEvent) -> "JobState":
        if (event.attempt, event.delivery) != (self.attempt, self.delivery) or self.phase not in _RUNNING:
            return self
        match event:
            case Described() if self.file_name is None:
                return self._with(event, file_name=event.file_name, file_bytes=event.size_bytes)
            case Playable() if self.play is None:
                play = PlayAddress(
                    address=event.address, size_bytes=event.size_bytes, content_type=event.content_type
                )
                return self._with(event, play=play)
            case Probed() if not self.is_probed or _tells_more(event.media, self.media):
                return self._with(event, media=event.media, is_probed=True)
            case Preparing() if self.phase is Phase.DOWNLOADING:
                return self._with(event, phase=Phase.PREPARING)
            case Ready():
                return self._with(
                    event,
                    phase=Phase.READY,
                    play=None,
                    film=event.film,
                    ready_at=event.at,
                    expires_at=event.expires_at,
                    error_code=None,
                    error_message=None,
                )
            case AttemptFailed():
                return self._attempt_failed(event)
            case _:
                return self

    def _attempt_failed(self, event: AttemptFailed) -> "JobState":
        failure = Failure(
            attempt=event.attempt,
            at=event.at,
            release_id=self.pick.release_id if self.pick else "",
            release_title=self.pick.title if self.pick else "",
            code=event.code,
            message=event.message,
            blame=event.blame,
        )
        return self._with(
            event,
            phase=Phase.WAITING,
            play=None,
            failures=(*self.failures, failure)[-MAX_FAILURES_KEPT:],
            error_code=event.code,
            error_message=event.message,
        )

    def _failed(self, event: Failed) -> "JobState":
        if event.attempt != self.attempt or self.phase not in _UNDECIDED:
            return self
        return self._with(
            event, phase=Phase.FAILED, play=None, error_code=event.code, error_message=event.message
        )

    def _watched(self, event: Watched) -> "JobState":
        if self.last_watched_at is not None and event.at <= self.last_watched_at:
            return self
        return self._with(event, last_watched_at=event.at)


# What comes after a failed attempt --------------------------------------------------------------------------


class TryNext(Wire, frozen=True, kw_only=True):
    """Queue this release at once: the last one was bad."""

    pick: Candidate
    alternatives: tuple[Candidate, ...]


class TryAgain(Wire, frozen=True, kw_only=True):
    """Queue the same release again after a while: the world was bad."""

    pick: Candidate
    alternatives: tuple[Candidate, ...]
    delay_s: int


class GiveUp(Wire, frozen=True, kw_only=True):
    code: str
    message: str


def after_failure(state: JobState) -> TryNext | TryAgain | GiveUp | None:
    """What the janitor does with a job whose attempt failed; None if nothing is to be decided."""
    if state.phase is not Phase.WAITING or state.pick is None:
        return None
    last = state.failures[-1]
    if last.blame == "release" and state.alternatives:
        return TryNext(pick=state.alternatives[0], alternatives=state.alternatives[1:])
    tries = sum(f.blame == "world" for f in state.failures)
    if last.blame == "world" and tries <= RETRIES:
        delay_s = min(FIRST_RETRY_S * 2 ** (tries - 1), LONGEST_RETRY_S)
        return TryAgain(pick=state.pick, alternatives=state.alternatives, delay_s=delay_s)
    return GiveUp(code=last.code, message=_story(state))


def died_too_often(delivery: int) -> str | None:
    """Why this delivery of an attempt is not worked on; None if it is.

    It is told as AttemptFailed (JOB_ERROR, blame world), after Started: the fold hears only of a delivery
    that has started.
    """
    if delivery <= MAX_INSTANCES:
        return None
    return f"The download's instance died or was stopped {delivery - 1} times; the downloader's log says why."


def _story(state: JobState) -> str:
    last = state.failures[-1].message
    others = len({f.release_id for f in state.failures}) - 1
    if others < 1:
        return last
    return f"{last} ({others} other release{'s' if others > 1 else ''} failed before.)"


# Names ----------------------------------------------------------------------------------------------------


def new_job_id(now: datetime) -> str:
    """`job_<unix ms>_<random>`."""
    return f"job_{int(now.timestamp() * 1000)}_{secrets.token_hex(5)}"


def _tells_more(media: Media | None, known: Media | None) -> bool:
    """Texts beside a film may be found after what is inside of it."""
    return media is not None and known is not None and len(media.texts) > len(known.texts)


def event_id(job_id: str, fact: str, attempt: int = 0, delivery: int = 0) -> str:
    """The same for the same fact, whoever tells it and however often."""
    return f"{job_id}.{fact}.{attempt}.{delivery}"


def film_prefix(job_id: str) -> str:
    """Where everything of a job lives in the store."""
    return f"movies/{job_id}/"
