from libs.cli.story import tell
from libs.common.events import (
    EVENT_TYPES,
    Deleted,
    Described,
    Expired,
    Failed,
    JobEvent,
    Playable,
    Preparing,
    Probed,
    Unavailable,
)
from libs.common.media import Media, Sound, Text, Video
from tests.unit.janitor.story import T0, Story

STORY = Story()
COMMON = {"id": "x", "at": T0, "job_id": STORY.job_id}
TOLD: list[tuple[JobEvent, str]] = [
    (STORY.requested(), "The Matrix (1999) was asked for."),
    (
        STORY.queued(2, "a", "b"),
        "Attempt 2 was queued: The.Matrix.1999.1080p-a from Test, 1000 bytes, score 1. "
        "1 other release in reserve.",
    ),
    (Unavailable(**COMMON, code="NOT_FOUND", message="None."), "Nothing could be offered: None. [NOT_FOUND]"),
    (STORY.started(1, 2), "i began with attempt 1, delivery 2."),
    (
        Described(**COMMON, attempt=1, delivery=1, file_name="a.mkv", size_bytes=5 << 30, container="mkv"),
        "The film in it is a.mkv, 5 GiB, mkv.",
    ),
    (
        Playable(
            **COMMON,
            attempt=1,
            delivery=1,
            address="127.0.0.1:40123",
            size_bytes=8,
            content_type="video/mp4",
        ),
        "It can be played while it comes, from 127.0.0.1:40123.",
    ),
    (
        Probed(
            **COMMON,
            attempt=1,
            delivery=1,
            media=Media(
                container="mkv",
                duration_s=60.0,
                bits_per_s=1,
                video=Video(codec="hevc", width=1920, height=800),
                sounds=(Sound(number=0, codec="ac3", channels=6), Sound(number=1, codec="aac", channels=2)),
                texts=(Text(number=0, kind="text"),),
            ),
        ),
        "In it are hevc 1920x800; sound: ac3, aac; texts: 1.",
    ),
    (
        Probed(**COMMON, attempt=1, delivery=1, why_not="It is noise."),
        "Nobody could look into it: It is noise.",
    ),
    (
        Preparing(**COMMON, attempt=1, delivery=1),
        "Every byte is there and verified; it is being published.",
    ),
    (
        STORY.ready(1, T0),
        "It is ready: movies/job_1_a/movie.mp4, 4 bytes. It stays until 2026-03-01 12:00:00.",
    ),
    (
        STORY.attempt_failed(1, "world"),
        "Attempt 1 failed (it may work later): The articles are gone. [USENET_ERROR]",
    ),
    (
        Failed(**COMMON, attempt=1, code="JOB_ERROR", message="No."),
        "The job was given up: No. [JOB_ERROR]",
    ),
    (Expired(**COMMON, reason="unwatched"), "It expired: nobody watched it for long enough."),
    (Deleted(**COMMON), "It was deleted from the store."),
    (STORY.watched(), "Someone watched it."),
]


def test_every_event_is_told_in_plain_words() -> None:
    assert [tell(event) for event, _ in TOLD] == [words for _, words in TOLD]
    assert {type(event) for event, _ in TOLD} == set(EVENT_TYPES)
