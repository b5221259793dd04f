"""What several ask for at the same time is done once."""

import asyncio

import pytest

from services.catalog.flights import Flights


class Work:
    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        await self.may_end.wait()
        if number == 2:
            raise ValueError("the second one fails")
        return number


async def begun(*asked: asyncio.Task[int]) -> None:
    await asyncio.sleep(0.01)
    assert not any(task.done() for task in asked)


async def test_one_for_each_key_at_a_time_and_failures_are_shared() -> None:
    flights, work = Flights(), Work()
    for expected in (1, ValueError, 3):
        work.may_end.clear()
        asked = [asyncio.create_task(flights.once("key", work)) for _ in range(5)]
        await begun(*asked)
        work.may_end.set()
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert [one if isinstance(one, int) else type(one) for one in found] == [expected] * 5
    assert work.begun == 3


async def test_other_keys_do_not_wait() -> None:
    flights, work = Flights(), Work()
    held = asyncio.create_task(flights.once("held", work))
    await begun(held)

    async def at_once() -> str:
        return "there"

    assert await flights.once("other", at_once) == "there"
    await flights.close()
    await asyncio.wait((held,))
    assert held.cancelled()


async def test_it_goes_on_without_those_who_asked() -> None:
    flights, work = Flights(), Work()
    gone = asyncio.create_task(flights.once("key", work))
    await begun(gone)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    stays = asyncio.create_task(flights.once("key", work))
    await begun(stays)
    work.may_end.set()
    assert await stays == 1
    assert work.begun == 1


async def test_a_failure_that_nobody_waits_for_is_silent() -> None:
    flights, work = Flights(), Work()
    work.begun = 1
    gone = asyncio.create_task(flights.once("key", work))
    await begun(gone)
    gone.cancel()
    work.may_end.set()
    await asyncio.sleep(0.01)
    assert work.begun == 2
    await flights.close()
