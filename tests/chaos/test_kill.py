"""kill -9 at awkward moments: no job is lost, no byte is wrong, nothing is left behind.

Films are fetched slowly enough to be hit half-way. A dead instance's job comes back when its lease is over,
after 30 s, so the killed ones wait together.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.box import RunningBox, synthetic_film, wait_for
from tests.support.internet import Internet

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

FILM_BYTES = 12_000_000
ARTICLE_BYTES = 100_000
SLOW_BYTES_PER_S = 150_000
"""Of each of the eight connections: a film takes some ten seconds."""


@pytest.fixture(scope="module")
def own_internet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Internet]:
    internet = Internet(tmp_path_factory.mktemp("internet"), "--films", "few")
    yield internet
    internet.close()


@pytest.fixture
def films(own_internet: Internet, tmp_path: Path) -> dict[int, bytes]:
    """What each title's film is; the last one is packed."""
    made: dict[int, bytes] = {}
    for number, movie_id in enumerate((910001, 910002, 910003)):
        path = tmp_path / f"{movie_id}.mkv"
        made[movie_id] = synthetic_film(path, FILM_BYTES + number * 1_000, seed=movie_id)
        imdb_id = f"tt{9_100_000 + number}"
        own_internet.add_title(movie_id, f"Chaos {number}", imdb_id)
        packing = "rar5-volumes+par2" if number == 2 else "plain"
        name = f"Chaos.{number}.2024.1080p.WEB-DL.x264-KILL"
        own_internet.post(path, name, imdb_id=imdb_id, packing=packing, article_bytes=ARTICLE_BYTES)
    own_internet.misbehave(nntp={"bytes_per_s": SLOW_BYTES_PER_S})
    return made


@pytest.fixture
def running(own_internet: Internet, tmp_path: Path) -> Iterator[RunningBox]:
    environment = own_internet.environment() | {"MATINEE_DOWNLOADER_MAX_INSTANCES": "3"}
    box = RunningBox(tmp_path / "data", environment)
    box.start()
    box.sign_in()
    yield box
    box.close()


def assert_nothing_is_wrong(box: RunningBox, jobs: dict[int, str], films: dict[int, bytes]) -> None:
    for movie_id, job_id in jobs.items():
        assert box.film(job_id) == films[movie_id]
    expected = {f"movies/{job}/movie.{end}" for job in jobs.values() for end in ("mkv", "json")}
    assert box.stored() == expected
    wait_for(lambda: not box.instances(), 20, box.instances)
    wait_for(lambda: not box.scratch(), 60, box.scratch)


def instance_of(box: RunningBox, job_id: str) -> psutil.Process:
    """The instance that fetches this job, as the log tells it."""

    def find() -> psutil.Process | None:
        for process in box.instances():
            identity = process.environ()["MATINEE_INSTANCE_ID"]
            started = [line for line in box.log("downloader").splitlines() if identity in line]
            if any(job_id in line for line in started):
                return process
        return None

    return wait_for(find, 10, lambda: box.log("downloader")[-2000:])


def articles_served(internet: Internet) -> int:
    return sum(internet.counters()["articles"].values())


def test_instances_killed_at_20_50_and_90_percent(
    running: RunningBox, films: dict[int, bytes], own_internet: Internet
) -> None:
    served = articles_served(own_internet)
    jobs = {movie_id: running.fetch(movie_id) for movie_id in films}
    for movie_id, percent in zip(films, (20, 50, 90), strict=True):
        job_id = jobs[movie_id]
        wait_for(
            lambda job=job_id, goal=percent: running.job(job)["progress"] >= goal,
            60,
            lambda job=job_id: running.job(job),
        )
        instance_of(running, job_id).kill()
        assert running.job(job_id)["status"] in ("downloading", "preparing")
    for job_id in jobs.values():
        running.until(job_id, "ready", 120)
    assert_nothing_is_wrong(running, jobs, films)
    # What was there is not fetched again, but for what was on its way: else it would be 190 articles more.
    needed = sum(-(-len(film) // ARTICLE_BYTES) for film in films.values())
    assert articles_served(own_internet) - served < needed + 100


def test_every_service_and_the_broker_killed_in_turn(running: RunningBox, films: dict[int, bytes]) -> None:
    movie_id = next(iter(films))
    jobs = {movie_id: running.fetch(movie_id)}
    for service in ("catalog", "indexer", "downloader", "streamer", "janitor", "nats"):
        before = running.services()[service]["pid"]
        running.kill(service)
        wait_for(
            lambda name=service, pid=before: running.services()[name]["pid"] != pid,
            20,
            lambda: (running.data / "up.log").read_text(),
        )
        time.sleep(0.5)
    running.until(jobs[movie_id], "ready", 120)
    assert_nothing_is_wrong(running, jobs, films)


def test_the_whole_tree_killed_and_started_again(running: RunningBox, films: dict[int, bytes]) -> None:
    movie_id = next(iter(films))
    jobs = {movie_id: running.fetch(movie_id)}
    wait_for(lambda: running.job(jobs[movie_id])["progress"] >= 30, 60)
    running.kill_tree()
    running.start()
    assert running.job(jobs[movie_id])["status"] in ("queued", "downloading")
    running.until(jobs[movie_id], "ready", 120)
    assert_nothing_is_wrong(running, jobs, films)


def test_deleted_databases_change_no_answer(running: RunningBox, films: dict[int, bytes]) -> None:
    jobs = {movie_id: running.fetch(movie_id) for movie_id in films}
    for job_id in jobs.values():
        running.until(job_id, "ready", 120)
        running.film(job_id)
    paths = ["/jobs", "/history", *(f"/jobs/{j}" for j in jobs.values()), *(f"/movies/{m}" for m in jobs)]
    before = {path: running.get(path).json() for path in paths}
    assert running.stop() == 0
    for database in (running.data / "db").iterdir():
        database.unlink()
    running.start()
    assert {path: running.get(path).json() for path in paths} == before
