"""Files that nobody will ever delete otherwise: of jobs that are over, or that the log never heard of."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from libs.common.bus import Bus
from libs.common.errors import BusError
from libs.common.jobs import Phase
from libs.common.objects import ObjectStore, StoreError
from libs.common.streams import JOBS
from services.janitor import alerts
from services.janitor.cleanup import Cleaner
from services.janitor.store import Ledger

log = structlog.get_logger(__name__)

SWEEP_EVERY_S = 3600.0
RETRY_S = 60.0
UNKNOWN_AFTER = timedelta(days=1)
"""So long the files of a job that the log doesn't know are left alone: a log may have been restored."""
MAX_ERASED = 1000
"""Jobs erased by one sweep; the next one takes the rest."""
_ROOT = "movies/"


class Orphans:
    def __init__(
        self, bus: Bus, store: ObjectStore, ledger: Ledger, cleaner: Cleaner, now: Callable[[], datetime]
    ) -> None:
        self._bus = bus
        self._store = store
        self._ledger = ledger
        self._cleaner = cleaner
        self._now = now

    async def run(self) -> None:
        """Sweep now and every hour. Start it once the ledger has caught up with the log."""
        told = False
        while True:
            try:
                await self.sweep()
                told, pause_s = False, SWEEP_EVERY_S
            except (StoreError, BusError) as error:
                log.warning("sweep_failed", error=str(error))
                told, pause_s = told or await self._tell(error), RETRY_S
            await asyncio.sleep(pause_s)

    async def sweep(self) -> int:
        """Erase what belongs to nobody; of how many jobs. Raises StoreError, BusUnavailable."""
        # First the files, then the jobs: a job that begins in between is not taken for unknown.
        newest = await self._newest_by_job()
        phases = await self._ledger.phases(newest)
        orphans: list[str] = []
        for job_id, modified_at in newest.items():
            if len(orphans) < MAX_ERASED and await self._is_orphan(phases.get(job_id), job_id, modified_at):
                orphans.append(job_id)
        for job_id in orphans:
            await self._cleaner.erase(job_id)
        log.info("swept", jobs_with_files=len(newest), orphans=len(orphans))
        return len(orphans)

    async def _newest_by_job(self) -> dict[str, datetime]:
        newest: dict[str, datetime] = {}
        for info in await self._store.list(_ROOT):
            job_id, slash, _ = info.key.removeprefix(_ROOT).partition("/")
            if slash:
                newest[job_id] = max(info.modified_at, newest.get(job_id, info.modified_at))
        return newest

    async def _is_orphan(self, phase: Phase | None, job_id: str, modified_at: datetime) -> bool:
        if phase is not None:
            return phase in (Phase.FAILED, Phase.DELETED)
        if self._now() - modified_at < UNKNOWN_AFTER or "." in job_id:
            return False
        return await self._bus.last_sequence(JOBS, [f"jobs.{job_id}.>"]) == 0

    async def _tell(self, error: Exception) -> bool:
        try:
            await self._bus.publish(alerts.sweep_failed(f"{error}.", self._now()))
        except BusError:
            return False
        return True
