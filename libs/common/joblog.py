"""A job's state straight from the log, for those who must not trust a projection that may be behind."""

from libs.common import streams
from libs.common.bus import Bus
from libs.common.jobs import JobState


async def job_state(bus: Bus, job_id: str) -> JobState:
    """The job as the log has it now. Raises BusUnavailable."""
    subjects = [f"jobs.{job_id}.>"]
    state = JobState(job_id=job_id)
    until = await bus.last_sequence(streams.JOBS, subjects)
    async for message in bus.tail(streams.JOBS, subjects, until=until):
        if message.event:
            state = state.apply(message.event)
    return state
