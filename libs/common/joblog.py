"""A job's state straight from the log, for those who must not trust a projection that may be behind."""

import asyncio

from libs.common import streams
from libs.common.bus import Bus
from libs.common.errors import BusUnavailable
from libs.common.jobs import JobState

DEADLINE_S = 15.0


async def job_state(bus: Bus, job_id: str) -> JobState:
    """The job as the log has it now, within 15 seconds. Raises BusUnavailable."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await _folded(bus, job_id)
    except TimeoutError as error:
        raise BusUnavailable("NATS does not answer") from error


async def _folded(bus: Bus, job_id: str) -> JobState:
    subjects = [f"jobs.{job_id}.>"]
    state = JobState(job_id=job_id)
    until = await bus.last_sequence(streams.JOBS, subjects)
    async for message in bus.tail(streams.JOBS, subjects, until=until):
        if message.event:
            state = state.apply(message.event)
    return state
