"""From the backlog to the number of instances; nothing else (on Kubernetes KEDA does this)."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import structlog

from libs.common.bus import Bus
from libs.common.errors import BusUnavailable
from libs.common.streams import DOWNLOADS

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 2.0
SOON_S = 0.03
AWAITED_S = 0.5
SWEEP_EVERY_S = 30.0
LONGEST_PAUSE_S = 30.0
SETTLED_S = 5.0
"""After a job was queued: until then its first second isn't disturbed by warming up the next instance."""


class Runner(Protocol):
    @property
    def deaths(self) -> int:
        """How many instances in a row ended badly."""
        ...

    async def start(self, on_exit: Callable[[], None]) -> str:
        """Start an instance; its id. `on_exit` is called when it has ended, however that was."""
        ...

    def running(self) -> set[str]:
        """The instances alive now, those of an earlier launcher included."""
        ...

    def sweep(self) -> int:
        """Remove what dead instances left behind; how many."""
        ...

    async def stop(self) -> None: ...


class Launcher:
    """Keeps as many instances running as there are jobs to fetch, up to a limit, and those kept warm."""

    def __init__(self, bus: Bus, runner: Runner, max_instances: int, warm: int = 0) -> None:
        """`warm`: how many instances wait for work that isn't there yet."""
        self._bus = bus
        self._runner = runner
        self._max_instances = max_instances
        self._warm = warm
        self._queued_at = self._started_at = -SETTLED_S
        self._wake = asyncio.Event()

    async def run(self) -> None:
        # A queued job is also an ordinary message: hearing it saves the wait until the next look.
        subscription = await self._bus.client.subscribe("jobs.*.queued", cb=self._on_queued)
        swept_at = 0.0
        try:
            while True:
                # Cleared before looking: what happens meanwhile is looked at next.
                self._wake.clear()
                await self._look()
                if time.monotonic() - swept_at > SWEEP_EVERY_S:
                    await asyncio.to_thread(self._runner.sweep)
                    swept_at = time.monotonic()
                await asyncio.sleep(self._pause_s())
                with suppress(TimeoutError):
                    async with asyncio.timeout(SOON_S if self._is_awaited() else LOOK_EVERY_S):
                        await self._wake.wait()
        finally:
            await subscription.unsubscribe()
            await self._runner.stop()

    async def _on_queued(self, _message: object) -> None:
        self._queued_at = time.monotonic()
        self._wake.set()

    def _is_awaited(self) -> bool:
        """Whether a job was heard of that the broker's count doesn't show yet: that is stored a bit later."""
        return self._queued_at > self._started_at and time.monotonic() - self._queued_at < AWAITED_S

    async def _look(self) -> None:
        try:
            backlog = await self._bus.backlog(DOWNLOADS)
        except BusUnavailable:
            return
        settled = time.monotonic() - self._queued_at > SETTLED_S
        wanted = min(backlog + (self._warm if settled else 0), self._max_instances)
        for _ in range(wanted - len(self._runner.running())):
            try:
                log.info("instance_started", instance=await self._runner.start(self._wake.set))
                self._started_at = time.monotonic()
            except OSError as error:
                # No memory or no descriptors for another process: those that run go on, the next look tries.
                log.warning("instance_not_started", error=str(error))
                return

    def _pause_s(self) -> float:
        """An instance that dies at once would be started again at once, for ever: be slower each time."""
        deaths = self._runner.deaths
        return min(0.125 * 2 ** min(deaths, 16), LONGEST_PAUSE_S) if deaths else 0.0
