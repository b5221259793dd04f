"""A job's present state straight from the log: decisions are based on it, for a projection may be behind."""

import asyncio

from libs.common.bus import Bus
from libs.common.errors import BusUnavailable
from libs.common.jobs import JobState
from libs.common.streams import JOBS

READ_TIMEOUT_S = 20.0


async def state_of(bus: Bus, job_id: str) -> JobState:
    """The fold of everything stored under `jobs.<id>`. Raises BusUnavailable."""
    subjects = [f"jobs.{job_id}.>"]
    state = JobState(job_id=job_id)
    until = await bus.last_sequence(JOBS, subjects)
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            async for message in bus.tail(JOBS, subjects, until=until):
                if message.event:
                    state = state.apply(message.event)
    except TimeoutError as error:
        raise BusUnavailable(f"the history of {job_id} could not be read in time") from error
    return state
