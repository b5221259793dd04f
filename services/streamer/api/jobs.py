"""/api/movies-on-demand: jobs and what was watched."""

from typing import Annotated

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from services.streamer.api.errors import REFUSALS
from services.streamer.api.inputs import STATUSES, job_id_of, status_of
from services.streamer.jobs import JobPage, Jobs
from services.streamer.store import ACTIVE, JobStore, Watch
from services.streamer.views import JobView

MAX_LIMIT = 100
MAX_OFFSET = 2**31


class HistoryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    history: list[Watch]


class JobsController(Controller):
    """What was asked for."""

    tags = ("jobs",)

    @get("/jobs/{job_id:str}", responses=REFUSALS, summary="One job")
    async def job(self, jobs: NamedDependency[Jobs], job_id: FromPath[str]) -> JobView:
        return await jobs.one(job_id_of(job_id))

    @get(
        "/jobs",
        responses=REFUSALS,
        summary="Jobs, newest update first; all active ones unless a status is given",
    )
    async def jobs_page(
        self,
        jobs: NamedDependency[Jobs],
        status: Annotated[str | None, QueryParameter(schema_extra={"enum": [*STATUSES]})] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT)] = 20,
        offset: Annotated[int, QueryParameter(ge=0, le=MAX_OFFSET)] = 0,
    ) -> JobPage:
        wanted = status_of(status)
        return await jobs.page((wanted,) if wanted else ACTIVE, limit, offset)

    @get("/history", responses=REFUSALS, summary="Films that were watched, the last one first")
    async def history(self, store: NamedDependency[JobStore]) -> HistoryAnswer:
        return HistoryAnswer(history=await store.history())
