"""What is kept of progress: the last word of the running delivery, never going back."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Progress
from libs.common.jobs import JobState, Phase
from services.streamer.progress import MAX_JOBS, ProgressBoard

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def said(
    done: int, total: int = 1000, *, job_id: str = "job_1_a", attempt: int = 1, delivery: int = 1
) -> Progress:
    return Progress(
        at=NOW,
        job_id=job_id,
        attempt=attempt,
        delivery=delivery,
        stage="downloading",
        done_bytes=done,
        total_bytes=total,
    )


def state(phase: Phase = Phase.DOWNLOADING, *, attempt: int = 1, delivery: int = 1) -> JobState:
    return JobState(job_id="job_1_a", phase=phase, attempt=attempt, delivery=delivery)


def percent(board: ProgressBoard, of: JobState | None = None) -> float | None:
    shown = board.of(of or state())
    return shown.percent if shown else None


@given(st.lists(st.integers(-5, 1200), min_size=1, max_size=30))
def test_percent_never_goes_back_within_a_delivery(amounts: list[int]) -> None:
    board = ProgressBoard()
    seen: list[float] = []
    for amount in amounts:
        board.note(said(amount))
        now = percent(board)
        assert now is not None
        seen.append(now)
    assert seen == sorted(seen)
    assert all(0 <= one <= 100 for one in seen)


def test_percent_is_rounded_down_to_one_decimal() -> None:
    cases = {0: 0.0, 1: 0.0, 33_333: 33.3, 99_999: 99.9, 100_000: 100.0}
    for done, want in cases.items():
        board = ProgressBoard()
        board.note(said(done, 100_000))
        assert percent(board) == want


def test_nothing_of_nothing_is_zero() -> None:
    board = ProgressBoard()
    board.note(said(5, 0))
    assert percent(board) == 0.0


def test_a_new_delivery_starts_anew_and_an_old_one_is_not_listened_to() -> None:
    board = ProgressBoard()
    board.note(said(900))
    board.note(said(100, delivery=2))
    board.note(said(950, delivery=1))
    assert percent(board, state(delivery=2)) == 10.0
    assert percent(board, state(delivery=1)) is None
    board.note(said(10, attempt=2))
    assert percent(board, state(attempt=2)) == 1.0


def test_only_a_running_job_has_progress() -> None:
    board = ProgressBoard()
    board.note(said(500))
    shown = {phase for phase in Phase if board.of(state(phase))}
    assert shown == {Phase.DOWNLOADING, Phase.PREPARING}


def test_changes_are_told_once() -> None:
    board = ProgressBoard()
    board.note(said(500, delivery=2))
    board.note(said(600, delivery=1))
    assert board.take_changed() == {"job_1_a"}
    assert board.take_changed() == frozenset()


def test_memory_has_a_bound() -> None:
    board = ProgressBoard()
    for number in range(MAX_JOBS + 1):
        board.note(said(1, job_id=f"job_{number}_a"))
    assert board.of(JobState(job_id="job_0_a", phase=Phase.DOWNLOADING, attempt=1, delivery=1)) is None
    assert len(board.take_changed()) == MAX_JOBS
