"""The indexer's wiring."""

from libs.common import streams
from libs.common.events import FindReleases
from libs.common.queries import Answers
from libs.common.service import Service, version
from services.indexer.candidates import Candidates
from services.indexer.handlers import Handlers
from services.indexer.queries import Queries
from services.indexer.search import Search
from services.indexer.store import Searches


async def body(service: Service) -> None:
    settings = service.settings
    cache = Searches(settings.database("indexer"))
    await cache.open()
    service.on_close(cache.close)
    search = Search(settings.indexers, cache, user_agent=f"Matinee/{version()}")
    service.on_close(search.close)
    candidates = Candidates(search, max_film_bytes=settings.downloader.max_film_bytes)
    handlers = Handlers(service.bus, candidates)
    service.task(service.bus.consume(streams.INDEXER, handlers.requested), "requests")
    answers = Answers(service.bus, "indexer", version())
    answers.add(FindReleases, Queries(candidates).releases)
    service.ready_when(answers.ready)
    service.task(answers.serve(), "answers")
