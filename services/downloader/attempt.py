"""One delivery of one queued release: what an instance does between Started and Ready or AttemptFailed."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from libs.common.bus import Bus, Delivery
from libs.common.errors import BusUnavailable
from libs.common.events import (
    AttemptEvent,
    AttemptFailed,
    Blame,
    Described,
    Film,
    Playable,
    Preparing,
    Probed,
    Queued,
    Ready,
    Started,
)
from libs.common.installation import installation_secret
from libs.common.joblog import job_state
from libs.common.jobs import JobState, died_too_often, event_id, film_prefix
from libs.common.objects import ObjectStore
from libs.common.play import play_token
from libs.common.security import sign
from libs.common.service import version
from libs.common.settings import Settings, UsenetServer
from services.downloader.archives.locks import Keyring
from services.downloader.choose import Wanted
from services.downloader.describe import Description
from services.downloader.errors import DownloaderError, ServerRefused
from services.downloader.media.process import MediaProcess
from services.downloader.media.theatre import Theatre
from services.downloader.pipeline import Pipeline, Target
from services.downloader.play import Identity, Screen, serving
from services.downloader.progress import Reporter
from services.downloader.runners.process import SPOOL, Berth
from services.downloader.source import Source
from services.downloader.usenet.listing import fetch_nzb
from services.downloader.usenet.nzb import parse_nzb, passwords_in
from services.downloader.usenet.pool import Engine
from services.downloader.usenet.servers import Server
from services.downloader.usenet.source import UsenetSource

log = structlog.get_logger(__name__)

EVENT_PATIENCE_S = 60.0
FENCE_PAUSE_S = 0.5


class Superseded(Exception):
    """The log says that this attempt is over; whoever holds the job now goes on."""


class Attempt:
    """One delivery of one queued release, from Started to Ready or AttemptFailed."""

    def __init__(
        self,
        bus: Bus,
        store: ObjectStore,
        settings: Settings,
        delivery: Delivery,
        instance: str,
        nest: Path,
        engine: Awaitable[Engine],
        media_process: MediaProcess,
    ) -> None:
        queued = delivery.event
        if not isinstance(queued, Queued):
            raise TypeError(f"{queued.fact} is not work")
        self._bus = bus
        self._store = store
        self._settings = settings
        self._queued = queued
        self._instance = instance
        self._nest = nest
        self._engine = engine
        self._fence = (queued.attempt, delivery.number)
        self._source: Source | None = None
        self._screen: Screen | None = None
        self._theatre: Theatre | None = None
        self._media_process = media_process
        self._looking: asyncio.Task[None] | None = None
        self._house = AsyncExitStack()
        self._reporter = Reporter(
            bus.progress, job_id=queued.job_id, attempt=queued.attempt, delivery=delivery.number
        )

    async def run(self) -> None:
        """Tells how it ended; raises only if that can't be told, or if the job is someone else's by now."""
        structlog.contextvars.bind_contextvars(job_id=self._queued.job_id, attempt=self._fence)
        await self._tell(Started, instance=self._instance)
        if message := died_too_often(self._fence[1]):
            await self._failed("JOB_ERROR", message, "world")
            return
        progress = asyncio.create_task(self._reporter.run(), name="progress")
        try:
            async with self._house:
                await self._fetch()
        except Superseded:
            log.info("superseded")
        except DownloaderError as error:
            log.warning("attempt_failed", code=error.code, error=str(error))
            await self._failed(error.code, str(error), error.blame)
        except (OSError, ValueError, LookupError, TypeError, ArithmeticError, RuntimeError) as error:
            # A bug or a disk: the log has the details, the person gets a sentence, the job another try.
            log.exception("attempt_broke")
            await self._failed(
                "INTERNAL_ERROR", f"The download broke unexpectedly ({type(error).__name__}).", "world"
            )
        finally:
            progress.cancel()

    async def _fetch(self) -> None:
        """Until the film is ready, and those who have begun to read it here have got what they asked for."""
        queued, settings = self._queued, self._settings
        if not settings.usenet:
            raise ServerRefused("No news server is set; add a [[usenet]] section to the settings.")
        engine = await asyncio.shield(self._engine)
        engine.connect_ahead()
        document = await fetch_nzb(queued.pick, settings.indexers, f"matinee/{version()}")
        nzb = await asyncio.to_thread(parse_nzb, document)
        berth = self._house.enter_context(Berth(settings.scratch, queued.job_id, queued.attempt, self._nest))
        self._source = source = UsenetSource(nzb, engine, berth / SPOOL)
        self._house.push_async_callback(source.close)
        target = Target(
            prefix=film_prefix(queued.job_id),
            sidecar=_sidecar(queued),
            wanted=Wanted(
                title=queued.title.name, year=queued.title.year, runtime_min=queued.title.runtime_min
            ),
            keyring=Keyring(
                [*nzb.passwords, *passwords_in(queued.pick.title), *settings.downloader.passwords]
            ),
            max_film_bytes=settings.downloader.max_film_bytes,
            publish=settings.downloader.publish,
        )
        pipeline = Pipeline(
            source, self._store, target, scratch=berth, reporter=self._reporter, listener=self
        )
        film = await pipeline.run()
        if self._looking:
            await self._looking
        await self._reporter.tell()
        await self._ready(film)
        if self._screen:
            await self._screen.drain()

    # What the pipeline tells -------------------------------------------------------------------------------

    async def described(self, description: Description) -> Theatre | None:
        if self._screen is None:
            await self.foreseen(description)
            return self._theatre
        self._screen.proven(description.film)
        if self._theatre and self._theatre.put_beside(description.texts):
            self._look_with(self._theatre, "probed-again", after=self._looking)
        return self._theatre

    async def foreseen(self, description: Description) -> None:
        film = description.film
        await self._tell(
            Described, file_name=film.name, size_bytes=film.size_bytes, container=description.container
        )
        if not self._source:
            return
        theatre = self._theatre = Theatre(self._media_process, self._source)
        theatre.put_beside(description.texts)
        self._house.push_async_callback(theatre.close)
        self._screen = Screen(self._source, description, self._identity(), theatre)
        address = await self._house.enter_async_context(serving(self._screen))
        await self._tell(
            Playable, address=address, size_bytes=film.size_bytes, content_type=description.content_type
        )
        theatre.show(address, self._identity().token, film.size_bytes)
        self._look_with(theatre, "probed")

    def _look_with(self, theatre: Theatre, fact: str, *, after: "asyncio.Task[None] | None" = None) -> None:
        self._looking = asyncio.create_task(self._look(theatre, fact, after), name="look")
        self._house.push_async_callback(_end, self._looking)

    async def _look(self, theatre: Theatre, fact: str, after: "asyncio.Task[None] | None") -> None:
        """Tells what is inside the film; once more when more was found beside it."""
        if after:
            await after
        seen = await theatre.look()
        if seen.why_not:
            log.warning("film_not_readable", why=seen.why_not)
        await self._tell(Probed, fact, media=seen.media, why_not=seen.why_not)

    async def packed(self, name: str, size_bytes: int, container: str) -> None:
        await self._tell(Described, file_name=name, size_bytes=size_bytes, container=container)

    def _identity(self) -> Identity:
        secret, job_id, (attempt, delivery) = (
            installation_secret(self._settings),
            self._queued.job_id,
            self._fence,
        )
        return Identity(
            token=play_token(secret, job_id, attempt, delivery),
            etag=sign(secret, "film", job_id, str(attempt))[:32],
            modified_at=self._queued.at,
        )

    async def preparing(self) -> None:
        if self._screen:
            self._screen.whole()
        await self._tell(Preparing)

    async def check_fence(self) -> None:
        state = await patiently(partial(job_state, self._bus, self._queued.job_id), EVENT_PATIENCE_S)
        if (state.attempt, state.delivery) != self._fence or not state.is_running:
            raise Superseded

    async def _ready(self, film: Film) -> None:
        hours = self._settings.retention.after_ready_h
        expires_at = datetime.now(UTC) + timedelta(hours=hours) if hours else None
        await self._tell(Ready, film=film, expires_at=expires_at)
        log.info("ready", size_bytes=film.size_bytes)

    async def _failed(self, code: str, message: str, blame: Blame) -> None:
        await self._tell(AttemptFailed, code=code, message=message, blame=blame)

    async def _tell(self, kind: type[AttemptEvent], fact: str | None = None, **facts: Any) -> None:
        """`fact`: what it is called if the kind is told more than once in a delivery."""
        attempt, delivery = self._fence
        job_id = self._queued.job_id
        event = kind(
            id=event_id(job_id, fact or str(kind.__struct_config__.tag), attempt, delivery),
            at=datetime.now(UTC),
            job_id=job_id,
            attempt=attempt,
            delivery=delivery,
            **facts,
        )
        await self._bus.publish(event, patience_s=EVENT_PATIENCE_S)


async def patiently(ask: Callable[[], Awaitable[JobState]], patience_s: float) -> JobState:
    """The answer, asked for again while the bus is gone: no film that has come is thrown away for a hiccup.

    Raises `BusUnavailable` if that lasts longer than `patience_s`.
    """
    give_up_at = time.monotonic() + patience_s
    while True:
        try:
            return await ask()
        except BusUnavailable:
            if time.monotonic() > give_up_at:
                raise
            await asyncio.sleep(FENCE_PAUSE_S)


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None:
        # The attempt is over, or has been told the same.
        log.info("look_failed", error=str(error))


def news_engine(settings: Settings) -> Engine:
    """Of the settings' news servers; close it. Raises `ServerRefused` for one that can't be asked."""
    return Engine([_server(account) for account in settings.usenet])


def _server(account: UsenetServer) -> Server:
    return Server(
        host=account.host,
        port=account.port,
        tls=account.tls,
        ca_file=Path(account.ca_file) if account.ca_file else None,
        username=account.username or None,
        password=account.password or None,
        connections=account.connections,
        priority=account.priority,
        retention_days=account.retention_days,
    )


def _sidecar(queued: Queued) -> dict[str, object]:
    title, pick = queued.title, queued.pick
    return {
        "job_id": queued.job_id,
        "title": title.name,
        "year": title.year,
        "tmdb_id": title.movie_id,
        "imdb_id": title.imdb_id,
        "release": pick.title,
        "resolution": pick.quality,
        "video_codec": pick.codec,
    }
