"""The pipeline over a release in memory and a real folder store: fences, limits, and errors as they are."""

from collections.abc import Callable
from pathlib import Path

import pytest

from libs.common.events import Film
from libs.common.objects.files import FilesStore
from services.downloader.errors import BytesLost, ReleaseError
from services.downloader.pipeline import Pipeline, Target
from services.downloader.progress import Reporter
from services.downloader.repair.blocks import NotEnoughBlocks
from services.downloader.source import Layout, Span
from tests.support.box import synthetic_film
from tests.support.memory_source import MemorySource
from tests.support.par2_sets import create_par2
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
        posted: list[tuple[str, bytes]] | None = None,
        store: FilesStore | None = None,
    ) -> Film:
        source = kind(posted or [("film.mkv", self.film)], self.scratch / "spool", holes={0: holes or []})
        target = Target(prefix="movies/job_1_00/", sidecar={}, max_film_bytes=max_film_bytes)
        reporter = Reporter(nobody, job_id="job_1_00", attempt=1, delivery=1)
        pipeline = Pipeline(
            source, store or self.store, target, scratch=self.scratch, reporter=reporter, listener=listener
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


def posted_wrong(stage: Stage, places: list[int], recovery_blocks: int = 4) -> list[tuple[str, bytes]]:
    """A release whose film isn't what its par2 files protect: at these places it has other bytes."""
    (stage.scratch / "made").mkdir()
    par2 = create_par2(
        stage.scratch / "made",
        [("film.mkv", stage.film)],
        slice_bytes=20_000,
        recovery_blocks=recovery_blocks,
    )
    wrong = bytearray(stage.film)
    for at in places:
        wrong[at] ^= 1
    return [("film.mkv", bytes(wrong)), *par2]


class FarStore(FilesStore):
    """On another disk: everything has to be uploaded."""

    def adopter(self, directory: Path) -> None:
        return None


@pytest.mark.parametrize("holes", [[], [Span(150_000, 150_010)]], ids=["whole", "with a hole"])
@pytest.mark.parametrize("kind", [FilesStore, FarStore], ids=["renamed", "uploaded"])
async def test_a_film_that_was_posted_wrong_is_mended_and_published_right(
    stage: Stage, kind: type[FilesStore], holes: list[Span]
) -> None:
    store = kind(stage.scratch.parent / "store", public_url="http://127.0.0.1:1", secret=b"x" * 32)
    film = await stage.run(
        Listener(), posted=posted_wrong(stage, [100_000, 250_000]), store=store, holes=holes
    )
    assert stage.store.path(film.key).read_bytes() == stage.film


async def test_a_film_that_was_posted_wrong_beyond_mending_is_told(stage: Stage) -> None:
    with pytest.raises(NotEnoughBlocks, match="2 blocks are missing, the release brings 1"):
        await stage.run(Listener(), posted=posted_wrong(stage, [100_000, 250_000], recovery_blocks=1))
    assert await stage.stored() == {}


async def test_a_film_that_was_posted_wrong_without_anything_to_mend_it_is_told(stage: Stage) -> None:
    (film, index, *_) = posted_wrong(stage, [100_000])
    with pytest.raises(BytesLost, match="isn't what was to be posted"):
        await stage.run(Listener(), posted=[film, index])
    assert await stage.stored() == {}


async def test_a_film_beyond_the_limit_is_refused(stage: Stage) -> None:
    with pytest.raises(ReleaseError, match="allowed"):
        await stage.run(Listener(), max_film_bytes=1000)
