"""Where a ready film plays: a signed URL of the object store, which needs no further credential."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec
import structlog

from libs.common.bus import Bus
from libs.common.errors import BusUnavailable, ErrorCode, ServiceError
from libs.common.events import Watched
from libs.common.jobs import JobState, Phase
from libs.common.objects import ObjectStore
from libs.common.projection import Projection
from services.streamer.store import Kept

log = structlog.get_logger(__name__)

WATCHED_EVERY_S = 60
"""A player that asks again and again is one watching a minute."""
APPLY_S = 2.0
PATIENCE_S = 2.0


class PlayableStream(msgspec.Struct, frozen=True, kw_only=True):
    """`expires_at`: until when the URL answers."""

    url: str
    content_type: str
    size_bytes: int
    expires_at: datetime


class Playback:
    def __init__(
        self,
        bus: Bus,
        objects: ObjectStore,
        projection: Projection,
        now: Callable[[], datetime],
        *,
        url_ttl_s: int,
    ) -> None:
        self._bus = bus
        self._objects = objects
        self._projection = projection
        self._now = now
        self._url_ttl_s = url_ttl_s

    async def play(self, job: Kept | None) -> PlayableStream:
        """The film's URL; the log learns that it was watched.

        Raises ServiceError: NOT_FOUND if there is no such job or its film is deleted, INVALID_INPUT if it
        isn't ready; StoreError if the store can't say where it is.
        """
        state = job.state if job else None
        if state is None or state.phase in (Phase.EXPIRED, Phase.DELETED):
            raise ServiceError(ErrorCode.NOT_FOUND, "There is no such film here; it may have been deleted.")
        if state.phase is not Phase.READY or state.film is None:
            raise ServiceError(ErrorCode.INVALID_INPUT, why_not(state))
        film, now = state.film, self._now()
        url = await self._objects.signed_url(film.key, ttl_s=self._url_ttl_s, content_type=film.content_type)
        await self.remember(state.job_id)
        return PlayableStream(
            url=url,
            content_type=film.content_type,
            size_bytes=film.size_bytes,
            # A whole second on the safe side: the signature's time is in seconds.
            expires_at=now.replace(microsecond=0) + timedelta(seconds=self._url_ttl_s),
        )

    async def remember(self, job_id: str) -> None:
        """Tell the log that this job's film is being watched."""
        now = self._now()
        minute = int(now.timestamp()) // WATCHED_EVERY_S
        event = Watched(id=f"{job_id}.watched.{minute}", at=now, job_id=job_id)
        try:
            sequence = await self._bus.publish(event, patience_s=PATIENCE_S)
        except BusUnavailable as error:
            # Nobody's film waits for the bookkeeping.
            log.warning("watching_not_recorded", job_id=job_id, error=str(error))
            return
        with suppress(TimeoutError):
            await self._projection.wait_for(sequence, APPLY_S)


def why_not(state: JobState) -> str:
    """Why its film can't be played from the store, for a person."""
    name = state.title.name if state.title else "The film"
    if state.phase is Phase.FAILED:
        return f"{name} could not be fetched; request it again."
    return f"{name} is not ready for streaming yet ({state.movie_status})."
