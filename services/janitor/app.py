"""The janitor: what comes after a failure, and after a film's time.

It is the only one who says queued again, failed, expired and deleted.
"""

import asyncio
import time
from datetime import UTC, datetime

from libs.common.installation import installation_store
from libs.common.objects import ObjectStore, StoreError
from libs.common.projection import Database, Projection
from libs.common.service import Service
from libs.common.streams import JANITOR
from services.janitor.cleanup import Cleaner
from services.janitor.deadletters import DeadLetters
from services.janitor.handlers import Failures
from services.janitor.orphans import Orphans
from services.janitor.store import SCHEMA, Ledger, projection
from services.janitor.stuck import Stuck

STORE_ASKED_EVERY_S = 30.0
"""A readiness probe every second shouldn't cost the owner a request to S3 every second."""


async def body(service: Service) -> None:
    settings, bus = service.settings, service.bus
    store = installation_store(settings)
    service.on_close(store.close)
    database = Database(settings.database("janitor"), SCHEMA)
    await database.open()
    service.on_close(database.close)
    ledger = Ledger(database)
    follower = projection(bus, database)
    cleaner = Cleaner(
        bus,
        store,
        ledger,
        unwatched_days=settings.retention.unwatched_days,
        applied=follower.wait_for,
        now=_now,
    )
    failures = Failures(bus, cleaner, _now)
    orphans = Orphans(bus, store, ledger, cleaner, _now)
    service.ready_when(follower.check)
    service.ready_when(_StoreAnswers(store))
    service.task(follower.run(lambda _batch: cleaner.wake()), "ledger")
    service.task(bus.consume(JANITOR, failures.handle), "failures")
    service.task(DeadLetters(bus, _now).run(), "dead-letters")
    service.task(_when_caught_up(follower, cleaner, orphans, Stuck(bus, ledger, _now)), "cleanup")


def _now() -> datetime:
    return datetime.now(UTC)


async def _when_caught_up(follower: Projection, cleaner: Cleaner, orphans: Orphans, stuck: Stuck) -> None:
    await follower.caught_up.wait()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(cleaner.run(), name="cleaner")
        tasks.create_task(orphans.run(), name="orphans")
        tasks.create_task(stuck.run(), name="stuck")


class _StoreAnswers:
    """Readiness: films can be deleted."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._asked_at = -STORE_ASKED_EVERY_S
        self._trouble: str | None = None

    async def __call__(self) -> str | None:
        if time.monotonic() - self._asked_at >= STORE_ASKED_EVERY_S or self._trouble:
            self._trouble = await self._ask()
            self._asked_at = time.monotonic()
        return self._trouble

    async def _ask(self) -> str | None:
        try:
            await self._store.check()
        except StoreError as error:
            return str(error)
        return None
