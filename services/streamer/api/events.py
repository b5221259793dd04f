"""/v1: changes of jobs as they happen, as Server-Sent Events (HTML Living Standard §9.2)."""

from collections.abc import AsyncGenerator
from typing import Annotated, cast

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter
from litestar.response import Stream

from services.streamer.api.errors import REFUSALS
from services.streamer.api.inputs import AnyRequest, job_id_of
from services.streamer.auth.guards import Visitor
from services.streamer.auth.sessions import Sessions
from services.streamer.jobs import Jobs
from services.streamer.push import Push, Update

HEARTBEAT_S = 15.0
RETRY_MS = 2000
LARGEST_SEQUENCE = 2**63 - 1

LastEventId = Annotated[str | None, HeaderParameter(name="Last-Event-ID")]


class EventsController(Controller):
    """What happens, as it happens."""

    path = "/v1"
    tags = ("events",)

    @get("/events", media_type="text/event-stream", responses=REFUSALS, summary="Every job's changes")
    async def all_jobs(
        self,
        request: AnyRequest,
        push: NamedDependency[Push],
        sessions: NamedDependency[Sessions],
        last_event_id: LastEventId = None,
    ) -> Stream:
        """First the active jobs (with `Last-Event-ID`: all that changed since), then each change."""
        events = _events(push, sessions, _visitor(request), None, _sequence(last_event_id))
        return await _answer(events)

    @get(
        "/jobs/{job_id:str}/events",
        media_type="text/event-stream",
        responses=REFUSALS,
        summary="One job's changes",
    )
    async def one_job(
        self,
        request: AnyRequest,
        push: NamedDependency[Push],
        sessions: NamedDependency[Sessions],
        jobs: NamedDependency[Jobs],
        job_id: FromPath[str],
        last_event_id: LastEventId = None,
    ) -> Stream:
        job = await jobs.one(job_id_of(job_id))
        events = _events(push, sessions, _visitor(request), job.job_id, _sequence(last_event_id))
        return await _answer(events)


async def _answer(events: AsyncGenerator[bytes, None]) -> Stream:
    # One page too many is refused here, while there can still be another answer.
    await anext(events)
    # Proxies that gather an answer before they pass it on are told not to.
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return Stream(events, media_type="text/event-stream", headers=headers)


async def _events(
    push: Push, sessions: Sessions, visitor: Visitor, job_id: str | None, after: int | None
) -> AsyncGenerator[bytes, None]:
    """Until the client goes, the gateway stops, the session ends or the client can't keep up.

    The first piece is empty, and comes once the subscription is there. Raises TooMuch before it.
    """
    with push.subscribe(job_id, visitor.session) as subscriber:
        yield b""
        yield b"retry: %d\n\n" % RETRY_MS
        subscriber.begin(await push.present(job_id, after))
        while not subscriber.is_closed:
            update = await subscriber.next(HEARTBEAT_S)
            if update:
                yield _event(update)
            elif not await sessions.is_live(visitor.session):
                return
            elif not subscriber.is_closed:
                yield b": still here\n\n"


def _event(update: Update) -> bytes:
    return b"event: job\nid: %d\ndata: %b\n\n" % (update.sequence, update.view)


def _sequence(last_event_id: str | None) -> int | None:
    """The sequence in a `Last-Event-ID`; None, as if none was sent, for one that isn't ours."""
    text = last_event_id or ""
    if not text.isascii() or not text.isdecimal() or len(text) > len(str(LARGEST_SEQUENCE)):
        return None
    return min(int(text), LARGEST_SEQUENCE)


def _visitor(request: AnyRequest) -> Visitor:
    return cast("Visitor", request.auth)
