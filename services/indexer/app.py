"""The indexer's wiring."""

from libs.common import streams
from libs.common.indexers import FindReleases, FollowReleases, ListIndexers
from libs.common.projection import Database, Projection
from libs.common.queries import Answers
from libs.common.service import Service, version
from services.indexer.candidates import Candidates
from services.indexer.handlers import Handlers
from services.indexer.learned import SCHEMA, Learned, projection
from services.indexer.queries import Queries
from services.indexer.search import Search
from services.indexer.store import Searches


async def body(service: Service) -> None:
    settings = service.settings
    cache = Searches(settings.database("indexer-cache"))
    await cache.open()
    service.on_close(cache.close)
    database = Database(settings.database("indexer"), SCHEMA)
    await database.open()
    service.on_close(database.close)
    follower = projection(service.bus, database)
    search = Search(settings.indexers, cache, user_agent=f"Matinee/{version()}")
    service.on_close(search.close)
    candidates = Candidates(search, Learned(database), settings)
    handlers, queries = Handlers(service.bus, candidates), Queries(candidates)
    service.task(follower.run(), "learned")
    service.task(_requests(service, follower, handlers), "requests")
    answers = Answers(service.bus, "indexer", version())
    answers.add(FindReleases, queries.releases)
    answers.add_several(FollowReleases, queries.releases_so_far)
    answers.add(ListIndexers, queries.indexers)
    service.ready_when(answers.ready)
    service.ready_when(follower.check)
    service.task(answers.serve(), "answers")


async def _requests(service: Service, follower: Projection, handlers: Handlers) -> None:
    # What isn't read yet of the log may say that a release is dead.
    await follower.caught_up.wait()
    await service.bus.consume(streams.INDEXER, handlers.requested)
