"""kill -9 while a film is unpacked: the program goes with its instance, and the next one starts clean."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.box import RunningBox, wait_for
from tests.support.internet import Internet
from tests.support.packers import sevenzipped
from tests.support.releases import EBML

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

MOVIE = 910009
FILM_BYTES = 40_000_000


@pytest.fixture
def film() -> bytes:
    return EBML + random.Random(9).randbytes(FILM_BYTES)


@pytest.fixture
def running(film: bytes, tmp_path: Path) -> Iterator[RunningBox]:
    internet = Internet(tmp_path / "internet", "--films", "few")
    archive = tmp_path / "film.7z"
    (tmp_path / "packing").mkdir()
    # Of noise PPMd unpacks some 6 MB a second: slow enough to be hit.
    archive.write_bytes(sevenzipped(tmp_path / "packing", [("film.mkv", film)], "-m0=ppmd"))
    internet.add_title(MOVIE, "Chaos 9", "tt9100009")
    internet.post(archive, "Chaos.9.2024.1080p.WEB-DL.x264-KILL", imdb_id="tt9100009", packing="plain")
    box = RunningBox(tmp_path / "data", internet.environment())
    box.start()
    box.sign_in()
    yield box
    box.close()
    internet.close()


def test_an_instance_killed_while_it_unpacks(running: RunningBox, film: bytes) -> None:
    job_id = running.fetch(MOVIE)
    wait_for(lambda: running.job(job_id)["stage"] == "unpacking", 60, lambda: running.job(job_id))
    [instance] = running.instances()
    [unpacker] = wait_for(lambda: [p for p in instance.children(recursive=True) if "7zz" in p.name()], 10)
    instance.kill()
    wait_for(lambda: not unpacker.is_running(), 5)
    running.until(job_id, "ready", 120)
    assert running.film(job_id) == film
    assert running.stored() == {f"movies/{job_id}/movie.{end}" for end in ("mkv", "json")}
    wait_for(lambda: not running.instances(), 20, running.instances)
    wait_for(lambda: not running.scratch(), 60, running.scratch)
