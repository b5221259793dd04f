"""A list of releases grows as indexers answer; one that is dead holds up nobody and is named."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from msgspec.structs import replace

from libs.common.bus import Bus
from libs.common.errors import ErrorCode, ServiceError
from libs.common.indexers import FindReleases, FollowReleases, Releases, ReleasesSoFar
from libs.common.queries import ask, ask_several
from libs.common.settings import IndexerSettings
from libs.sandbox.faults import Faults, NewznabFaults
from libs.sandbox.sandbox import Sandbox
from tests.conftest import NatsServer
from tests.integration.test_indexer import BEST, TITLE, index_of, indexer_of, posted, sandbox

__all__ = ["posted", "sandbox"]

WAIT_S = 20.0


@pytest.fixture
async def silent() -> AsyncIterator[IndexerSettings]:
    """An indexer that takes connections and says nothing until it is closed."""
    gone = asyncio.Event()

    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield IndexerSettings(name="Silent", url=f"http://127.0.0.1:{port}", api_key="key-of-silent")
    gone.set()
    server.close()


def unreachable() -> IndexerSettings:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return IndexerSettings(name="Away", url=f"http://127.0.0.1:{port}", api_key="key-of-away")


async def everything(bus: Bus) -> list[ReleasesSoFar]:
    async with asyncio.timeout(WAIT_S):
        return [known async for known in ask_several(bus, FollowReleases(title=TITLE), ReleasesSoFar)]


def states(known: ReleasesSoFar) -> dict[str, tuple[str, int]]:
    return {one.name: (one.state, one.found) for one in known.indexers}


@pytest.mark.usefixtures("posted")
async def test_the_first_releases_come_with_the_first_answer(
    nats_server: NatsServer, bus: Bus, sandbox: Sandbox, silent: IndexerSettings, tmp_path: Path
) -> None:
    follow = ask_several(bus, FollowReleases(title=TITLE), ReleasesSoFar)
    async with indexer_of(nats_server, tmp_path, silent, index_of(sandbox)), aclosing(follow):
        async with asyncio.timeout(5):
            known = await anext(follow)
            assert (known.releases, states(known)) == (
                (),
                {"Silent": ("asked", 0), "Sandbox Index": ("asked", 0)},
            )
            known = await anext(follow)
        assert states(known) == {"Silent": ("asked", 0), "Sandbox Index": ("answered", 5)}
        assert [known.releases[0].title, len(known.releases)] == [BEST, 5]
        assert known.releases[0].score.checks


@pytest.mark.usefixtures("posted")
async def test_who_fails_is_said_and_the_end_is_what_one_answer_says(
    nats_server: NatsServer, bus: Bus, sandbox: Sandbox, tmp_path: Path
) -> None:
    other = replace(index_of(sandbox, "Other"), priority=1)
    async with indexer_of(nats_server, tmp_path, unreachable(), index_of(sandbox), other):
        *_, last = await everything(bus)
        whole = await ask(bus, FindReleases(title=TITLE), Releases)
        again = await everything(bus)
    assert states(last) == {"Away": ("failed", 0), "Sandbox Index": ("answered", 5), "Other": ("answered", 5)}
    [away] = [one for one in last.indexers if one.state == "failed"]
    assert away.message.startswith("Away ")
    assert "key-of-away" not in away.message
    assert last.releases == whole.releases
    assert states(again[-1])["Sandbox Index"] == ("answered", 5)


@pytest.mark.usefixtures("posted")
async def test_a_list_that_is_still_fresh_comes_without_asking_anyone(
    nats_server: NatsServer, bus: Bus, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with indexer_of(nats_server, tmp_path, index_of(sandbox)):
        first, again = await everything(bus), await everything(bus)
    assert again[-1] == first[-1]
    assert sandbox.counters.http["newznab t=movie"] == 1


@pytest.mark.usefixtures("posted")
async def test_if_all_fail_it_is_said_of_each_before_it_is_refused(
    nats_server: NatsServer, bus: Bus, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.faults.set(Faults(newznab=NewznabFaults(wrong_key=True)))
    said: dict[str, str] = {}

    async def follow() -> None:
        async for known in ask_several(bus, FollowReleases(title=TITLE), ReleasesSoFar):
            said.update({one.name: one.message for one in known.indexers})

    async with indexer_of(nats_server, tmp_path, index_of(sandbox)):
        with pytest.raises(ServiceError) as refused:
            await follow()
    assert refused.value.code is ErrorCode.NZBGEEK_ERROR
    assert said == {"Sandbox Index": refused.value.message}


async def test_two_who_follow_share_one_search(
    nats_server: NatsServer, bus: Bus, sandbox: Sandbox, posted: None, tmp_path: Path
) -> None:
    async with indexer_of(nats_server, tmp_path, index_of(sandbox)):
        one, two = await asyncio.gather(everything(bus), everything(bus))
    assert one[-1] == two[-1]
    assert sandbox.counters.http["newznab t=movie"] == 1
