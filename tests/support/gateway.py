"""The gateway on a free port, in this process, by its own body; and answerers in the place of who it asks."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from msgspec.structs import replace

from libs.common import jobs, streams
from libs.common.bus import Bus
from libs.common.catalog import Genre, GenreMovies, Genres, ListGenres, ListTasks, TaskReport, TaskReports
from libs.common.errors import ErrorCode, ServiceError
from libs.common.events import (
    Candidate,
    Deleted,
    Described,
    Film,
    FindSubtitles,
    GetMovie,
    GetSubtitle,
    JobEvent,
    ListMovies,
    MovieDetails,
    MoviePage,
    Playable,
    Preparing,
    Probed,
    Progress,
    Queued,
    Ready,
    Requested,
    Score,
    SearchMovies,
    SimilarMovies,
    Started,
    Subtitle,
    SubtitleList,
    SubtitleQuota,
    SubtitleText,
    TitleRef,
    Unavailable,
)
from libs.common.indexers import FindReleases, FollowReleases, IndexerAnswer, Releases, ReleasesSoFar
from libs.common.media import Media
from libs.common.queries import Answers
from libs.common.series import Counting, Episode, ExternalIds, GetEpisodes, SeriesEpisodes
from libs.common.service import Service
from libs.common.settings import Gateway, Settings
from services.streamer.app import body
from services.streamer.auth.tokens import mint
from tests.support.service import running

PASSWORD = "correct horse battery"
SECRET = b"s" * 32
MOVIES = "/api/movies-on-demand"
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
UNKNOWN_MOVIE = 404
MOVIE_WITHOUT_IMDB = 7
BROKEN_CATALOG_MOVIE = 502


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Running:
    """A gateway that runs; `stop` is what SIGTERM does."""

    def __init__(self, service: Service, url: str) -> None:
        self.service = service
        self.url = url

    async def stop(self) -> None:
        await self.service.stop()

    def client(self, *, address: str = "127.0.0.1") -> httpx.AsyncClient:
        """A client of its own: cookies, and the loopback address that it comes from."""
        transport = httpx.AsyncHTTPTransport(local_address=address)
        return httpx.AsyncClient(base_url=self.url, transport=transport, timeout=20)


@asynccontextmanager
async def gateway(bus: Bus, data: Path, **changes: object) -> AsyncIterator[Running]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = Settings(
        data_dir=str(data), public_url=url, gateway=Gateway(port=port), secret=SECRET.decode()
    )
    async with running("streamer", replace(settings, **changes), bus, body, port=port) as service:
        await _until_caught_up(url)
        yield Running(service, url)


async def _until_caught_up(url: str) -> None:
    async with asyncio.timeout(10), httpx.AsyncClient(base_url=url) as client:
        while (await client.get("/readyz")).status_code != 200:
            await asyncio.sleep(0.01)


async def sign_in(client: httpx.AsyncClient) -> None:
    """Make the client the owner's, by cookie and CSRF token."""
    response = await client.post("/auth/setup", json={"password": PASSWORD})
    if response.status_code == 409:
        response = await client.post("/auth/login", json={"password": PASSWORD})
    client.headers["x-csrf-token"] = response.raise_for_status().json()["csrf_token"]


def details(movie_id: int) -> MovieDetails:
    return MovieDetails(
        id=movie_id,
        title=f"Film {movie_id}",
        year=1999,
        release_date="1999-03-30",
        overview="A film.",
        poster_url=f"https://image.tmdb.org/{movie_id}.jpg",
        backdrop_url=None,
        rating=8.2,
        runtime_min=136,
        genres=("Action",),
        cast=(),
        crew=(),
        imdb_id=None if movie_id == MOVIE_WITHOUT_IMDB else f"tt{movie_id:07}",
    )


def title(movie_id: int) -> TitleRef:
    movie = details(movie_id)
    return TitleRef(
        key=f"tmdb:movie:{movie_id}", movie_id=movie_id, name=movie.title, poster_url=movie.poster_url
    )


def candidate(release_id: str = "r1") -> Candidate:
    return Candidate(
        release_id=release_id,
        title=f"Film.1999.1080p.BluRay.x264-{release_id.upper()}",
        indexer="test",
        nzb_url="http://indexer.invalid/nzb?apikey={api_key}",
        size_bytes=8_000_000_000,
        age_days=10,
        quality="1080p",
        score=Score(total=1.0, parts={"quality": 1.0}, reasons=("It is 1080p.",)),
    )


def subtitle(language: str) -> Subtitle:
    return Subtitle(file_id=1, language=language, release="Film.1999.1080p.BluRay.x264-R1")


def series(series_id: str) -> SeriesEpisodes:
    """One that has been on, and has one episode."""
    return SeriesEpisodes(
        series_id=series_id,
        title="Series",
        kind="series",
        external=ExternalIds(imdb_id="tt9100001"),
        mapping=(
            Counting(
                season=1, episode_from=1, episode_to=1, absolute_from=1, absolute_to=1, why="It is the first."
            ),
        ),
        episodes=(
            Episode(
                episode_key=f"{series_id}:1:1",
                season=1,
                episode=1,
                absolute_ep=1,
                name="The Ferry",
                runtime_s=2880,
                air_date="2022-01-07",
                is_aired=True,
            ),
        ),
    )


@asynccontextmanager
async def catalog_and_indexer(bus: Bus) -> AsyncIterator[None]:
    """Answers to the gateway's questions, as the real services give them."""

    async def movie(query: GetMovie) -> MovieDetails:
        if query.movie_id == UNKNOWN_MOVIE:
            raise ServiceError(ErrorCode.NOT_FOUND, "Movie not found")
        if query.movie_id == BROKEN_CATALOG_MOVIE:
            raise ServiceError(ErrorCode.TMDB_ERROR, "TMDB does not answer")
        return details(query.movie_id)

    async def page(query: SearchMovies | ListMovies | SimilarMovies | GenreMovies) -> MoviePage:
        return MoviePage(page=query.page, total_pages=500, total_results=1, results=(details(1),))

    async def genres(query: ListGenres) -> Genres:
        return Genres(genres=(Genre(id=28, name=f"Action ({query.language[:10]})"),))

    async def tasks(_query: ListTasks) -> TaskReports:
        return TaskReports(tasks=(TaskReport(name="movie_sync", interval_s=5400.0, next_run_at=START),))

    async def releases(_query: FindReleases) -> Releases:
        return Releases(releases=(candidate("r1"), candidate("r2")))

    async def releases_so_far(query: FollowReleases) -> AsyncGenerator[ReleasesSoFar]:
        asked = IndexerAnswer(name="A", state="asked")
        answered = IndexerAnswer(name="A", state="answered", found=2)
        dead = IndexerAnswer(name="B", state="failed", message="B can't be reached.")
        yield ReleasesSoFar(releases=(), indexers=(asked, dead))
        if query.title.movie_id == MOVIE_WITHOUT_IMDB:
            raise ServiceError(ErrorCode.NZBGEEK_ERROR, "B can't be reached.")
        yield ReleasesSoFar(releases=(candidate("r1"), candidate("r2")), indexers=(answered, dead))

    async def texts(query: FindSubtitles) -> SubtitleList:
        return SubtitleList(
            subtitles=tuple(subtitle(language) for language in query.languages),
            quota=SubtitleQuota(remaining=7, resets_at=START),
        )

    async def text(query: GetSubtitle) -> SubtitleText:
        said = f"{query.title_key} {query.language}"
        vtt = f"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n{said}\n"
        return SubtitleText(vtt=vtt, subtitle=subtitle(query.language))

    async def episodes(query: GetEpisodes) -> SeriesEpisodes:
        if not query.series_id.startswith("tmdb:tv:"):
            raise ServiceError(ErrorCode.INVALID_INPUT, "A series' id is such as tmdb:tv:1399.")
        return series(query.series_id)

    catalog = Answers(bus, "catalog", "0.0.0")
    catalog.add(FindSubtitles, texts)
    catalog.add(GetSubtitle, text)
    catalog.add(GetEpisodes, episodes)
    catalog.add(GetMovie, movie)
    catalog.add(SearchMovies, page)
    catalog.add(ListMovies, page)
    catalog.add(SimilarMovies, page)
    catalog.add(GenreMovies, page)
    catalog.add(ListGenres, genres)
    catalog.add(ListTasks, tasks)
    indexer = Answers(bus, "indexer", "0.0.0")
    indexer.add(FindReleases, releases)
    indexer.add_several(FollowReleases, releases_so_far)
    running = [asyncio.create_task(answers.serve()) for answers in (catalog, indexer)]
    async with AsyncExitStack() as stack:
        for task in running:
            stack.callback(task.cancel)
        await asyncio.sleep(0.05)
        yield
    await asyncio.gather(*running, return_exceptions=True)


class Story:
    """The events of one job, in order, as its makers tell them: one second apart."""

    def __init__(self, movie_id: int, number: int, *, began: datetime = START) -> None:
        self.job_id = f"job_{int(began.timestamp() * 1000) + number}_{number:010x}"
        self._movie_id = movie_id
        self._began = began + timedelta(minutes=number)
        self._told = 0

    def requested(self) -> Requested:
        return Requested(**self._head("requested"), title=title(self._movie_id), mode="auto")

    def queued(self, attempt: int = 1, release_id: str = "r1") -> Queued:
        pick = candidate(release_id)
        return Queued(
            **self._head("queued", attempt), attempt=attempt, pick=pick, title=title(self._movie_id)
        )

    def started(self) -> Started:
        return Started(**self._head("started", 1, 1), attempt=1, delivery=1, instance="i1")

    def described(self) -> Described:
        head = self._head("described", 1, 1)
        return Described(
            **head, attempt=1, delivery=1, file_name="film.mkv", size_bytes=1000, container="matroska"
        )

    def playable(self, address: str, size_bytes: int = 1000) -> Playable:
        return Playable(
            **self._head("playable", 1, 1),
            attempt=1,
            delivery=1,
            address=address,
            size_bytes=size_bytes,
            content_type="video/x-matroska",
        )

    def probed(self, media: Media | None = None) -> Probed:
        why_not = None if media else "It isn't a film."
        return Probed(**self._head("probed", 1, 1), attempt=1, delivery=1, media=media, why_not=why_not)

    def preparing(self) -> Preparing:
        return Preparing(**self._head("preparing", 1, 1), attempt=1, delivery=1)

    def ready(self, film: Film | None = None) -> Ready:
        key = f"{jobs.film_prefix(self.job_id)}movie.mp4"
        film = film or Film(key=key, size_bytes=10, content_type="video/mp4")
        return Ready(**self._head("ready", 1, 1), attempt=1, delivery=1, film=film)

    def deleted(self) -> Deleted:
        return Deleted(**self._head("deleted"))

    def up_to(self, phase: str) -> list[JobEvent]:
        """Everything from the request until the job is in that phase."""
        steps: dict[str, Callable[[], JobEvent]] = {
            "requested": self.requested,
            "queued": self.queued,
            "downloading": self.started,
            "preparing": self.preparing,
            "ready": self.ready,
            "deleted": self.deleted,
        }
        names = list(steps)
        return [steps[name]() for name in names[: names.index(phase) + 1]]

    def _head(self, fact: str, attempt: int = 0, delivery: int = 0) -> dict[str, object]:
        self._told += 1
        return {
            "id": jobs.event_id(self.job_id, fact, attempt, delivery),
            "at": self._began + timedelta(seconds=self._told),
            "job_id": self.job_id,
        }


async def tell(bus: Bus, *events: JobEvent) -> int:
    """Put events on the log; the last one's sequence."""
    sequence = 0
    for event in events:
        sequence = await bus.publish(event)
    return sequence


def bearer(session: str, *, secret: bytes = SECRET, ttl_s: int = 60) -> str:
    return "Bearer " + mint(secret, session=session, ttl_s=ttl_s, now=datetime.now(UTC))


async def applied(house: Running, bus: Bus, sequence: int) -> None:
    """Until the gateway shows what the log has up to a sequence."""
    event = await bus.js.get_msg(streams.JOBS, sequence)
    job_id = str(event.subject).split(".")[1]
    headers = {"authorization": bearer("test"), "last-event-id": str(sequence - 1)}
    async with asyncio.timeout(5), house.client() as client:
        while (await client.get(f"{MOVIES}/jobs/{job_id}", headers=headers)).status_code != 200:
            await asyncio.sleep(0.01)
        async with client.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("id: ") and int(line[4:]) >= sequence:
                    return


def refusal(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    assert set(body) == {"error", "code"}
    assert body["error"]
    return response.status_code, body["code"]


def no_release(job_id: str) -> Unavailable:
    return Unavailable(
        id=jobs.event_id(job_id, "unavailable"),
        at=datetime.now(UTC),
        job_id=job_id,
        code="NOT_FOUND",
        message="No release can be had of this film.",
    )


def progress(job_id: str, done_bytes: int, *, delivery: int = 1) -> Progress:
    return Progress(
        at=datetime.now(UTC),
        job_id=job_id,
        attempt=1,
        delivery=delivery,
        stage="downloading",
        done_bytes=done_bytes,
        total_bytes=1000,
        speed_bps=100.0,
        eta_s=5.0,
    )
