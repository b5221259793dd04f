"""The slow road: releases that must be unpacked, by the real 7-Zip, into a real folder store."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from libs.common.events import Film
from libs.common.objects.files import FilesStore
from services.downloader.archives.volumes import InnerFile
from services.downloader.choose import Wanted
from services.downloader.describe import Description
from services.downloader.errors import ArchiveRefused, BytesLost, NoFilm, ReleaseError, ScratchFull
from services.downloader.pipeline import Pipeline, Target
from services.downloader.progress import Reporter
from services.downloader.source import Span
from services.downloader.unpack import film as film_module
from tests.support import rar5_bytes as rar5
from tests.support.memory_source import MemorySource
from tests.support.packers import (
    deflated,
    pack_directory,
    rar4_compressed,
    rar4_volumes,
    rar5_compressed,
    rar5_volumes,
    sevenzipped,
)
from tests.support.par2_sets import create_par2
from tests.support.releases import EBML, Files, nameless, old_names, part_names, pieces

FILM = EBML + bytes(os.urandom(150_000)) + bytes(50_000)
OTHER = EBML + bytes(range(255, -1, -1)) * 300
ABOUT = ("film.nfo", b"about the film")
PREFIX = "movies/job_1_00/"


class Listener:
    def __init__(self) -> None:
        self.told: list[str] = []

    async def described(self, description: Description) -> None:
        self.told.append(f"described {description.film.name}")

    async def packed(self, film: InnerFile) -> None:
        self.told.append(f"packed {film.name}")

    async def preparing(self) -> None:
        self.told.append("preparing")

    async def check_fence(self) -> None:
        return


class Box:
    """One release on its way into the store."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = FilesStore(directory / "store", public_url="http://127.0.0.1:1", secret=b"x" * 32)
        self.scratch = directory / "scratch"
        (self.scratch / "spool").mkdir(parents=True)
        self.listener = Listener()

    async def run(
        self,
        files: Files,
        *,
        holes: Mapping[int, Sequence[Span]] | None = None,
        max_film_bytes: int = 10**9,
        wanted: Wanted | None = None,
    ) -> Film:
        async def nobody(_progress: object) -> None:
            return

        target = Target(
            prefix=PREFIX, sidecar={}, wanted=wanted, max_film_bytes=max_film_bytes, on_scratch_disk=True
        )
        self.reporter = Reporter(nobody, job_id="job_1_00", attempt=1, delivery=1)
        pipeline = Pipeline(
            MemorySource(files, self.scratch / "spool", holes=holes),
            self.store,
            target,
            scratch=self.scratch,
            reporter=self.reporter,
            listener=self.listener,
        )
        return await pipeline.run()

    def film(self) -> bytes:
        return self.store.path(f"{PREFIX}movie.mkv").read_bytes()

    def leftovers(self) -> list[Path]:
        """What should not be there after a failure, and outside of the store and the spool ever."""
        store = [path for path in (self.directory / "store").rglob("*") if path.is_file()]
        return store + [path for path in self.scratch.iterdir() if path.name != "spool"]


@pytest.fixture
def box(tmp_path: Path) -> Box:
    (tmp_path / "packing").mkdir()
    return Box(tmp_path)


Pack = Callable[[Path], Files]
INNER: Files = [("Film (2024)/film.mkv", FILM), ABOUT]

PACKINGS: dict[str, Pack] = {
    "RAR 5": lambda _: [("a.rar", rar5_compressed(INNER))],
    "RAR 4": lambda _: [("a.rar", rar4_compressed(INNER))],
    "RAR 5 in volumes": lambda _: part_names(rar5_volumes("film.mkv", FILM, 30_000)),
    "RAR 4 in volumes": lambda _: part_names(rar4_volumes("film.mkv", FILM, 30_000, new_naming=True)),
    "RAR 4 in more than a hundred old volumes": lambda _: old_names(
        rar4_volumes("film.mkv", FILM, 1900, new_naming=False)
    ),
    "nameless volumes in any order": lambda _: nameless(
        [*reversed(part_names(rar5_volumes("film.mkv", FILM, 30_000)))]
    ),
    "deflated zip": lambda _: [("a.zip", deflated(INNER))],
    "deflated zip in pieces": lambda _: pieces(deflated(INNER), 40_000, "a.zip"),
    "solid 7z": lambda d: [("a.7z", sevenzipped(d, [("a.mkv", OTHER), *INNER]))],
    "7z of LZMA": lambda d: [("a.7z", sevenzipped(d, INNER, "-m0=lzma"))],
    "7z of PPMd": lambda d: [("a.7z", sevenzipped(d, INNER, "-m0=ppmd"))],
    "7z of BZip2": lambda d: [("a.7z", sevenzipped(d, INNER, "-m0=bzip2"))],
    "7z in pieces": lambda d: pieces(sevenzipped(d, INNER), 40_000, "a.7z"),
    "compressed in stored": lambda _: [("a.rar", rar5.archive([("b.zip", deflated(INNER))]))],
    "compressed in stored volumes": lambda _: part_names(
        rar5.volumes([("b.rar", rar5_compressed(INNER))], 50_000)
    ),
    "compressed volumes in stored volumes": lambda _: part_names(
        rar5.volumes(part_names(rar5_volumes("film.mkv", FILM, 30_000), "inner"), 50_000)
    ),
    "stored in compressed": lambda _: [("a.zip", deflated([("b.rar", rar5.archive(INNER))]))],
    "stored volumes in compressed": lambda d: [
        ("a.7z", sevenzipped(d, part_names(rar5.volumes(INNER, 30_000))))
    ],
    "pieces in compressed": lambda d: [("a.7z", sevenzipped(d, pieces(FILM, 30_000)))],
    "volumes that are deflated each": lambda _: [
        (f"{n}.zip", deflated([volume])) for n, volume in enumerate(part_names(rar5.volumes(INNER, 60_000)))
    ],
    "three times over": lambda d: [
        ("a.zip", deflated([("b.7z", sevenzipped(d, [("c.rar", rar5_compressed(INNER))]))]))
    ],
    "a film without a name": lambda _: [("a.zip", deflated([("f3a9", FILM), ABOUT]))],
    "names that 7-Zip might take for more": lambda _: [
        ("a.zip", deflated([("@-fil[m]*?.mkv", FILM), ("@-fil[m]xy.mkv", OTHER)]))
    ],
    "a name beyond ASCII": lambda _: [("a.rar", rar5_compressed([("Café – 映画.mkv", FILM)]))],
    "names that lead out": lambda _: [("a.zip", deflated([("../../../evil.mkv", FILM)]))],
    "a name from the root": lambda _: [("a.rar", rar5_compressed([("/etc/cron.d/film.mkv", FILM)]))],
}


@pytest.mark.parametrize("packing", PACKINGS)
async def test_every_packing_becomes_the_film(box: Box, packing: str) -> None:
    film = await box.run(PACKINGS[packing](box.directory / "packing"))
    assert (film.key, film.size_bytes) == (f"{PREFIX}movie.mkv", len(FILM))
    assert box.film() == FILM
    assert box.listener.told[-1] == "preparing"
    assert sorted(path.name for path in box.leftovers()) == ["movie.json", "movie.mkv"]
    assert box.reporter.stage == "unpacking"
