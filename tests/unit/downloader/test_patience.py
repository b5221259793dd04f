"""How long a film that has come down waits for a bus that is gone."""

import time

import pytest

from libs.common.errors import BusUnavailable
from libs.common.jobs import JobState
from services.downloader.attempt import FENCE_PAUSE_S, patiently


class Log:
    """Can't be reached so many times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.asked = 0

    async def state(self) -> JobState:
        self.asked += 1
        if self.asked <= self.failures:
            raise BusUnavailable("NATS does not answer")
        return JobState(job_id="job_1")


async def test_an_answer_is_waited_for_and_not_hammered_for() -> None:
    log, began_at = Log(2), time.monotonic()
    assert (await patiently(log.state, 60)).job_id == "job_1"
    assert log.asked == 3
    assert time.monotonic() - began_at >= 2 * FENCE_PAUSE_S


async def test_a_bus_that_stays_away_is_given_up() -> None:
    log = Log(1000)
    with pytest.raises(BusUnavailable):
        await patiently(log.state, 1.5 * FENCE_PAUSE_S)
    assert 2 <= log.asked <= 3
