"""An instance: takes one job off the log, fetches it, reports, exits. Needs only NATS and the store."""

import asyncio
import contextlib
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import structlog

from libs.common import streams
from libs.common.bus import Bus, Delivery
from libs.common.errors import BusError
from libs.common.events import Queued
from libs.common.installation import installation_store
from libs.common.joblog import job_state
from libs.common.jobs import Phase
from libs.common.objects import ObjectStore
from libs.common.settings import Settings
from libs.common.telemetry import configure_logs
from services.downloader.attempt import Attempt, news_engine
from services.downloader.media.process import MediaProcess, media_process
from services.downloader.runners.process import ID_VARIABLE, Nest, new_instance_id
from services.downloader.usenet.pool import Engine

log = structlog.get_logger(__name__)

WAIT_FOR_WORK_S = streams.LEASE_S + 10
"""Long enough to be given the job of an instance that died: the broker holds it until the lease is over."""
WARM_FOR_S = 3600.0
"""One that is kept warm: then the launcher starts a fresh one, if it still wants any."""
WITHOUT_NATS_S = 30.0
"""Then whatever we fetch is somebody else's job already."""
HANDED_BACK_S = 1.0
PING_EVERY_S = 5
"""A broker that vanished without a word is noticed before the lease is over."""


def main(settings: Settings) -> int:
    """Run one instance to its end; the process's exit code."""
    instance = os.environ.get(ID_VARIABLE) or new_instance_id()
    configure_logs("instance", settings.secrets())
    structlog.contextvars.bind_contextvars(instance=instance)
    with Nest(settings.scratch, instance) as nest:
        return asyncio.run(_live(settings, instance, nest))


async def _live(settings: Settings, instance: str, nest: Path) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    work = asyncio.create_task(_work(settings, instance, nest), name="work")
    stopped = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait([work, stopped], return_when=asyncio.FIRST_COMPLETED)
    for task in (work, stopped):
        task.cancel()
    await asyncio.wait([work, stopped])
    return 1 if work.cancelled() else work.result()


async def _work(settings: Settings, instance: str, nest: Path) -> int:
    """Connect, take one job, see it through. 1 if NATS can't be reached for so long that it is in vain."""
    async with contextlib.AsyncExitStack() as stack:
        # Certificates take a while to be read, and libav to be loaded: that is done before somebody waits.
        process = await stack.enter_async_context(media_process())
        engine = asyncio.create_task(asyncio.to_thread(news_engine, settings), name="engine")
        stack.push_async_callback(_close_engine, engine)
        try:
            async with asyncio.timeout(WITHOUT_NATS_S):
                bus = await Bus.connect(settings.nats.url, instance, ping_interval_s=PING_EVERY_S)
        except TimeoutError:
            log.warning("nats_gone", seconds=WITHOUT_NATS_S)
            return 1
        stack.push_async_callback(bus.close)
        store = installation_store(settings)
        stack.push_async_callback(store.close)
        taking = asyncio.create_task(
            _take_one(bus, store, settings, instance, nest, engine, process), name="take"
        )
        gone = asyncio.create_task(_nats_is_gone(bus), name="nats-is-gone")
        try:
            await asyncio.wait([taking, gone], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (taking, gone):
                task.cancel()
            await asyncio.wait([taking, gone])
        return 1 if taking.cancelled() else taking.result()


async def _nats_is_gone(bus: Bus) -> None:
    silent_s = 0
    while silent_s < WITHOUT_NATS_S:
        await asyncio.sleep(1)
        silent_s = silent_s + 1 if bus.trouble() else 0
    log.warning("nats_gone", seconds=silent_s)


async def _close_engine(starting: asyncio.Task[Engine]) -> None:
    await asyncio.wait([starting])
    if starting.exception() is None:
        await asyncio.to_thread(starting.result().close)


async def _take_one(
    bus: Bus,
    store: ObjectStore,
    settings: Settings,
    instance: str,
    nest: Path,
    engine: asyncio.Task[Engine],
    process: MediaProcess,
) -> int:
    async with bus.pull(streams.DOWNLOADS) as take:
        give_up_at = time.monotonic() + (WARM_FOR_S if settings.downloader.warm else WAIT_FOR_WORK_S)
        launcher = os.getppid()
        while (delivery := await take()) is None or not await _is_wanted(bus, delivery):
            # One whose launcher is gone would wait with settings that may be old by now.
            if time.monotonic() > give_up_at or os.getppid() != launcher:
                log.info("no_work")
                return 0
        async with delivery.lease():
            try:
                await Attempt(bus, store, settings, delivery, instance, nest, engine, process).run()
            except asyncio.CancelledError:
                # Told to stop: the next instance need not wait for the lease to run out.
                with suppress(BusError):
                    if await _is_ours(bus, delivery):
                        await delivery.again(HANDED_BACK_S)
                raise
        if await _is_ours(bus, delivery):
            await delivery.done()
        return 0


async def _is_ours(bus: Bus, delivery: Delivery) -> bool:
    """Whether nobody newer holds the message: the broker would take our word for theirs."""
    event = delivery.event
    state = await job_state(bus, event.job_id)
    other_attempt = isinstance(event, Queued) and state.attempt != event.attempt
    return other_attempt or state.delivery <= delivery.number


async def _is_wanted(bus: Bus, delivery: Delivery) -> bool:
    """Whether the log still asks for this attempt; one that it doesn't is dealt with."""
    event = delivery.event
    state = await job_state(bus, event.job_id)
    wanted = (
        isinstance(event, Queued)
        and state.attempt == event.attempt
        and state.phase in (Phase.QUEUED, Phase.DOWNLOADING, Phase.PREPARING)
    )
    if not wanted:
        await delivery.done()
    return wanted
