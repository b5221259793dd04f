"""`matinee explain JOB`: the story of a job, straight from the log."""

import argparse
import asyncio
import re

from libs.cli.configuration import settings_of
from libs.cli.failure import WRONG_USE, CommandFailed
from libs.cli.log import reading
from libs.cli.story import tell
from libs.common.bus import Stored
from libs.common.jobs import JobState
from libs.common.settings import Settings
from libs.common.streams import JOBS


def run(arguments: argparse.Namespace) -> int:
    if not re.fullmatch(r"[0-9A-Za-z_]+", arguments.job):
        raise CommandFailed(
            f"{arguments.job!r} can't be the id of a job; those look like job_1700000000000_0a1b2c3d4e.",
            WRONG_USE,
        )
    messages = asyncio.run(_messages(settings_of(arguments), arguments.job))
    if not messages:
        raise CommandFailed(f"The log has no job {arguments.job}; `matinee jobs` lists those there are.")
    if arguments.json:
        for message in messages:
            print(message.data.decode())
        return 0
    state = JobState(job_id=arguments.job)
    for message in messages:
        if message.event is None:
            print(f"{'':19}  (an event of a newer version: {message.subject})")
            continue
        print(f"{message.event.at:%Y-%m-%d %H:%M:%S}  {tell(message.event)}")
        state = state.apply(message.event)
    print(f"Now: {state.phase.value}.")
    return 0


async def _messages(settings: Settings, job_id: str) -> list[Stored]:
    subjects = [f"jobs.{job_id}.>", f"watch.{job_id}.>"]
    async with reading(settings) as bus:
        until = await bus.last_sequence(JOBS, subjects)
        return [message async for message in bus.tail(JOBS, subjects, until=until)]
