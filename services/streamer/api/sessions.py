"""/v1: play sessions, and the film itself while it is being fetched."""

import re
from typing import Any, cast

import msgspec
from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.handlers import ASGIRouteHandler, asgi
from litestar.params import JSONBody
from litestar.types import Receive, Scope, Send

from libs.common import ranges
from libs.common.bus import Bus
from libs.common.errors import ErrorCode, ServiceError
from libs.common.events import GetMovie, MovieDetails
from libs.common.queries import ask
from services.streamer.api.errors import REFUSALS
from services.streamer.api.inputs import AnyRequest, job_id_of, movie_id_of
from services.streamer.auth.guards import Visitor
from services.streamer.relay import Relay
from services.streamer.requests import Requests, Wish, title_of
from services.streamer.showing import AtInstance, Showings, is_playable
from services.streamer.store import JobStore, Kept

STREAM = "/v1/stream"
_FILM = re.compile(r"tmdb:movie:(\d{1,10})", re.ASCII)


class SessionOrder(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Either `titleId` (`tmdb:movie:603`; fetched if it isn't there) or `jobId` (that very job).

    What a device can play and who is watching is taken, and makes no difference yet.
    """

    title_id: str | None = None
    job_id: str | None = None
    device_caps: dict[str, Any] | None = None
    subject_id: str | None = None

    def __post_init__(self) -> None:
        if (self.title_id is None) == (self.job_id is None):
            raise ValueError("Either titleId or jobId is needed, and not both.")
        if self.title_id is not None and not _FILM.fullmatch(self.title_id):
            raise ValueError("titleId must be a film's, such as 'tmdb:movie:603'.")


class PickView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The release that is played."""

    release_id: str
    title: str
    quality: str
    size_bytes: int


class PlaySession(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`streamUrl` answers GET and HEAD with ranges, with no further credential; 400 while not `playable`."""

    session_id: str
    job_id: str
    playable: bool
    pick: PickView | None
    stream_url: str
    next_hint: None = None


class SessionsController(Controller):
    """Playing."""

    path = "/v1/session"
    tags = ("playing",)

    @post("/start", status_code=200, responses=REFUSALS, summary="Start to play a film, fetched or not")
    async def start(
        self,
        request: AnyRequest,
        bus: NamedDependency[Bus],
        store: NamedDependency[JobStore],
        requests: NamedDependency[Requests],
        showings: NamedDependency[Showings],
        data: JSONBody[SessionOrder],
    ) -> PlaySession:
        if data.job_id is not None:
            job = await store.job(job_id_of(data.job_id))
        else:
            job = await _job_of_title(data.title_id or "", bus, store, requests)
        if job is None:
            raise ServiceError(ErrorCode.NOT_FOUND, "Job not found")
        session_id = await showings.start(job, cast("Visitor", request.auth).session)
        return _view(job, session_id)


async def _job_of_title(title_id: str, bus: Bus, store: JobStore, requests: Requests) -> Kept:
    number = movie_id_of(title_id.rpartition(":")[2])
    latest = await store.latest_of(number)
    if latest and not latest.state.is_over:
        return latest
    movie = await ask(bus, GetMovie(movie_id=number), MovieDetails)
    wish = Wish(mode="auto", release_id=None, quality=None)
    return (await requests.request(title_of(movie), wish)).job


def _view(job: Kept, session_id: str) -> PlaySession:
    pick = job.state.pick
    return PlaySession(
        session_id=session_id,
        job_id=job.state.job_id,
        playable=is_playable(job.state),
        pick=PickView(
            release_id=pick.release_id, title=pick.title, quality=pick.quality, size_bytes=pick.size_bytes
        )
        if pick
        else None,
        stream_url=f"{STREAM}/{session_id}",
    )


def stream_route(showings: Showings, relay: Relay) -> ASGIRouteHandler:
    """What answers /v1/stream/{sessionId}: the film from the instance, or a redirect to where it is kept."""

    @asgi(STREAM, is_mount=True, copy_scope=True)
    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        method = str(scope.get("method"))
        if method not in ("GET", "HEAD"):
            raise ServiceError(ErrorCode.INVALID_INPUT, "A film can only be read: GET or HEAD.")
        answer = cast("ranges.Send", send)
        found = await showings.where(scope["path"].strip("/"))
        if isinstance(found, AtInstance):
            headers = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
            }
            asked = (method, headers)
            await relay.pass_on(found.address, found.token, asked, cast("ranges.Receive", receive), answer)
            return
        redirect = {"location": found.url, "content-length": "0"}
        await ranges.send_start(answer, ranges.Plan(status=307, headers=redirect, start=0, length=0))
        await answer({"type": "http.response.body", "body": b"", "more_body": False})

    return stream
