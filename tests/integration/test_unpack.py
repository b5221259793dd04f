"""The slow road: releases that must be unpacked, by the real 7-Zip, into a real folder store."""

import asyncio
import io
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.events import Film
from libs.common.objects.files import FilesStore
from libs.sandbox.archives import rar5, sevenzip
from libs.sandbox.archives.names import Files, nameless, old_names, part_names, pieces
from services.downloader.archives.locks import Keyring
from services.downloader.choose import Wanted
from services.downloader.describe import NeedsUnpacking, describe
from services.downloader.errors import ArchiveRefused, BytesLost, NoFilm, ReleaseError, ScratchFull
from services.downloader.pipeline import Pipeline, Target
from services.downloader.progress import Reporter
from services.downloader.source import Span
from services.downloader.unpack.film import Terms, film_in
from services.downloader.unpack.packed import Packed
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
from tests.support.pipelines import Listener, nobody
from tests.support.rar_streams import rar5_stream
from tests.support.releases import EBML

FILM = EBML + bytes(os.urandom(150_000)) + bytes(50_000)
OTHER = EBML + bytes(range(255, -1, -1)) * 300
ABOUT = ("film.nfo", b"about the film")
PREFIX = "movies/job_1_00/"


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
        target = Target(prefix=PREFIX, sidecar={}, wanted=wanted, max_film_bytes=max_film_bytes)
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
        return store + [path for path in self.scratch.iterdir() if path.name not in {"spool", "promised"}]


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
    assert "preparing" in box.listener.told
    assert sorted(path.name for path in box.leftovers()) == ["movie.json", "movie.mkv"]
    assert box.reporter.stage == "unpacking"


async def test_the_film_is_told_before_it_is_fetched(box: Box) -> None:
    await box.run([("a.zip", deflated(INNER))])
    assert box.listener.told == [f"packed film.mkv: {len(FILM)} bytes of mkv", "preparing"]


async def test_a_film_in_an_archive_in_an_archive_is_told_when_it_is_found(box: Box) -> None:
    await box.run([("a.zip", deflated([("b.rar", rar5.archive(INNER))]))])
    assert box.listener.told == ["preparing", f"packed film.mkv: {len(FILM)} bytes of mkv"]


async def test_of_two_films_the_one_that_is_asked_for(box: Box) -> None:
    films = [
        ("Another.Film.2023.mkv", OTHER * 3),
        ("My.Film.2024.mkv", FILM),
        ("My.Film.2024.sample.mkv", OTHER),
    ]
    await box.run([("a.zip", deflated(films))], wanted=Wanted(title="My Film", year=2024))
    assert box.film() == FILM


async def test_a_stored_film_is_not_held_up_by_compressed_extras(box: Box) -> None:
    await box.run([("film.mkv", FILM), ("extras.zip", deflated([("trailer.mkv", OTHER)]))])
    assert box.listener.told == ["described film.mkv", "preparing"]


@pytest.mark.parametrize("hole", [Span(60_000, 61_000), Span(0, 1000)], ids=["in the middle", "at the start"])
async def test_what_is_missing_is_mended_before_it_is_unpacked(box: Box, hole: Span) -> None:
    posted = [("a.rar", rar5_compressed(INNER))]
    par2 = create_par2(box.directory / "packing", posted, recovery_blocks=4)
    await box.run([*posted, *par2], holes={0: [hole]})
    assert box.film() == FILM


def damaged(archive: bytes, at: int) -> bytes:
    return archive[:at] + bytes([archive[at] ^ 0x55]) + archive[at + 1 :]


def zip_entry(name: str, data: bytes, mode: int) -> bytes:
    """A deflated file with such a mode."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def zip_that_lies(data: bytes, claimed_bytes: int) -> bytes:
    """Its headers say that the file is smaller than it is."""
    size = len(data).to_bytes(4, "little")
    return deflated([("film.mkv", data)]).replace(size, claimed_bytes.to_bytes(4, "little"))


def links(directory: Path) -> bytes:
    room = directory / "links"
    room.mkdir()
    (room / "film.mkv").symlink_to("/etc/passwd")
    (room / "film.nfo").write_text("about")
    return pack_directory(room)


def layers(count: int) -> bytes:
    data = deflated([("film.mkv", FILM)])
    for number in range(count - 1):
        data = deflated([(f"{number}.zip", data)])
    return data


def packed_rar(stream: bytes, size_bytes: int, method: int = 3) -> bytes:
    entry = rar5.entry("film.mkv", stream, size_bytes, method=method)
    return rar5.SIGNATURE + rar5.main() + entry + rar5.end()


HUGE_DICTIONARY = 3 | 15 << 3
"""Method 3, and a dictionary of 128 KiB × 2^15."""

REFUSED: dict[str, tuple[Pack, type[ReleaseError], str]] = {
    "a link that is called a film": (
        lambda d: [("a.7z", links(d))],
        NoFilm,
        "no film; its largest file is “film.nfo”",
    ),
    "a link in a RAR": (
        lambda _: [("a.rar", rar5_compressed([("film.mkv", FILM)], records=[rar5.EXTRA_LINK]))],
        NoFilm,
        "empty",
    ),
    "a link in a zip": (lambda _: [("a.zip", zip_entry("film.mkv", FILM, 0o120777))], NoFilm, "empty"),
    "a device": (
        lambda _: [("a.zip", zip_entry("film.mkv", FILM, 0o020666))],
        ArchiveRefused,
        "can't be found",
    ),
    "a claim of 10 TB": (
        lambda _: [("a.rar", rar5_compressed([("film.mkv", FILM)], size_bytes=10**13))],
        ReleaseError,
        r"10000\.0 GB when it is unpacked; allowed are 0\.1 GB",
    ),
    "a bomb of archives": (
        lambda _: [("a.rar", rar5_compressed([("b.zip", FILM)], size_bytes=10**13))],
        ReleaseError,
        r"“b\.zip” has 10000\.0 GB",
    ),
    "an honest bomb": (
        lambda d: [("a.7z", sevenzipped(d, [("film.mkv", EBML + bytes(60_000_000))], "-mx1"))],
        ReleaseError,
        r"0\.1 GB when it is unpacked",
    ),
    "a bomb that lies": (
        lambda _: [("a.zip", zip_that_lies(EBML + bytes(100_000_000), 1_000_000))],
        ArchiveRefused,
        "damaged",
    ),
    "a corrupt zip": (lambda _: [("a.zip", damaged(deflated(INNER), 60_000))], ArchiveRefused, "damaged"),
    "a corrupt RAR 5": (
        lambda _: [("a.rar", damaged(rar5_compressed(INNER), 60_000))],
        ArchiveRefused,
        "damaged",
    ),
    "a corrupt RAR 4": (
        lambda _: [("a.rar", damaged(rar4_compressed(INNER), 60_000))],
        ArchiveRefused,
        "damaged",
    ),
    "a corrupt 7z": (
        lambda d: [("a.7z", damaged(sevenzipped(d, INNER), 60_000))],
        ArchiveRefused,
        "damaged",
    ),
    "a 7z cut short": (lambda d: [("a.7z", sevenzipped(d, INNER)[:-2000])], BytesLost, "end is missing"),
    "a RAR cut short": (
        lambda _: [("a.rar", packed_rar(rar5_stream(FILM)[:9000], len(FILM)))],
        ArchiveRefused,
        "damaged",
    ),
    "a volume missing": (
        lambda _: part_names(rar5_volumes("film.mkv", FILM, 30_000))[:-1],
        BytesLost,
        "volume 7 of the archive is missing",
    ),
    "four times over": (lambda _: [("a.zip", layers(4))], NoFilm, "more than 3 times over"),
    "a program": (
        lambda _: [("a.zip", deflated([("Film.2024.1080p.exe", b"MZ" + bytes(9000)), ABOUT]))],
        NoFilm,
        r"only a program \(“Film\.2024\.1080p\.exe”\)",
    ),
    "a script": (
        lambda _: [("a.rar", rar5_compressed([("play.vbs", bytes(900))]))],
        NoFilm,
        "only a program",
    ),
    "a program in an archive in an archive": (
        lambda _: [("a.zip", deflated([("b.zip", deflated([("setup.exe", b"MZ" + bytes(9000))]))]))],
        NoFilm,
        "only a program",
    ),
    "a program that is called a film": (
        lambda _: [("a.zip", deflated([("film.mkv", b"MZ" + bytes(9000))]))],
        NoFilm,
        "is called a film, but it isn't one",
    ),
    "an encrypted archive": (
        lambda d: [("a.7z", sevenzipped(d, INNER, "-psecret"))],
        NoFilm,
        "“film.mkv” is in an encrypted 7z archive",
    ),
    "an encrypted archive in a compressed one": (
        lambda d: [("a.zip", deflated([("b.7z", sevenzipped(d, INNER, "-psecret"))]))],
        NoFilm,
        "“film.mkv” is in an encrypted 7z archive",
    ),
    "two files of one name": (
        lambda _: [("a.rar", rar5_compressed([("film.mkv", FILM), ("film.mkv", FILM)]))],
        ArchiveRefused,
        "more than the",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_can_not_be_unpacked_is_told_and_leaves_nothing(box: Box, what: str) -> None:
    make, error, says = REFUSED[what]
    files = make(box.directory / "packing")
    with pytest.raises(error, match=says) as refused:
        await box.run(files, max_film_bytes=50_000_000)
    assert refused.value.blame == "release"
    assert box.leftovers() == []
    assert unpackers() == []


async def test_an_archive_that_asks_for_more_memory_than_it_gets(box: Box) -> None:
    greedy = packed_rar(rar5_stream(FILM), 5 << 30, HUGE_DICTIONARY)
    with pytest.raises(ArchiveRefused, match="more than 2 GiB of memory"):
        await box.run([("a.rar", greedy)], max_film_bytes=10 << 30)
    assert box.leftovers() == []


async def test_holes_that_nothing_mends_are_told(box: Box) -> None:
    with pytest.raises(BytesLost):
        await box.run([("a.rar", rar5_compressed(INNER))], holes={0: [Span(60_000, 61_000)]})
    assert box.leftovers() == []


def unpackers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if child.name().startswith("7z")]


async def needed_for(box: Box, files: Files) -> tuple[MemorySource, Packed]:
    """A filled release that must be unpacked."""
    source = MemorySource(files, box.scratch / "spool")
    await source.open()
    with pytest.raises(NeedsUnpacking) as needed:
        await describe(source)
    async for _ in source.fill(needed.value.needs.needed_files):
        pass
    return source, needed.value.packed


def terms(box: Box, spare_bytes: int = 0) -> Terms:
    return Terms(
        wanted=None, keyring=Keyring(), scratch=box.scratch, spare_bytes=spare_bytes, max_bytes=10**9
    )


@pytest.mark.parametrize("file", ["film.mkv", "inner.zip"])
async def test_a_disk_that_is_nearly_full_is_not_filled(box: Box, file: str) -> None:
    data = FILM if file == "film.mkv" else deflated(INNER)
    source, packed = await needed_for(box, [("a.zip", deflated([(file, data)]))])
    with pytest.raises(ScratchFull, match="free some space"):
        async with film_in(source, packed, terms(box, spare_bytes=1 << 60)):
            pass
    assert box.leftovers() == []


async def test_who_stops_in_the_middle_leaves_no_program_behind(box: Box) -> None:
    source, packed = await needed_for(box, [("a.zip", deflated([("film.mkv", EBML + bytes(50_000_000))]))])
    reached = asyncio.Event()

    async def watch() -> None:
        async with film_in(source, packed, terms(box)) as film:
            async for _ in film.pieces:
                reached.set()
                await asyncio.sleep(60)

    task = asyncio.create_task(watch())
    await reached.wait()
    assert len(unpackers()) == 1
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert unpackers() == []
    assert box.leftovers() == []


async def test_nothing_is_written_while_a_film_is_unpacked(box: Box) -> None:
    source, packed = await needed_for(box, [("a.zip", deflated([("film.mkv", EBML + bytes(50_000_000))]))])
    async with film_in(source, packed, terms(box)) as film:
        async for _ in film.pieces:
            written = [p for p in box.scratch.rglob("*") if p.is_file() and not p.is_symlink()]
            assert [p.parent.name for p in written] == ["spool"]


SMALL = EBML + bytes(range(256)) * 20
SEEDS: Files = [
    ("a.rar", rar5_compressed([("film.mkv", SMALL), ABOUT])),
    ("a.rar", rar4_compressed([("film.mkv", SMALL), ABOUT])),
    ("a.zip", deflated([("film.mkv", SMALL), ABOUT])),
    ("a.zip", deflated([("b.rar", rar5.archive([("film.mkv", SMALL)]))])),
    ("a.7z", sevenzip.archive([[("film.mkv", SMALL), ABOUT]], coder=sevenzip.LZMA2)),
]
edits = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(SEEDS), edits)
async def test_any_damage_gives_the_film_or_a_reason(
    tmp_path: Path, seed: tuple[str, bytes], edits: list[tuple[float, int]]
) -> None:
    name, data = seed
    changed = bytearray(data)
    for share, value in edits:
        changed[int(share * len(changed))] = value
    box = Box(Path(tempfile.mkdtemp(dir=tmp_path)))
    try:
        await box.run([(name, bytes(changed))], max_film_bytes=50_000_000)
    except ReleaseError:
        assert box.leftovers() == []
    else:
        assert box.film() == SMALL
