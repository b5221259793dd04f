"""The catalog's wiring."""

import time
from random import SystemRandom

from libs.common.catalog import GenreMovies, ListGenres, ListTasks
from libs.common.events import FindSubtitles, GetMovie, GetSubtitle, ListMovies, SearchMovies, SimilarMovies
from libs.common.queries import Answers
from libs.common.sections import Tmdb as TmdbSettings
from libs.common.series import GetEpisodes
from libs.common.service import Service, version
from services.catalog.attention import Attention
from services.catalog.jikan import Jikan
from services.catalog.jikan_series import JikanEpisodes
from services.catalog.kept import Kept
from services.catalog.opensubtitles import OpenSubtitles
from services.catalog.queries import Catalog
from services.catalog.series_queries import SeriesCatalog
from services.catalog.store import answers_cache, series_cache, texts_cache
from services.catalog.sync import LISTS_EVERY_S, MOVIES_EVERY_S, Sync
from services.catalog.tasks import Task, Tasks, utc_now
from services.catalog.texts import Texts
from services.catalog.titles import Titles
from services.catalog.tmdb import Tmdb
from services.catalog.tmdb_series import TmdbEpisodes

TASKS_START_AFTER_S = 10.0


async def body(service: Service) -> None:
    settings = service.settings
    cache = answers_cache(settings.database("catalog"))
    await cache.open()
    service.on_close(cache.close)
    titles = Titles(settings.database("catalog-titles"), settings.tmdb.url, clock=time.time)
    await titles.open()
    service.on_close(titles.close)
    tmdb = Tmdb(settings.tmdb, user_agent=f"Matinee/{version()}")
    service.on_close(tmdb.close)
    kept_texts = texts_cache(settings.database("subtitles"))
    await kept_texts.open()
    service.on_close(kept_texts.close)
    site = OpenSubtitles(settings.opensubtitles, user_agent=f"Matinee v{version()}")
    service.on_close(site.close)
    texts = Texts(site, kept_texts, settings.opensubtitles.languages)
    lists = series_cache(settings.database("series"))
    await lists.open()
    service.on_close(lists.close)
    jikan = Jikan(settings.jikan, user_agent=f"Matinee/{version()}")
    service.on_close(jikan.close)
    of_films = Kept(cache, settings.tmdb.url)
    of_series, of_anime = Kept(lists, settings.tmdb.url), Kept(lists, settings.jikan.url)
    for kept in (of_films, of_series, of_anime):
        service.on_close(kept.close)
    catalog = Catalog(tmdb, of_films, titles)
    series = SeriesCatalog(TmdbEpisodes(tmdb), of_series, JikanEpisodes(jikan, of_anime), of_anime)
    attention = Attention(utc_now)
    tasks = _tasks(settings.tmdb, tmdb, catalog, titles, attention)
    answers = Answers(service.bus, "catalog", version())
    answers.add(SearchMovies, attention.drawn_by(catalog.search))
    answers.add(ListMovies, attention.drawn_by(catalog.list))
    answers.add(SimilarMovies, attention.drawn_by(catalog.similar))
    answers.add(GetMovie, attention.drawn_by(catalog.movie))
    answers.add(ListGenres, attention.drawn_by(catalog.genres))
    answers.add(GenreMovies, attention.drawn_by(catalog.genre))
    answers.add(GetEpisodes, attention.drawn_by(series.episodes))
    answers.add(ListTasks, tasks.list)
    answers.add(FindSubtitles, texts.find)
    answers.add(GetSubtitle, texts.get)
    service.ready_when(answers.ready)
    service.task(answers.serve(), "answers")
    service.task(tasks.run(), "tasks")


def _tasks(
    settings: TmdbSettings, tmdb: Tmdb, catalog: Catalog, titles: Titles, attention: Attention
) -> Tasks:
    sync = Sync(
        tmdb,
        catalog,
        titles,
        clock=time.time,
        rate_per_s=settings.sync_requests_per_s or 1.0,
        list_pages=settings.list_pages,
    )
    return Tasks(
        (
            Task(name="list_refresh", interval_s=LISTS_EVERY_S, run=sync.refresh_lists),
            Task(name="movie_sync", interval_s=MOVIES_EVERY_S, run=sync.sync_movies),
        ),
        titles,
        attention=attention,
        off_because=_why_off(settings),
        first_after_s=TASKS_START_AFTER_S,
        now=utc_now,
        random=SystemRandom(),
    )


def _why_off(settings: TmdbSettings) -> str | None:
    if not settings.token:
        return "No TMDB key is set: put it into [tmdb] token or TMDB_API_KEY."
    if not settings.sync_requests_per_s:
        return "They are switched off: [tmdb] sync_requests_per_s is 0."
    return None
