"""A job's state straight from the log, for those who must not trust a projection that may be behind."""

import asyncio

from libs.common import streams
from libs.common.bus import Bus
from libs.common.errors import BusUnavailable
from libs.common.jobs import JobState

TIMEOUT_S = 15.0


async def job_state(bus: Bus, job_id: str) -> JobState:
    """The job as the log has it now. Raises BusUnavailable.

    Reads message by message: a job has some ten, and a consumer for each question would outlive it.
    """
    state = JobState(job_id=job_id)
    sequence = 0
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while message := await bus.next(streams.JOBS, f"jobs.{job_id}.>", after=sequence):
                sequence = message.sequence
                if message.event:
                    state = state.apply(message.event)
    except TimeoutError as error:
        raise BusUnavailable("NATS does not answer") from error
    return state
