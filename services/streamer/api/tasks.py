"""/v1/tasks: what is done in the background."""

from litestar import Controller, get
from litestar.di import NamedDependency

from libs.common.bus import Bus
from libs.common.catalog import ListTasks, TaskReports
from libs.common.queries import ask
from services.streamer.api.errors import REFUSALS


class TasksController(Controller):
    """What is done in the background."""

    path = "/v1/tasks"
    tags = ("house",)

    @get("/", responses=REFUSALS, summary="How the background tasks are: last run, next run, error, counts")
    async def tasks(self, bus: NamedDependency[Bus]) -> TaskReports:
        return await ask(bus, ListTasks(), TaskReports)
