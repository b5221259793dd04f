"""/api/movies-on-demand: what can be fetched of a film, in one answer or as indexers answer."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from libs.common.bus import Bus
from libs.common.errors import ServiceError
from libs.common.events import Candidate, GetMovie, MovieDetails, Score, TitleRef
from libs.common.indexers import FindReleases, FollowReleases, IndexerAnswer, Releases, ReleasesSoFar
from libs.common.queries import ask, ask_several
from services.streamer.api.errors import REFUSALS, ErrorBody
from services.streamer.api.inputs import movie_id_of
from services.streamer.limits import Places
from services.streamer.requests import title_of


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A release as people choose it."""

    id: str
    title: str
    size_bytes: int
    age_days: int
    indexer: str
    quality: str
    source: str | None
    codec: str | None
    group: str | None
    score: Score


class ReleasesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    releases: list[Release]


class ReleasesKnown(msgspec.Struct, frozen=True, kw_only=True):
    """What is known while indexers are still asked."""

    releases: list[Release]
    indexers: tuple[IndexerAnswer, ...]


class ReleasesController(Controller):
    """What can be fetched."""

    tags = ("films",)

    @get(
        "/movies/{movie_id:str}/releases",
        responses=REFUSALS,
        summary="What can be fetched of a film, best first",
    )
    async def releases(self, bus: NamedDependency[Bus], movie_id: FromPath[str]) -> ReleasesAnswer:
        movie = await ask(bus, GetMovie(movie_id=movie_id_of(movie_id)), MovieDetails)
        found = await ask(bus, FindReleases(title=title_of(movie)), Releases)
        return ReleasesAnswer(releases=[_release(candidate) for candidate in found.releases])

    @get(
        "/movies/{movie_id:str}/releases/events",
        media_type="text/event-stream",
        responses=REFUSALS,
        summary="The same as indexers answer",
    )
    async def events(
        self, bus: NamedDependency[Bus], release_places: NamedDependency[Places], movie_id: FromPath[str]
    ) -> Stream:
        """`releases`: what is known, and how far each indexer is; again whenever one has answered.

        The last event is `done`, or `failed` with what REST would have answered.
        """
        movie = await ask(bus, GetMovie(movie_id=movie_id_of(movie_id)), MovieDetails)
        events = _events(bus, title_of(movie), release_places)
        # One too many is refused here, while there can still be another answer.
        await anext(events)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return Stream(events, media_type="text/event-stream", headers=headers)


async def _events(bus: Bus, title: TitleRef, places: Places) -> AsyncGenerator[bytes, None]:
    """The first piece is empty, and comes once there is a place. Raises TooMuch before it."""
    with places.taken():
        yield b""
        try:
            async with aclosing(ask_several(bus, FollowReleases(title=title), ReleasesSoFar)) as answers:
                async for answer in answers:
                    found = [_release(candidate) for candidate in answer.releases]
                    yield _event("releases", ReleasesKnown(releases=found, indexers=answer.indexers))
        except ServiceError as error:
            yield _event("failed", ErrorBody(error=error.message, code=error.code))
            return
        yield b"event: done\ndata: {}\n\n"


def _event(name: str, data: msgspec.Struct) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))


def _release(candidate: Candidate) -> Release:
    return Release(
        id=candidate.release_id,
        title=candidate.title,
        size_bytes=candidate.size_bytes,
        age_days=candidate.age_days,
        indexer=candidate.indexer,
        quality=candidate.quality,
        source=candidate.source,
        codec=candidate.codec,
        group=candidate.group,
        score=candidate.score,
    )
