"""How far each running download is: the last word of its instance, kept in memory and nowhere else."""

import asyncio
from contextlib import suppress

import msgspec
import structlog
from nats.errors import Error as NatsError

from libs.common import streams
from libs.common.bus import Bus
from libs.common.errors import BusUnavailable
from libs.common.events import Progress, decode
from libs.common.jobs import JobState, Phase

log = structlog.get_logger(__name__)

SUBJECT = "progress.*"
CATCH_UP_S = 5.0
MAX_JOBS = 1000
"""Jobs whose progress is kept; beyond it the one not heard of for longest is forgotten."""

RUNNING = (Phase.DOWNLOADING, Phase.PREPARING)


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """`percent` (0 to 100, one decimal) never goes back while the same delivery of an attempt runs."""

    progress: Progress
    percent: float


class ProgressBoard:
    """The last progress of each job."""

    def __init__(self) -> None:
        self._shown: dict[str, Shown] = {}
        self._changed: set[str] = set()

    def note(self, progress: Progress) -> None:
        """Take in what an instance says; an instance whose attempt is over is not listened to."""
        known = self._shown.pop(progress.job_id, None)
        shown = _next(known, progress)
        self._shown[progress.job_id] = shown
        if shown is not known:
            self._changed.add(progress.job_id)
        while len(self._shown) > MAX_JOBS:
            self.forget(next(iter(self._shown)))

    def of(self, state: JobState) -> Shown | None:
        """What the job's running attempt last said; None if none runs or it has said nothing."""
        shown = self._shown.get(state.job_id)
        if (
            shown is None
            or state.phase not in RUNNING
            or _fence(shown.progress)
            != (
                state.attempt,
                state.delivery,
            )
        ):
            return None
        return shown

    def forget(self, job_id: str) -> None:
        self._shown.pop(job_id, None)
        self._changed.discard(job_id)

    def take_changed(self) -> frozenset[str]:
        """The jobs whose progress changed since the last call."""
        changed, self._changed = frozenset(self._changed), set()
        return changed


async def follow_progress(bus: Bus, board: ProgressBoard) -> None:
    """Keep the board for ever: first what the stream remembers, then what is said.

    What is said is heard on the plain subject: the stream lives in memory and doesn't outlive its server.
    """
    subscription = await bus.client.subscribe(SUBJECT)
    try:
        await _catch_up(bus, board)
        async for message in subscription.messages:
            _note(board, message.data)
    finally:
        with suppress(NatsError):
            await subscription.unsubscribe()


async def _catch_up(bus: Bus, board: ProgressBoard) -> None:
    try:
        async with asyncio.timeout(CATCH_UP_S):
            goal = await bus.last_sequence(streams.PROGRESS, [SUBJECT])
            async for stored in bus.tail(streams.PROGRESS, [SUBJECT], until=goal):
                _note(board, stored.data)
    except (BusUnavailable, TimeoutError) as error:
        # The next word of each instance, a second away, says it better.
        log.info("progress_starts_empty", error=type(error).__name__)


def _note(board: ProgressBoard, data: bytes) -> None:
    try:
        board.note(decode(data, Progress))
    except msgspec.DecodeError as error:
        log.warning("undecodable_progress", error=str(error)[:200])


def _next(known: Shown | None, progress: Progress) -> Shown:
    if known is None or _fence(progress) > _fence(known.progress):
        return Shown(progress=progress, percent=_percent(progress))
    if _fence(progress) < _fence(known.progress):
        return known
    return Shown(progress=progress, percent=max(known.percent, _percent(progress)))


def _percent(progress: Progress) -> float:
    if progress.total_bytes <= 0:
        return 0.0
    # Rounded down: 100 is shown when it is 100.
    return max(0, min(1000, progress.done_bytes * 1000 // progress.total_bytes)) / 10


def _fence(progress: Progress) -> tuple[int, int]:
    return progress.attempt, progress.delivery
