"""What the owner should look at. An alert's id is the same for the same trouble, however often it is told."""

from datetime import datetime

from libs.common.events import Alert


def job_failed(job_id: str, attempt: int, message: str, now: datetime) -> Alert:
    return Alert(
        id=f"{job_id}.alert.failed.{attempt}", at=now, kind="job_failed", job_id=job_id, message=message
    )


def dead_letter(source: str, job_id: str | None, message: str, now: datetime) -> Alert:
    """`source`: stream, consumer and sequence of the message that nobody could handle."""
    return Alert(id=f"dead.{source}", at=now, kind="dead_letter", job_id=job_id, message=message)


def not_deleted(job_id: str, reason: str, now: datetime) -> Alert:
    message = f"The files of {job_id} could not be deleted: {reason} It is tried again until it works."
    return Alert(
        id=f"{job_id}.alert.not_deleted", at=now, kind="cleanup_failed", job_id=job_id, message=message
    )


def sweep_failed(reason: str, now: datetime) -> Alert:
    message = f"Left-over files could not be looked for: {reason} It is tried again until it works."
    return Alert(id=f"sweep.{now:%Y%m%dT%H%M%S}", at=now, kind="cleanup_failed", message=message)
