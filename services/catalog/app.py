"""The catalog's wiring."""

from libs.common.events import GetMovie, ListMovies, SearchMovies, SimilarMovies
from libs.common.queries import Answers
from libs.common.service import Service, version
from services.catalog.queries import Catalog
from services.catalog.store import answers_cache
from services.catalog.tmdb import Tmdb


async def body(service: Service) -> None:
    settings = service.settings
    cache = answers_cache(settings.database("catalog"))
    await cache.open()
    service.on_close(cache.close)
    tmdb = Tmdb(settings.tmdb, user_agent=f"Matinee/{version()}")
    service.on_close(tmdb.close)
    catalog = Catalog(tmdb, cache, settings.tmdb.url)
    answers = Answers(service.bus, "catalog", version())
    answers.add(SearchMovies, catalog.search)
    answers.add(ListMovies, catalog.list)
    answers.add(SimilarMovies, catalog.similar)
    answers.add(GetMovie, catalog.movie)
    service.ready_when(answers.ready)
    service.task(answers.serve(), "answers")
