"""Folds the log of jobs, event by event, into the gateway's tables."""

import sqlite3

from libs.common.bus import Stored
from libs.common.events import Watched
from libs.common.jobs import JobState
from services.streamer.store import append_watch, load_state, save_state


def apply(connection: sqlite3.Connection, message: Stored) -> None:
    """Apply one message of the stream; an event of a type that this version doesn't know is nothing."""
    event = message.event
    if event is None:
        return
    before = load_state(connection, event.job_id) or JobState(job_id=event.job_id)
    after = before.apply(event)
    if after is not before:
        save_state(connection, after, message.sequence)
    if isinstance(event, Watched) and after.title is not None:
        append_watch(connection, message.sequence, event.job_id, after.title, event.at)
