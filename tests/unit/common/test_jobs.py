"""The fold: duplicates, late events of old attempts and interleaved ones change nothing they must not."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common import events as e
from libs.common.jobs import (
    FIRST_RETRY_S,
    MAX_INSTANCES,
    RETRIES,
    GiveUp,
    JobState,
    Phase,
    TryAgain,
    TryNext,
    after_failure,
    died_too_often,
    event_id,
    new_job_id,
)
from libs.common.media import Media, Text, Video

START = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
JOB = "job_1_00"
MEDIA = Media(
    container="mkv",
    duration_s=60.0,
    bits_per_s=8_000_000,
    video=Video(codec="h264", width=1920, height=1080),
)
WITH_TEXT = msgspec.structs.replace(MEDIA, texts=(Text(number=1000, kind="text"),))
OTHER_MEDIA = Media(container="mp4", duration_s=1.0, bits_per_s=1)
TITLE = e.TitleRef(key="tmdb:movie:1", movie_id=1, name="Paper Lanterns")


def candidate(number: int) -> e.Candidate:
    return e.Candidate(
        release_id=f"rel_{number}",
        title=f"Release.{number}",
        indexer="i",
        nzb_url="http://x/{api_key}",
        size_bytes=1,
        age_days=0,
        quality="1080p",
        score=e.Score(total=1.0),
    )


class Story:
    """Builds a job's events in the order they would be stored."""

    def __init__(self) -> None:
        self.events: list[e.JobEvent] = []

    def _common(self, fact: str, attempt: int = 0, delivery: int = 0) -> dict[str, object]:
        at = START + timedelta(seconds=len(self.events))
        return {"id": event_id(JOB, fact, attempt, delivery), "at": at, "job_id": JOB}

    def requested(self) -> "Story":
        self.events.append(e.Requested(**self._common("requested"), title=TITLE, mode="auto"))
        return self

    def queued(self, attempt: int, alternatives: int = 0) -> "Story":
        rest = tuple(candidate(attempt + 1 + i) for i in range(alternatives))
        common = self._common("queued", attempt)
        self.events.append(
            e.Queued(**common, attempt=attempt, pick=candidate(attempt), alternatives=rest, title=TITLE)
        )
        return self

    def _told(self, kind: type[e.AttemptEvent], fact: str, fence: tuple[int, int], **more: object) -> "Story":
        attempt, delivery = fence
        common = self._common(fact, attempt, delivery)
        self.events.append(kind(**common, attempt=attempt, delivery=delivery, **more))
        return self

    def started(self, *fence: int) -> "Story":
        return self._told(e.Started, "started", fence, instance=f"i{fence}")

    def playable(self, *fence: int) -> "Story":
        more = {"address": f"127.0.0.1:{fence[0]}{fence[1]}", "size_bytes": 9, "content_type": "v"}
        return self._told(e.Playable, "playable", fence, **more)

    def probed(self, *fence: int, media: Media | None = None) -> "Story":
        why_not = None if media else "It isn't a film."
        return self._told(e.Probed, "probed", fence, media=media, why_not=why_not)

    def preparing(self, *fence: int) -> "Story":
        return self._told(e.Preparing, "preparing", fence)

    def ready(self, *fence: int) -> "Story":
        film = e.Film(key=f"movies/{JOB}/movie.mkv", size_bytes=fence[0] * 100 + fence[1], content_type="v")
        return self._told(e.Ready, "ready", fence, film=film, expires_at=None)

    def attempt_failed(self, *fence: int, blame: e.Blame = "release") -> "Story":
        more = {"code": "USENET_ERROR", "message": f"broke at {fence}", "blame": blame}
        return self._told(e.AttemptFailed, "attempt_failed", fence, **more)

    def failed(self, attempt: int) -> "Story":
        common = self._common("failed", attempt)
        self.events.append(e.Failed(**common, attempt=attempt, code="USENET_ERROR", message="given up"))
        return self

    def unavailable(self) -> "Story":
        self.events.append(e.Unavailable(**self._common("unavailable"), code="NOT_FOUND", message="none"))
        return self

    def expired(self) -> "Story":
        self.events.append(e.Expired(**self._common("expired"), reason="age"))
        return self

    def deleted(self) -> "Story":
        self.events.append(e.Deleted(**self._common("deleted")))
        return self

    def watched(self) -> "Story":
        self.events.append(e.Watched(**self._common(f"watched{len(self.events)}")))
        return self


def fold(events: list[e.JobEvent]) -> JobState:
    state = JobState(job_id=JOB)
    for event in events:
        state = state.apply(event)
    return state


HAPPY = (
    Story()
    .requested()
    .queued(1)
    .started(1, 1)
    .playable(1, 1)
    .probed(1, 1, media=MEDIA)
    .preparing(1, 1)
    .ready(1, 1)
    .watched()
    .expired()
    .deleted()
)
SECOND_RELEASE = (
    Story()
    .requested()
    .queued(1, alternatives=1)
    .started(1, 1)
    .probed(1, 1, media=OTHER_MEDIA)
    .attempt_failed(1, 1)
    .queued(2)
    .started(2, 1)
    .started(2, 2)
    .playable(2, 2)
    .probed(2, 2)
    .preparing(2, 2)
    .ready(2, 2)
    .watched()
)
GIVEN_UP = Story().requested().queued(1).started(1, 1).attempt_failed(1, 1).failed(1)
NOTHING = Story().requested().unavailable()
STORIES = [HAPPY, SECOND_RELEASE, GIVEN_UP, NOTHING]


@pytest.mark.parametrize(
    ("story", "length", "phase", "status"),
    [
        (HAPPY, 0, Phase.UNKNOWN, "queued"),
        (HAPPY, 1, Phase.REQUESTED, "queued"),
        (HAPPY, 2, Phase.QUEUED, "queued"),
        (HAPPY, 3, Phase.DOWNLOADING, "downloading"),
        (HAPPY, 5, Phase.DOWNLOADING, "downloading"),
        (HAPPY, 6, Phase.PREPARING, "preparing"),
        (HAPPY, 8, Phase.READY, "ready"),
        (HAPPY, 9, Phase.EXPIRED, "deleted"),
        (HAPPY, 10, Phase.DELETED, "deleted"),
        (SECOND_RELEASE, 5, Phase.WAITING, "queued"),
        (SECOND_RELEASE, 14, Phase.READY, "ready"),
        (GIVEN_UP, 5, Phase.FAILED, "error"),
        (NOTHING, 2, Phase.FAILED, "error"),
    ],
)
def test_the_phase_at_each_point(story: Story, length: int, phase: Phase, status: str) -> None:
    state = fold(story.events[:length])
    assert (state.phase, state.movie_status) == (phase, status)


def test_a_ready_job_says_what_there_is() -> None:
    state = fold(SECOND_RELEASE.events)
    assert state.film is not None
    assert state.film.size_bytes == 202
    assert state.ready_at == SECOND_RELEASE.events[11].at
    assert state.last_watched_at == SECOND_RELEASE.events[12].at
    assert (state.error_code, state.error_message) == (None, None)
    assert [f.release_id for f in state.failures] == ["rel_1"]


@given(st.sampled_from(STORIES), st.data())
def test_duplicates_and_late_repetitions_change_nothing(story: Story, data: st.DataObject) -> None:
    told: list[e.JobEvent] = []
    for number, event in enumerate(story.events):
        told.append(event)
        told += data.draw(st.lists(st.sampled_from(story.events[: number + 1]), max_size=4))
    assert fold(told) == fold(story.events)


@given(st.sampled_from(STORIES), st.data())
def test_an_attempt_that_is_over_has_no_say(story: Story, data: st.DataObject) -> None:
    fences = st.tuples(st.integers(0, 2), st.integers(0, 2))
    cut = data.draw(st.integers(0, len(story.events)))
    state = fold(story.events[:cut])
    fence = data.draw(fences.filter(lambda f: f != (state.attempt, state.delivery)))
    late = (
        Story()
        .playable(*fence)
        .probed(*fence, media=OTHER_MEDIA)
        .preparing(*fence)
        .ready(*fence)
        .attempt_failed(*fence, blame="world")
        .events
    )
    assert fold([*story.events[:cut], *late]) == state


@given(st.permutations([event for story in STORIES for event in story.events]))
def test_no_order_of_events_raises_or_leaves_an_end(events: list[e.JobEvent]) -> None:
    states = [JobState(job_id=JOB)]
    for event in events:
        states.append(states[-1].apply(event))
    for before, after in pairwise(states):
        assert (after.attempt, after.delivery) >= (before.attempt, before.delivery)
        if before.phase in (Phase.FAILED, Phase.DELETED):
            assert after.phase is before.phase
        if before.phase is Phase.READY:
            assert after.phase in (Phase.READY, Phase.EXPIRED, Phase.DELETED)
            assert (after.film, after.media) == (before.film, before.media)
        assert after.is_probed or after.media is None


@given(st.sampled_from(STORIES), st.data())
def test_watching_may_be_told_anywhere_after_ready(story: Story, data: st.DataObject) -> None:
    watch = e.Watched(id="w", at=START + timedelta(days=1), job_id=JOB)
    at = data.draw(st.integers(0, len(story.events)))
    moved = fold([*story.events[:at], watch, *story.events[at:]])
    assert moved.phase is fold(story.events).phase
    assert moved.last_watched_at == watch.at


def test_a_redelivery_starts_the_download_over() -> None:
    state = fold(Story().requested().queued(1).started(1, 1).preparing(1, 1).started(1, 2).events)
    assert (state.phase, state.delivery) == (Phase.DOWNLOADING, 2)


@pytest.mark.parametrize(
    ("after", "address"),
    [
        (Story(), "127.0.0.1:11"),
        (Story().preparing(1, 1), "127.0.0.1:11"),
        (Story().playable(1, 2).playable(2, 1), "127.0.0.1:11"),
        (Story().started(1, 2), None),
        (Story().started(1, 2).playable(1, 1), None),
        (Story().started(1, 2).playable(1, 2), "127.0.0.1:12"),
        (Story().attempt_failed(1, 1), None),
        (Story().attempt_failed(1, 1).playable(1, 1), None),
        (Story().queued(2), None),
        (Story().failed(1), None),
        (Story().ready(1, 1), None),
        (Story().ready(1, 1).playable(1, 1), None),
    ],
    ids=lambda value: ", ".join(event.fact for event in value.events) if isinstance(value, Story) else None,
)
def test_a_film_is_played_from_the_instance_that_runs_and_no_other(after: Story, address: str | None) -> None:
    state = fold([*Story().requested().queued(1).started(1, 1).playable(1, 1).events, *after.events])
    assert (state.play.address if state.play else None) == address


@pytest.mark.parametrize(
    ("after", "media", "is_probed", "is_playable"),
    [
        (Story(), None, False, False),
        (Story().probed(1, 1, media=MEDIA), MEDIA, True, True),
        (Story().probed(1, 1), None, True, True),
        (Story().probed(1, 1, media=MEDIA).probed(1, 1, media=OTHER_MEDIA), MEDIA, True, True),
        (Story().probed(1, 1).probed(1, 1, media=MEDIA), None, True, True),
        (Story().probed(1, 1, media=MEDIA).probed(1, 1, media=WITH_TEXT), WITH_TEXT, True, True),
        (Story().probed(1, 1, media=WITH_TEXT).probed(1, 1, media=MEDIA), WITH_TEXT, True, True),
        (Story().probed(1, 2, media=MEDIA).probed(2, 1, media=MEDIA), None, False, False),
        (Story().probed(1, 1, media=MEDIA).preparing(1, 1), MEDIA, True, True),
        (Story().probed(1, 1, media=MEDIA).ready(1, 1), MEDIA, True, True),
        (Story().ready(1, 1), None, False, True),
        (Story().ready(1, 1).probed(1, 1, media=MEDIA), None, False, True),
        (Story().probed(1, 1, media=MEDIA).ready(1, 1).expired(), MEDIA, True, False),
        (Story().probed(1, 1, media=MEDIA).attempt_failed(1, 1), MEDIA, True, False),
        (Story().probed(1, 1, media=MEDIA).queued(2), None, False, False),
        (Story().probed(1, 1, media=MEDIA).started(1, 2), None, False, False),
        (Story().probed(1, 1, media=MEDIA).started(1, 2).playable(1, 2), None, False, False),
        (Story().started(1, 2).playable(1, 2).probed(1, 1, media=MEDIA), None, False, False),
        (Story().started(1, 2).playable(1, 2).probed(1, 2, media=MEDIA), MEDIA, True, True),
    ],
    ids=lambda value: ", ".join(event.fact for event in value.events) if isinstance(value, Story) else None,
)
def test_what_is_inside_is_told_once_by_the_instance_that_runs(
    after: Story, media: Media | None, is_probed: bool, is_playable: bool
) -> None:
    state = fold([*Story().requested().queued(1).started(1, 1).playable(1, 1).events, *after.events])
    assert (state.media, state.is_probed, state.is_playable) == (media, is_probed, is_playable)


def test_nothing_starts_again_once_the_attempt_failed() -> None:
    state = fold(Story().requested().queued(1).started(1, 1).attempt_failed(1, 1).started(1, 2).events)
    assert state.phase is Phase.WAITING


# What comes after a failure


def test_a_bad_release_is_followed_by_the_next_at_once() -> None:
    state = fold(Story().requested().queued(1, alternatives=2).started(1, 1).attempt_failed(1, 1).events)
    assert after_failure(state) == TryNext(pick=candidate(2), alternatives=(candidate(3),))


def test_the_last_bad_release_ends_the_job_with_the_story() -> None:
    story = Story().requested().queued(1, alternatives=1).started(1, 1).attempt_failed(1, 1)
    story.queued(2).started(2, 1).attempt_failed(2, 1)
    end = after_failure(fold(story.events))
    assert isinstance(end, GiveUp)
    assert end.message == "broke at (2, 1) (1 other release failed before.)"


def test_the_world_is_given_five_tries_each_twice_as_late() -> None:
    story = Story().requested()
    delays: list[int] = []
    for attempt in range(1, RETRIES + 2):
        # Every try is for the same release, as the janitor queues it.
        queued = e.Queued(
            id=f"q{attempt}", at=START, job_id=JOB, attempt=attempt, pick=candidate(1), title=TITLE
        )
        story.events.append(queued)
        story.started(attempt, 1).attempt_failed(attempt, 1, blame="world")
        match after_failure(fold(story.events)):
            case TryAgain(pick=pick, delay_s=delay_s):
                assert pick == candidate(1)
                delays.append(delay_s)
            case other:
                assert isinstance(other, GiveUp)
    assert delays == [FIRST_RETRY_S * 2**n for n in range(RETRIES)]


def test_wrong_settings_are_not_tried_again() -> None:
    story = Story().requested().queued(1, alternatives=3).started(1, 1)
    end = after_failure(fold(story.attempt_failed(1, 1, blame="owner").events))
    assert isinstance(end, GiveUp)


@pytest.mark.parametrize("story", STORIES)
def test_nothing_is_decided_while_nothing_failed(story: Story) -> None:
    for cut in range(len(story.events) + 1):
        state = fold(story.events[:cut])
        assert (after_failure(state) is None) == (state.phase is not Phase.WAITING)


def test_an_attempt_whose_instances_all_died_fails_and_may_be_tried_again() -> None:
    assert all(died_too_often(delivery) is None for delivery in range(1, MAX_INSTANCES + 1))
    last = MAX_INSTANCES + 1
    message = died_too_often(last)
    assert message
    assert f"{MAX_INSTANCES} times" in message
    story = Story().requested().queued(1).started(1, last).attempt_failed(1, last, blame="world")
    assert isinstance(after_failure(fold(story.events)), TryAgain)


def test_job_ids_are_unique_and_tell_when() -> None:
    ids = {new_job_id(START) for _ in range(1000)}
    assert len(ids) == 1000
    assert all(i.startswith(f"job_{int(START.timestamp() * 1000)}_") for i in ids)
