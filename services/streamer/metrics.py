"""What /metrics says of the house: its jobs, its films, how long one takes, and what the gateway answers."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import get_args

from prometheus_client import Counter, Gauge, Histogram

from libs.common.bus import Stored
from libs.common.events import Ready
from libs.common.jobs import MovieStatus
from libs.common.projection import Projection
from services.streamer.store import JobStore

JOBS = Gauge("matinee_jobs", "Jobs by their public status", ["status"])
STORE_BYTES = Gauge("matinee_store_bytes", "Size of the films that are ready")
HTTP_REQUESTS = Counter("matinee_http_requests_total", "Answers of the gateway", ["route", "status"])
DOWNLOAD_SECONDS = Histogram(
    "matinee_download_seconds",
    "From a request to its film being ready",
    buckets=(15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400),
)

COUNTED_EVERY_S = 1.0


class Figures:
    """Counts the projection's jobs when they change, and times those that become ready while it looks."""

    def __init__(self, jobs: JobStore, projection: Projection) -> None:
        self._jobs = jobs
        self._projection = projection
        self._changed = asyncio.Event()
        self._became_ready: dict[str, datetime] = {}

    def applied(self, batch: Sequence[Stored]) -> None:
        """Hears of every batch that the projection has applied."""
        # What is read again at a start was timed when it happened.
        if self._projection.caught_up.is_set():
            ready = [message.event for message in batch if isinstance(message.event, Ready)]
            self._became_ready |= {event.job_id: event.at for event in ready}
        self._changed.set()

    async def run(self) -> None:
        """Keep the figures up, for ever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._time()
            await self._count()
            await asyncio.sleep(COUNTED_EVERY_S)

    async def _time(self) -> None:
        told, self._became_ready = self._became_ready, {}
        for kept in await self._jobs.some(list(told)):
            state = kept.state
            # Not if it was told by an attempt that is over.
            if state.created_at and state.ready_at and state.ready_at == told[state.job_id]:
                DOWNLOAD_SECONDS.observe((state.ready_at - state.created_at).total_seconds())

    async def _count(self) -> None:
        counts, film_bytes = await self._jobs.totals()
        for status in get_args(MovieStatus):
            JOBS.labels(status=status).set(counts.get(status, 0))
        STORE_BYTES.set(film_bytes)
