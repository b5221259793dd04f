"""What makes a job unique: however many press Watch at once, one film has one job.

The key of the title in the bucket `active` names its job. It changes by compare-and-set only, so one request
makes the job; everyone else gets that one. Whoever finds a job that the log doesn't know (its maker died, or
is a moment behind) tells the log himself: the event is the same by its id, and only the first is stored.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import msgspec

from libs.common import streams
from libs.common.bus import Bus
from libs.common.errors import BusUnavailable, Conflict, ErrorCode, ServiceError
from libs.common.events import Mode, MovieDetails, Quality, Requested, TitleRef
from libs.common.jobs import JobState, Phase, event_id, new_job_id
from libs.common.kv import Bucket, key_of
from libs.common.projection import Projection
from services.streamer.store import JobStore, Kept

VERDICT_S = 2.0
"""How long a request waits for the indexer to say whether there is a release at all."""
MAX_ROUNDS = 20
"""Every round lost is a job that someone else made; nobody loses this often."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    mode: Mode
    release_id: str | None
    quality: Quality | None


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    job: Kept
    is_new: bool


def title_of(movie: MovieDetails) -> TitleRef:
    return TitleRef(
        key=f"tmdb:movie:{movie.id}",
        movie_id=movie.id,
        name=movie.title,
        year=movie.year,
        imdb_id=movie.imdb_id,
        poster_url=movie.poster_url,
        runtime_min=movie.runtime_min,
    )


class Requests:
    def __init__(self, bus: Bus, jobs: JobStore, projection: Projection, now: Callable[[], datetime]) -> None:
        self._bus = bus
        self._active = Bucket(bus, streams.ACTIVE)
        self._jobs = jobs
        self._projection = projection
        self._now = now

    async def request(self, title: TitleRef, wish: Wish) -> Answered:
        """The film's job: the one that it has, or a new one. Safe to repeat after any failure.

        Raises ServiceError: the indexer's verdict if there is no release, JOB_ERROR if it can't be stored.
        """
        try:
            job_id, is_new = await self._claim(title)
            await self._tell(job_id, title, wish)
        except BusUnavailable as error:
            raise ServiceError(ErrorCode.JOB_ERROR, f"{title.name} could not be queued: {error}.") from error
        return Answered(job=await self._settled(job_id, title), is_new=is_new)

    async def _claim(self, title: TitleRef) -> tuple[str, bool]:
        """The id of the title's job, and whether it is a new one that is ours to tell of."""
        key = key_of(title.key)
        for _ in range(MAX_ROUNDS):
            entry = await self._active.get(key)
            if entry:
                job_id = entry.value.decode()
                known = await self._jobs.job(job_id)
                if known is None or not known.state.is_over:
                    return job_id, False
            job_id = new_job_id(self._now())
            with suppress(Conflict):
                if entry:
                    await self._active.update(key, job_id.encode(), entry.revision)
                else:
                    await self._active.create(key, job_id.encode())
                return job_id, True
        raise ServiceError(ErrorCode.JOB_ERROR, f"{title.name} is being requested by too many at once.")

    async def _tell(self, job_id: str, title: TitleRef, wish: Wish) -> None:
        """Make sure that the log has the job's `Requested`, and the projection too."""
        known = await self._jobs.job(job_id)
        if known and known.state.created_at:
            return
        event = Requested(
            id=event_id(job_id, "requested"),
            at=self._now(),
            job_id=job_id,
            title=title,
            mode=wish.mode,
            release_id=wish.release_id,
            quality=wish.quality,
        )
        await self._bus.publish_first(event)
        stored = await self._bus.last(streams.JOBS, event.subject)
        if stored:
            with suppress(TimeoutError):
                await self._projection.wait_for(stored.sequence)

    async def _settled(self, job_id: str, title: TitleRef) -> Kept:
        """The job once the indexer has spoken, or as it is after a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(VERDICT_S):
                while not await self._has_verdict(job_id):
                    pass
        job = await self._jobs.job(job_id)
        if job is None:
            raise ServiceError(
                ErrorCode.JOB_ERROR,
                f"{title.name} is queued, but its job can't be shown yet; look again soon.",
            )
        if _is_unavailable(job.state):
            raise _refusal(job.state)
        return job

    async def _has_verdict(self, job_id: str) -> bool:
        """Whether there is one; if not, returns when something new was applied."""
        seen = self._projection.sequence
        job = await self._jobs.job(job_id)
        if job and job.state.phase not in (Phase.UNKNOWN, Phase.REQUESTED):
            return True
        await self._projection.wait_for(seen + 1, VERDICT_S)
        return False


def _is_unavailable(state: JobState) -> bool:
    """The job ended before its first attempt."""
    return state.phase is Phase.FAILED and state.attempt == 0


def _refusal(state: JobState) -> ServiceError:
    try:
        code = ErrorCode(state.error_code or "")
    except ValueError:
        code = ErrorCode.JOB_ERROR
    return ServiceError(code, state.error_message or "No release of this film can be had right now.")
