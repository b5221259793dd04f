"""/v1/session: play sessions, and what their players tell of them."""

import re
from typing import Annotated, cast

import msgspec
from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from libs.common.bus import Bus
from libs.common.errors import ErrorCode, ServiceError
from libs.common.events import GetMovie, MovieDetails
from libs.common.media import Media
from libs.common.plan import CODEC_CHARS_MAX, CODECS_MAX, Device, Plan
from libs.common.queries import ask
from services.streamer.api.errors import REFUSALS
from services.streamer.api.inputs import AnyRequest, job_id_of, movie_id_of
from services.streamer.api.stream import STREAM
from services.streamer.auth.guards import Visitor
from services.streamer.players import PlayerEventKind, PlayerEvents
from services.streamer.requests import Requests, Wish, title_of
from services.streamer.showing import OVER, PlayMode, Showings, way_of
from services.streamer.store import JobStore, Kept

LONGEST_MS = 3_600_000
_FILM = re.compile(r"tmdb:movie:(\d{1,10})", re.ASCII)


Codec = Annotated[str, msgspec.Meta(max_length=CODEC_CHARS_MAX)]


class DeviceCaps(msgspec.Struct, frozen=True, kw_only=True):
    """`codecs`: those of these to which `MediaSource.isTypeSupported` said yes, each in its `video/mp4` or
    `audio/mp4`: avc1.640028, avc1.6e0028, hvc1.1.6.L120.90, hvc1.2.4.L153.B0, av01.0.08M.08, av01.0.08M.10,
    vp09.00.10.08, mp4a.40.2, ac-3, ec-3, flac, opus. Others, and other keys, are passed over.
    """

    codecs: Annotated[tuple[Codec, ...], msgspec.Meta(max_length=CODECS_MAX)] = ()

    @property
    def device(self) -> Device | None:
        """None if nothing is said: no device plays nothing."""
        return Device.of(self.codecs) if self.codecs else None


class SessionOrder(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Either `titleId` (`tmdb:movie:603`; fetched if it isn't there) or `jobId` (that very job).

    By what the device says that it plays its way to the film is planned; without, what plays everywhere.
    Who is watching is taken, and makes no difference yet.
    """

    title_id: str | None = None
    job_id: str | None = None
    device_caps: DeviceCaps | None = None
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
    """`streamUrl` and what is below it answers GET and HEAD, without credentials; 400 while not `playable`.

    `mode`: `file` plays `streamUrl` itself, with ranges; `hls` plays `{streamUrl}/movie.m3u8`, which has
    `video.m3u8`, `sound-{k}.m3u8` and, by the numbers of `media`, `text-{k}.m3u8` (WebVTT in pieces); null
    while not `playable`: ask again. A film of mode `file` has its texts, too. A ready one has `text-{k}.vtt`,
    `text-{k}.ass` for what is ASS, and of mode `hls` also `sprites.vtt`. `plan` and `media` are null if
    nobody knows what is inside. With a plan `cannot` the file is there for other players.
    409 of any address: another release, or another form of this one; start a new session and go on there.
    """

    session_id: str
    job_id: str
    playable: bool
    mode: PlayMode | None
    plan: Plan | None
    media: Media | None
    duration_s: float | None
    pick: PickView | None
    stream_url: str
    next_hint: None = None


class PlayerEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What happened to a session's player: `first_frame` (`value`: ms since the session was asked for),
    `buffering` (`value`: ms that it stood still), `fallback` (another way to play is taken) or `error`.
    """

    session_id: Annotated[str, msgspec.Meta(max_length=300)]
    kind: PlayerEventKind
    value: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_MS)] | None = None


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
        return _view(job, session_id, data.device_caps)

    @post("/events", status_code=204, responses=REFUSALS, summary="Tell how playing goes")
    async def events(
        self,
        request: AnyRequest,
        showings: NamedDependency[Showings],
        player_events: NamedDependency[PlayerEvents],
        data: JSONBody[PlayerEvent],
    ) -> None:
        """Counted for /metrics; beyond 30 at once and one in two seconds it is taken, and not counted."""
        visitor = cast("Visitor", request.auth)
        allowed = await showings.read(data.session_id)
        if allowed.session != visitor.session:
            raise ServiceError(ErrorCode.NOT_FOUND, OVER)
        player_events.tell(visitor.session, data.kind, data.value)


async def _job_of_title(title_id: str, bus: Bus, store: JobStore, requests: Requests) -> Kept:
    number = movie_id_of(title_id.rpartition(":")[2])
    latest = await store.latest_of(number)
    if latest and not latest.state.is_over:
        return latest
    movie = await ask(bus, GetMovie(movie_id=number), MovieDetails)
    wish = Wish(mode="auto", release_id=None, quality=None)
    return (await requests.request(title_of(movie), wish)).job


def _view(job: Kept, session_id: str, caps: DeviceCaps | None) -> PlaySession:
    pick, media = job.state.pick, job.state.media
    way = way_of(job.state, caps.device if caps else None)
    return PlaySession(
        session_id=session_id,
        job_id=job.state.job_id,
        playable=job.state.is_playable,
        mode=way.mode,
        plan=way.plan,
        media=media,
        duration_s=media.duration_s if media else None,
        pick=PickView(
            release_id=pick.release_id, title=pick.title, quality=pick.quality, size_bytes=pick.size_bytes
        )
        if pick
        else None,
        stream_url=f"{STREAM}/{session_id}",
    )
