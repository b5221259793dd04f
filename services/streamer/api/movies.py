"""/api/movies-on-demand: finding films, and asking for one."""

from typing import Annotated

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec.structs import asdict

from libs.common.bus import Bus
from libs.common.catalog import GenreMovies, Genres, ListGenres
from libs.common.events import (
    GetMovie,
    ListMovies,
    MovieDetails,
    MoviePage,
    SearchMovies,
    SimilarMovies,
)
from libs.common.queries import ask
from services.streamer.api.errors import REFUSALS
from services.streamer.api.inputs import FetchOrder, genre_id_of, job_id_of, movie_id_of, page_of, query_of
from services.streamer.jobs import Jobs
from services.streamer.playback import PlayableStream, Playback
from services.streamer.requests import Requests, title_of
from services.streamer.store import JobStore
from services.streamer.views import JobStatus, JobView, job_status


class MovieAnswer(MovieDetails, frozen=True, kw_only=True):
    """A film, and what became of the last request for it."""

    job_status: JobStatus | None


JOINED = ResponseSpec(JobView, description="The job that the film already has.", generate_examples=False)


class DiscoveryController(Controller):
    """What films there are."""

    tags = ("films",)

    @get("/search", responses=REFUSALS, summary="Search films by title")
    async def search(
        self,
        bus: NamedDependency[Bus],
        words: Annotated[str | None, QueryParameter(name="query")] = None,
        page: FromQuery[str | None] = None,
    ) -> MoviePage:
        return await ask(bus, SearchMovies(query=query_of(words), page=page_of(page)), MoviePage)

    @get("/popular", responses=REFUSALS, summary="Popular films")
    async def popular(self, bus: NamedDependency[Bus], page: FromQuery[str | None] = None) -> MoviePage:
        return await ask(bus, ListMovies(list="popular", page=page_of(page)), MoviePage)

    @get("/top", responses=REFUSALS, summary="The best rated films")
    async def top(self, bus: NamedDependency[Bus], page: FromQuery[str | None] = None) -> MoviePage:
        return await ask(bus, ListMovies(list="top", page=page_of(page)), MoviePage)

    @get("/trending", responses=REFUSALS, summary="What was looked at most this week")
    async def trending(self, bus: NamedDependency[Bus], page: FromQuery[str | None] = None) -> MoviePage:
        return await ask(bus, ListMovies(list="trending", page=page_of(page)), MoviePage)

    @get("/genres", responses=REFUSALS, summary="The genres of films, in a language")
    async def genres(self, bus: NamedDependency[Bus], language: FromQuery[str] = "en") -> Genres:
        """`language`: `en`, `pt-BR`."""
        return await ask(bus, ListGenres(language=language), Genres)

    @get("/genres/{genre_id:str}/movies", responses=REFUSALS, summary="The most popular films of a genre")
    async def genre(
        self, bus: NamedDependency[Bus], genre_id: FromPath[str], page: FromQuery[str | None] = None
    ) -> MoviePage:
        return await ask(bus, GenreMovies(genre_id=genre_id_of(genre_id), page=page_of(page)), MoviePage)

    @get("/movies/{movie_id:str}", responses=REFUSALS, summary="One film, and its latest job")
    async def movie(
        self, bus: NamedDependency[Bus], jobs: NamedDependency[Jobs], movie_id: FromPath[str]
    ) -> MovieAnswer:
        number = movie_id_of(movie_id)
        movie = await ask(bus, GetMovie(movie_id=number), MovieDetails)
        job = await jobs.latest_of(number)
        return MovieAnswer(**asdict(movie), job_status=job_status(job) if job else None)

    @get("/movies/{movie_id:str}/similar", responses=REFUSALS, summary="Films like this one")
    async def similar(
        self, bus: NamedDependency[Bus], movie_id: FromPath[str], page: FromQuery[str | None] = None
    ) -> MoviePage:
        return await ask(bus, SimilarMovies(movie_id=movie_id_of(movie_id), page=page_of(page)), MoviePage)


class WatchingController(Controller):
    """Asking for a film, and playing it."""

    tags = ("watching",)

    @post(
        "/movies/{movie_id:str}/fetch",
        status_code=202,
        summary="Fetch a film, or join the job it already has",
        responses=REFUSALS | {200: JOINED},
    )
    async def fetch(
        self,
        bus: NamedDependency[Bus],
        jobs: NamedDependency[Jobs],
        requests: NamedDependency[Requests],
        movie_id: FromPath[str],
        data: JSONBody[FetchOrder],
    ) -> Response[JobView]:
        movie = await ask(bus, GetMovie(movie_id=movie_id_of(movie_id)), MovieDetails)
        answered = await requests.request(title_of(movie), data.wish)
        return Response(jobs.view(answered.job), status_code=202 if answered.is_new else 200)

    @get("/movies/{movie_or_job_id:str}/stream", responses=REFUSALS, summary="Where a ready film plays")
    async def stream(
        self,
        store: NamedDependency[JobStore],
        playback: NamedDependency[Playback],
        movie_or_job_id: FromPath[str],
    ) -> PlayableStream:
        if movie_or_job_id.startswith("job_"):
            return await playback.play(await store.job(job_id_of(movie_or_job_id)))
        return await playback.play(await store.latest_of(movie_id_of(movie_or_job_id)))
