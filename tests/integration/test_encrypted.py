"""Encrypted releases over the wire: played while they are fetched, and published decrypted."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from libs.common.bus import Bus
from libs.common.jobs import Phase
from libs.common.play import FILM_PATH
from libs.sandbox.archives.names import part_names
from tests.conftest import NatsServer
from tests.integration.test_play import SLOW, playable, player, seek_at_random
from tests.support.box import synthetic_film
from tests.support.instances import JOB, Box
from tests.support.internet import Internet
from tests.support.par2_sets import create_par2
from tests.support.rar_crypt import Lock, rar4_volumes, rar5_volumes

FILM_BYTES = 3_000_000
PART_BYTES = 700_003
SECRET = "correct horse battery"
NAMED = "Locked.Reel.2024.1080p.WEB-DL.H.264-FIVE{{correct horse battery}}"
TORN = "Torn.Locked.Reel.2024.1080p.WEB-DL.H.264-FIVE"
BY_SETTING = "Locked.Reel.2024.1080p.WEB-DL.H.264-FOUR"
SETTING = {"MATINEE_DOWNLOADER_PASSWORDS": f'["no", "{SECRET}"]'}


class Posted(NamedTuple):
    title: str
    settings: dict[str, str]


RELEASES = [Posted(NAMED, {}), Posted(BY_SETTING, SETTING)]


@pytest.fixture(scope="module")
def film(shared_internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Posted in RAR5 volumes with encrypted headers, once with par2; in RAR4 volumes, encrypted data."""
    directory = tmp_path_factory.mktemp("film")
    content = synthetic_film(directory / "film.mkv", FILM_BYTES)
    inner = [("film.mkv", content)]
    five = rar5_volumes(inner, Lock(password=SECRET, headers=True, log2_rounds=15), PART_BYTES)
    four = rar4_volumes(inner, Lock(password=SECRET), PART_BYTES)
    protected = part_names(five, "torn")
    (directory / "par2").mkdir()
    par2 = create_par2(directory / "par2", protected, slice_bytes=20_000, recovery_blocks=40)
    for title, files in (
        (NAMED, part_names(five, "five")),
        (BY_SETTING, part_names(four, "four")),
        (TORN, [*protected, *par2]),
    ):
        for name, data in files:
            (directory / name).write_bytes(data)
        paths = [str(directory / name) for name, _ in files]
        shared_internet.post(directory, title, paths=paths, article_bytes=20_000)
    return content


@pytest.fixture
async def box(
    tmp_path: Path, bus: Bus, nats_server: NatsServer, internet: Internet, film: bytes
) -> AsyncIterator[Box]:
    box = Box(tmp_path / "data", bus, nats_server, internet)
    yield box
    await box.close()


@pytest.mark.parametrize("release", RELEASES)
async def test_it_plays_while_it_is_fetched_and_is_published_decrypted(
    box: Box, film: bytes, release: Posted
) -> None:
    box.internet.misbehave(nntp=SLOW)
    await box.queue(release.title)
    await box.start(**release.settings)
    state = await playable(box)
    async with player(box, state) as client:
        await seek_at_random(client, film, seed=7)
        assert (await box.state()).phase is Phase.DOWNLOADING
        box.internet.misbehave()
        whole: httpx.Response = await client.get(FILM_PATH)
    assert whole.content == film
    await box.until(Phase.READY)
    assert box.stored()[f"movies/{JOB}/movie.mkv"] == film


async def test_what_is_lost_is_mended_before_it_is_decrypted(box: Box, film: bytes) -> None:
    box.internet.misbehave(nntp={"missing_every": {TORN: 30}})
    await box.queue(TORN)
    said = await box.run(**SETTING)
    assert (await box.state()).phase is Phase.READY
    assert "mended" in said
    assert box.stored()[f"movies/{JOB}/movie.mkv"] == film


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "is encrypted and no password is known for it"),
        (
            {"MATINEE_DOWNLOADER_PASSWORDS": '["hunter2", "tr0ub4dor"]'},
            "none of the 2 known passwords opens it",
        ),
    ],
)
async def test_without_its_password_the_next_release_is_tried(
    box: Box, settings: dict[str, str], says: str
) -> None:
    await box.queue(BY_SETTING)
    said = await box.run(**settings)
    [failure] = (await box.state()).failures
    assert says in failure.message
    assert failure.blame == "release"
    assert not any(secret in said + failure.message for secret in ("hunter2", "tr0ub4dor"))
