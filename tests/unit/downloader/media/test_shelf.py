"""What is made is made once, kept within a bound, and not made for nobody."""

import asyncio

import pytest

from services.downloader.media.shelf import Shelf


class Maker:
    def __init__(self) -> None:
        self.made: list[str] = []
        self.given_up: list[str] = []
        self.may_go_on = asyncio.Event()

    async def make(self, key: str) -> bytes:
        self.made.append(key)
        try:
            await self.may_go_on.wait()
        except asyncio.CancelledError:
            self.given_up.append(key)
            raise
        if key == "bad":
            raise ValueError(key)
        return key.encode() * 10


async def waiting(shelf: Shelf[str], key: str) -> "asyncio.Task[bytes]":
    task = asyncio.create_task(shelf.get(key))
    for _ in range(3):
        await asyncio.sleep(0)
    return task


async def test_who_asks_at_the_same_time_gets_the_same() -> None:
    maker = Maker()
    shelf = Shelf(maker.make, 1000)
    tasks = [await waiting(shelf, "a") for _ in range(3)]
    maker.may_go_on.set()
    assert [await task for task in tasks] == [b"a" * 10] * 3
    assert await shelf.get("a") == b"a" * 10
    assert maker.made == ["a"]


async def test_what_nobody_waits_for_is_given_up_and_made_anew() -> None:
    maker = Maker()
    shelf = Shelf(maker.make, 1000)
    one, other = await waiting(shelf, "a"), await waiting(shelf, "a")
    one.cancel()
    await asyncio.wait([one])
    assert maker.given_up == []
    other.cancel()
    await asyncio.wait([other])
    await asyncio.sleep(0)
    assert maker.given_up == ["a"]
    maker.may_go_on.set()
    assert await shelf.get("a") == b"a" * 10


async def test_a_failure_is_told_to_all_and_not_kept() -> None:
    maker = Maker()
    shelf = Shelf(maker.make, 1000)
    tasks = [await waiting(shelf, "bad") for _ in range(2)]
    maker.may_go_on.set()
    for task in tasks:
        with pytest.raises(ValueError, match="bad"):
            await task
    with pytest.raises(ValueError, match="bad"):
        await shelf.get("bad")
    assert maker.made == ["bad", "bad"]


async def test_what_was_asked_for_longest_ago_goes_first() -> None:
    maker = Maker()
    maker.may_go_on.set()
    shelf = Shelf(maker.make, 25)
    for key in ("a", "b", "a", "c", "a", "b", "too large"):
        await shelf.get(key)
    assert maker.made == ["a", "b", "c", "b", "too large"]
