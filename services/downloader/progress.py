"""How far an attempt is, told twice a second while somebody may be looking."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Literal

from libs.common.events import Progress

EVERY_S = 0.5
WINDOW_S = 5.0
"""The speed shown is the mean over this long: steady enough to read, quick enough to trust."""

Stage = Literal["opening", "downloading", "repairing", "unpacking", "publishing"]


class Meter:
    """Speed and time left out of byte counts; pure but for the clock it is given."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()

    def speed_bps(self, done_bytes: int) -> float:
        """Note the count, and the mean bytes a second over the window."""
        now = self._clock()
        self._samples.append((now, done_bytes))
        while now - self._samples[0][0] > WINDOW_S:
            self._samples.popleft()
        since, before = self._samples[0]
        return (done_bytes - before) / (now - since) if now > since else 0.0


class Reporter:
    """What the attempt is doing; the pipeline sets it, `run` tells it."""

    def __init__(
        self, send: Callable[[Progress], Awaitable[None]], *, job_id: str, attempt: int, delivery: int
    ) -> None:
        self._send = send
        self._job_id = job_id
        self._attempt = attempt
        self._delivery = delivery
        self._meter = Meter()
        self.stage: Stage = "opening"
        self.total_bytes = 0
        self.done_bytes: Callable[[], int] = lambda: 0

    async def run(self) -> None:
        while True:
            await self.tell()
            await asyncio.sleep(EVERY_S)

    async def tell(self) -> None:
        done_bytes = min(self.done_bytes(), self.total_bytes)
        speed_bps = self._meter.speed_bps(done_bytes)
        left_bytes = self.total_bytes - done_bytes
        await self._send(
            Progress(
                at=datetime.now(UTC),
                job_id=self._job_id,
                attempt=self._attempt,
                delivery=self._delivery,
                stage=self.stage,
                done_bytes=done_bytes,
                total_bytes=self.total_bytes,
                speed_bps=round(speed_bps, 1),
                eta_s=round(left_bytes / speed_bps, 1) if speed_bps > 0 else None,
            )
        )
