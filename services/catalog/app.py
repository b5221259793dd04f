"""The catalog's wiring."""

from libs.common.events import FindSubtitles, GetMovie, GetSubtitle, ListMovies, SearchMovies, SimilarMovies
from libs.common.queries import Answers
from libs.common.series import GetEpisodes
from libs.common.service import Service, version
from services.catalog.jikan import Jikan
from services.catalog.jikan_series import JikanEpisodes
from services.catalog.kept import Kept
from services.catalog.opensubtitles import OpenSubtitles
from services.catalog.queries import Catalog
from services.catalog.series_queries import SeriesCatalog
from services.catalog.store import answers_cache, texts_cache
from services.catalog.texts import Texts
from services.catalog.tmdb import Tmdb
from services.catalog.tmdb_series import TmdbEpisodes


async def body(service: Service) -> None:
    settings = service.settings
    cache = answers_cache(settings.database("catalog"))
    await cache.open()
    service.on_close(cache.close)
    tmdb = Tmdb(settings.tmdb, user_agent=f"Matinee/{version()}")
    service.on_close(tmdb.close)
    kept_texts = texts_cache(settings.database("subtitles"))
    await kept_texts.open()
    service.on_close(kept_texts.close)
    site = OpenSubtitles(settings.opensubtitles, user_agent=f"Matinee v{version()}")
    service.on_close(site.close)
    texts = Texts(site, kept_texts, settings.opensubtitles.languages)
    catalog = Catalog(tmdb, cache, settings.tmdb.url)
    service.on_close(catalog.close)
    jikan = Jikan(settings.jikan, user_agent=f"Matinee/{version()}")
    service.on_close(jikan.close)
    of_tmdb, of_jikan = Kept(cache, settings.tmdb.url), Kept(cache, settings.jikan.url)
    series = SeriesCatalog(TmdbEpisodes(tmdb), of_tmdb, JikanEpisodes(jikan, of_jikan), of_jikan)
    service.on_close(series.close)
    answers = Answers(service.bus, "catalog", version())
    answers.add(SearchMovies, catalog.search)
    answers.add(ListMovies, catalog.list)
    answers.add(SimilarMovies, catalog.similar)
    answers.add(GetMovie, catalog.movie)
    answers.add(GetEpisodes, series.episodes)
    answers.add(FindSubtitles, texts.find)
    answers.add(GetSubtitle, texts.get)
    service.ready_when(answers.ready)
    service.task(answers.serve(), "answers")
