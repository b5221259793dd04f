"""The gateway: the one door of the house. Wiring only."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from litestar import Litestar, Router
from litestar.di import Provide
from litestar.handlers import ASGIRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

from libs.common import streams
from libs.common.bus import Stored
from libs.common.installation import installation_secret, installation_store
from libs.common.objects import ObjectStore, StoreError
from libs.common.projection import Database, Projection
from libs.common.service import Service, version
from libs.common.settings import Settings
from services.streamer.api.auth import AuthController, Cookies
from services.streamer.api.docs import STYLE, DocsPage
from services.streamer.api.episodes import EpisodesController
from services.streamer.api.errors import HANDLERS, plain_not_found
from services.streamer.api.events import EventsController
from services.streamer.api.files import file_routes
from services.streamer.api.inputs import JsonRequest
from services.streamer.api.jobs import JobsController
from services.streamer.api.movies import DiscoveryController, WatchingController
from services.streamer.api.pages import DIST, page_routes
from services.streamer.api.releases import ReleasesController
from services.streamer.api.sessions import SessionsController
from services.streamer.api.shell import Shell, content_security_policy, page_origin
from services.streamer.api.stream import stream_route
from services.streamer.api.subtitles import SubtitlesController
from services.streamer.api.tasks import TasksController
from services.streamer.auth.guards import Gate, own_page_only, owner_only
from services.streamer.auth.owner import Owner
from services.streamer.auth.sessions import Sessions
from services.streamer.auth.throttle import Throttle
from services.streamer.jobs import Jobs
from services.streamer.limits import Places
from services.streamer.metrics import Figures
from services.streamer.names import Names
from services.streamer.playback import Playback
from services.streamer.players import PlayerEvents
from services.streamer.progress import ProgressBoard, follow_progress
from services.streamer.projections.jobs import apply
from services.streamer.published import Published
from services.streamer.push import Push
from services.streamer.relay import Relay
from services.streamer.requests import Requests
from services.streamer.showing import Showings
from services.streamer.store import SCHEMA, JobStore

log = structlog.get_logger(__name__)

MOVIES = "/api/movies-on-demand"
RELEASE_LISTS_MAX = 32
"""Followed at once, each while indexers are asked: half of what the indexer answers at a time."""
MAX_BODY_BYTES = 64 * 1024


async def body(service: Service) -> None:
    """Start the gateway."""
    settings, bus = service.settings, service.bus
    secret, objects = installation_secret(settings), installation_store(settings)
    service.on_close(objects.close)
    database = Database(settings.database("streamer"), SCHEMA)
    await database.open()
    service.on_close(database.close)

    projection = Projection(bus, database, streams.JOBS, streams.EVENT_SUBJECTS, apply)
    store, board = JobStore(database), ProgressBoard()
    push = Push(store, board, projection)
    figures = Figures(store, projection)

    def applied(batch: Sequence[Stored]) -> None:
        figures.applied(batch)
        push.applied(batch)

    service.task(projection.run(applied), "projection")
    service.task(figures.run(), "figures")
    service.task(follow_progress(bus, board), "progress")
    service.task(push.follow_jobs(), "push-jobs")
    service.task(push.follow_progress(), "push-progress")
    service.task(_close_when_stopping(service, push), "push-close")
    service.task(_let_pages_read(objects, settings.public_url), "let-pages-read")
    service.ready_when(projection.check)

    sessions = Sessions(bus, secret, _now)
    gate = Gate(secret, sessions, _now)
    url_ttl_s = settings.storage.url_ttl_s
    playback = Playback(bus, objects, projection, _now, url_ttl_s=url_ttl_s)
    published = Published(objects, url_ttl_s=url_ttl_s)
    showings = Showings(secret, sessions, store, playback, published, _now, ttl_s=url_ttl_s)
    provided = {
        "bus": bus,
        "cookie_jar": Cookies(secure=settings.public_url.startswith("https:")),
        "gate": gate,
        "jobs": Jobs(store, board),
        "owner": Owner(bus),
        "playback": playback,
        "player_events": PlayerEvents(time.monotonic),
        "push": push,
        "release_places": Places(
            RELEASE_LISTS_MAX, "Too many lists of releases are being made.", retry_after_s=5
        ),
        "requests": Requests(bus, store, projection, _now),
        "sessions": sessions,
        "showings": showings,
        "store": store,
        "throttle": Throttle(time.monotonic),
    }
    names = Names(settings.public_url, settings.gateway.host)
    routes = [*file_routes(objects, names), stream_route(showings, published, Relay())]
    app = _litestar(gate, names, routes, provided)
    service.serve(Shell(app, service.health, names, _policy(settings)))


async def _close_when_stopping(service: Service, push: Push) -> None:
    # Open event streams would hold the server up until it cuts them off.
    await service.stopping.wait()
    push.close()


async def _let_pages_read(objects: ObjectStore, public_url: str) -> None:
    try:
        await objects.let_pages_read(page_origin(public_url))
    except StoreError as error:
        # Whoever plays in other programs needs no rule: it is for the owner to read, not a reason to stop.
        log.warning("pages_may_not_read", reason=str(error))


def _litestar(gate: Gate, names: Names, routes: list[ASGIRouteHandler], provided: dict[str, Any]) -> Litestar:
    door = Router("/", route_handlers=[AuthController], guards=[own_page_only(names)])
    movies = Router(
        MOVIES,
        route_handlers=[DiscoveryController, ReleasesController, WatchingController, JobsController],
        guards=[owner_only(gate)],
        security=[{"cookie": []}, {"bearer": []}],
    )
    live = Router(
        "/",
        route_handlers=[
            EpisodesController,
            EventsController,
            SessionsController,
            SubtitlesController,
            TasksController,
        ],
        guards=[owner_only(gate)],
        security=[{"cookie": []}, {"bearer": []}],
    )
    return Litestar(
        [door, movies, live, *routes, page_routes(DIST)],
        dependencies={name: _always(value) for name, value in provided.items()},
        exception_handlers=HANDLERS,
        request_class=JsonRequest,
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=_openapi(),
        logging_config=None,
    )


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Matinée",
        version=version(),
        description="Search a film, ask for it, watch it.",
        path="/docs",
        openapi_router=Router(
            "/docs", route_handlers=[], after_request=plain_not_found, include_in_schema=False
        ),
        render_plugins=[DocsPage()],
        components=Components(
            security_schemes={
                "cookie": SecurityScheme(type="apiKey", name="matinee_session", security_scheme_in="cookie"),
                "bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT"),
            }
        ),
    )


def _policy(settings: Settings) -> str:
    return content_security_policy(settings, [STYLE])


def _always(value: Any) -> Provide:
    def provide() -> Any:
        return value

    return Provide(provide, sync_to_thread=False)


def _now() -> datetime:
    return datetime.now(UTC)
