"""Jobs as they are shown: what the projection has, with the progress of those that run."""

from collections.abc import Sequence

import msgspec

from libs.common.errors import ErrorCode, ServiceError
from libs.common.jobs import MovieStatus
from services.streamer.progress import ProgressBoard
from services.streamer.store import JobStore, Kept
from services.streamer.views import JobView, job_view


class JobPage(msgspec.Struct, frozen=True, kw_only=True):
    """`total`: how many there are, on this page and all others."""

    jobs: list[JobView]
    total: int


class Jobs:
    def __init__(self, store: JobStore, board: ProgressBoard) -> None:
        self._store = store
        self._board = board

    def view(self, job: Kept) -> JobView:
        return job_view(job.state, self._board.of(job.state))

    async def one(self, job_id: str) -> JobView:
        """Raises ServiceError: NOT_FOUND."""
        job = await self._store.job(job_id)
        if job is None:
            raise ServiceError(ErrorCode.NOT_FOUND, "Job not found")
        return self.view(job)

    async def latest_of(self, movie_id: int) -> JobView | None:
        job = await self._store.latest_of(movie_id)
        return self.view(job) if job else None

    async def page(self, statuses: Sequence[MovieStatus], limit: int, offset: int) -> JobPage:
        jobs, total = await self._store.page(statuses, limit, offset)
        return JobPage(jobs=[self.view(job) for job in jobs], total=total)
