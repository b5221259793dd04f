"""The pipeline over a release in memory and a real folder store: fences, limits, and errors as they are."""

from collections.abc import Callable
from pathlib import Path

import pytest

from libs.common.events import Film
from libs.common.objects.files import FilesStore
from services.downloader.errors import BytesLost, ReleaseError
from services.downloader.pipeline import Pipeline, Target
from services.downloader.progress import Reporter
from services.downloader.source import Layout, Span
from tests.support.box import synthetic_film
from tests.support.memory_source import MemorySource
from tests.support.pipelines import Listener, TimesUp, nobody

KEY = "movies/job_1_00/movie.mkv"


class BrokenDisk(MemorySource):
    """The film is described, and then the spool can't be written."""

    async def lay_out(self, film: Layout) -> Path:
        raise OSError(5, "Input/output error")


class Stage:
    def __init__(self, directory: Path) -> None:
        self.film = synthetic_film(directory / "film.mkv", 300_000)
        self.store = FilesStore(directory / "store", public_url="http://127.0.0.1:1", secret=b"x" * 32)
        self.scratch = directory / "scratch"
        (self.scratch / "spool").mkdir(parents=True)

    async def run(
        self,
        listener: Listener,
        *,
        kind: Callable[..., MemorySource] = MemorySource,
        max_film_bytes: int = 10**9,
        holes: list[Span] | None = None,
    ) -> Film:
        source = kind([("film.mkv", self.film)], self.scratch / "spool", holes={0: holes or []})
        target = Target(prefix="movies/job_1_00/", sidecar={}, max_film_bytes=max_film_bytes)
        reporter = Reporter(nobody, job_id="job_1_00", attempt=1, delivery=1)
        pipeline = Pipeline(
            source, self.store, target, scratch=self.scratch, reporter=reporter, listener=listener
        )
        return await pipeline.run()

    async def stored(self) -> dict[str, int]:
        return {info.key: info.size_bytes for info in await self.store.list("")}

    def leftovers(self) -> list[str]:
        return [p.name for p in (self.scratch.parent / "store").rglob("*") if p.is_file()]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


async def test_a_film_is_published_and_told_in_order(stage: Stage) -> None:
    listener = Listener()
    film = await stage.run(listener)
    assert (film.key, film.size_bytes) == (KEY, len(stage.film))
    assert listener.told == ["described film.mkv", "preparing"]
    assert stage.store.path(KEY).read_bytes() == stage.film


async def test_an_attempt_that_is_over_from_the_start_deletes_nothing(stage: Stage) -> None:
    await stage.store.put(KEY, b"what a newer attempt published", content_type="video/x-matroska")
    with pytest.raises(TimesUp):
        await stage.run(Listener(fences=0))
    assert stage.store.path(KEY).read_bytes() == b"what a newer attempt published"


async def test_an_attempt_that_is_over_at_its_end_publishes_nothing(stage: Stage) -> None:
    with pytest.raises(TimesUp):
        await stage.run(Listener(fences=1))
    assert stage.leftovers() == []


async def test_an_error_that_nobody_thought_of_comes_out_as_itself(stage: Stage) -> None:
    with pytest.raises(OSError, match="Input/output error"):
        await stage.run(Listener(), kind=BrokenDisk)
    assert stage.leftovers() == []


async def test_holes_without_anything_to_mend_them_are_told(stage: Stage) -> None:
    with pytest.raises(BytesLost):
        await stage.run(Listener(), holes=[Span(150_000, 151_000)])
    assert stage.leftovers() == []


async def test_a_film_beyond_the_limit_is_refused(stage: Stage) -> None:
    with pytest.raises(ReleaseError, match="allowed"):
        await stage.run(Listener(), max_film_bytes=1000)
