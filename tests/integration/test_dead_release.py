"""A release that can't be had is left in seconds, not after it has been fetched."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.common.bus import Bus
from tests.conftest import NatsServer
from tests.support.box import synthetic_film
from tests.support.instances import Box
from tests.support.internet import Internet

TITLE = "Gone.2024.1080p.WEB-DL.x264-NOWHERE"
FILM_BYTES = 48_000_000


@pytest.fixture
async def box(tmp_path: Path, bus: Bus, nats_server: NatsServer, internet: Internet) -> AsyncIterator[Box]:
    box = Box(tmp_path / "data", bus, nats_server, internet)
    yield box
    internet.misbehave()
    await box.close()


async def test_a_dead_release_is_left_long_before_it_is_fetched(box: Box, tmp_path: Path) -> None:
    film = tmp_path / "film.mkv"
    synthetic_film(film, FILM_BYTES)
    box.internet.post(film, TITLE, imdb_id="tt9100000")
    # What one connection has been asked for by then counts as served: at most 20 articles of 0.7 MB.
    box.internet.misbehave(nntp={"missing_every": {TITLE: 5}, "bytes_per_s": 100_000})
    before = served(box)
    await box.queue(TITLE)
    await box.run()
    [failure] = (await box.state()).failures
    assert failure.blame == "release", failure.message
    assert "articles are gone from the news servers, and the release brings nothing" in failure.message
    assert served(box) - before < FILM_BYTES / 2


def served(box: Box) -> int:
    """Bytes of articles."""
    return box.internet.counters()["nntp"].get("bytes", 0)
