"""Every way a film is packed without being compressed: found, and byte for byte the film."""

import asyncio
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.sandbox.archives import rar4 as rar4
from libs.sandbox.archives import rar5 as rar5
from libs.sandbox.archives import sevenzip
from libs.sandbox.archives.names import Files, nameless, old_names, part_names, pieces
from libs.sandbox.archives.zips import archive as zipped
from services.downloader.archives.reading import READS_AT_ONCE
from services.downloader.archives.volumes import NotPosted
from services.downloader.describe import NeedsRepairFirst, describe
from services.downloader.errors import ArchiveRefused, BytesLost, NoFilm, ReleaseError
from services.downloader.source import HEAD_BYTES, PostedFile, Span, Urgency
from tests.support.memory_source import MemorySource
from tests.support.par2_sets import create_par2
from tests.support.releases import EBML, FILM, Release

INNER = [("Film.2010/film.mkv", FILM), ("Film.2010/film.nfo", b"about")]
OTHER = [("Other.2011/other.mkv", FILM[: len(FILM) // 2] + b"!")]
OLD = rar4.volumes(INNER, 900, new_naming=False)
NEW = rar4.volumes(INNER, 20_000)
ANCIENT = rar4.volumes(INNER, 20_000, new_naming=False, tells=False)
RAR5 = rar5.volumes(INNER, 20_000)

PACKINGS: dict[str, Files] = {
    "rar4, .rar .r00 … .s00 …": old_names(OLD),
    "rar4, .part01.rar": part_names(NEW),
    "rar4 before numbers": old_names(ANCIENT),
    "rar4 in one": [("a.rar", rar4.archive(INNER))],
    "rar4 without names": nameless(part_names(NEW)),
    "rar4 of old naming without names": nameless(old_names(rar4.volumes(INNER, 9000, new_naming=False))),
    "rar4, .001": [(f"film.{n:03}", data) for n, data in enumerate(NEW, 1)],
    "rar4, .000": [(f"film.{n:03}", data) for n, data in enumerate(NEW)],
    "rar4, misleading names": part_names([NEW[1], NEW[0], *NEW[2:]]),
    "rar5, .part01.rar": part_names(RAR5),
    "rar5, .rar .r00": old_names(RAR5),
    "rar5 without names": nameless(part_names(RAR5)),
    "rar5, .001": [(f"film.{n:03}", data) for n, data in enumerate(RAR5, 1)],
    "pieces from 001": pieces(FILM, 10_000),
    "pieces from 000": pieces(FILM, 10_000, first=0),
    "pieces of a rar": pieces(rar5.archive(INNER), 10_000, "film.rar"),
    "pieces of a rar4": pieces(rar4.archive(INNER), 10_000, "film.rar"),
    "a rar in a rar": [("a.rar", rar5.archive([("film.rar", rar4.archive(INNER))]))],
    "volumes in a rar": [("a.rar", rar5.archive(old_names(OLD)))],
    "volumes in volumes": part_names(rar4.volumes([(f"d/{n}", d) for n, d in part_names(RAR5)], 15_000)),
    "nameless volumes in a rar": [("a.rar", rar5.archive(nameless(part_names(RAR5))))],
    "pieces in volumes": part_names(rar5.volumes(pieces(FILM, 10_000), 7000)),
    "zip": [("a.zip", zipped(INNER))],
    "zip without a name": [("af0c", zipped(INNER))],
    "pieces of a zip": pieces(zipped(INNER), 9000, "film.zip"),
    "a zip in a rar": [("a.rar", rar5.archive([("d/film.zip", zipped(INNER))]))],
    "volumes in a zip": [("a.zip", zipped(old_names(OLD)))],
    "7z": [("a.7z", sevenzip.archive([INNER]))],
    "7z without a name": [("af0c", sevenzip.archive([INNER], header_coder=sevenzip.LZMA1))],
    "pieces of a 7z": pieces(sevenzip.archive([INNER], header_coder=sevenzip.LZMA1), 9000, "film.7z"),
    "a 7z in a rar": [("a.rar", rar4.archive([("film.7z", sevenzip.archive([INNER[:1], INNER[1:]]))]))],
    "pieces of a 7z in volumes": part_names(
        rar5.volumes(pieces(sevenzip.archive([INNER]), 9000, "film.7z"), 7000)
    ),
    "a rar in a 7z": [("a.7z", sevenzip.archive([[("film.rar", rar5.archive(INNER))]]))],
}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("packing", PACKINGS)
async def test_the_film_is_found(tmp_path: Path, packing: str, backwards: bool):
    files = PACKINGS[packing]
    release = Release(tmp_path, [*(reversed(files) if backwards else files), ("info.nfo", b"about")])
    assert (await release.described()).film.name == "film.mkv"
    assert await release.film() == FILM


async def test_names_in_order_save_the_reads_of_ends(tmp_path: Path):
    """Only the last volume is read beyond the heads that `open` has brought."""
    files = part_names(rar4.volumes(INNER, 40_000))
    release = Release(tmp_path, files)
    await release.described()
    beyond = {file for file, offset, length, _ in release.source.reads if offset + length > HEAD_BYTES}
    assert beyond == {len(files) - 1}


class Crowded(MemorySource):
    """Counts how many reads are under way at the same time."""

    now = most = 0

    async def read(self, file: int, offset: int, length: int, urgency: Urgency) -> bytes:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.001)
        self.now -= 1
        return await super().read(file, offset, length, urgency)


async def test_ends_of_nameless_volumes_are_read_at_once(tmp_path: Path):
    """One by one, a set of a hundred volumes would cost a hundred round trips."""
    volumes = rar4.volumes(INNER, 1500, new_naming=False)
    source = Crowded(nameless(old_names(volumes)), tmp_path)
    source.files = [
        PostedFile(index=at, subject="", name=f"{at:x}", size_bytes=len(data), head=data[:1000])
        for at, data in enumerate(volumes)
    ]
    assert (await describe(source)).film.size_bytes == len(FILM)
    assert source.most == READS_AT_ONCE


async def test_more_entries_than_any_release_has(tmp_path: Path):
    many = zipped([(str(number), b"") for number in range(7000)], zipfile.ZIP_DEFLATED)
    with pytest.raises(ArchiveRefused, match="more than 20000 files"):
        await Release(tmp_path, [(f"{number}.zip", many) for number in range(3)]).described()


async def test_sets_without_names_do_not_mix(tmp_path: Path):
    sets = [RAR5, rar5.volumes(OTHER, 20_000), rar4.volumes(OTHER, 10_000)]
    mixed = [(str(at), volume) for at, volume in enumerate(v for made in sets for v in reversed(made))]
    release = Release(tmp_path, nameless(mixed))
    assert await release.film() == FILM


async def test_sets_that_meet_between_files_do_not_mix(tmp_path: Path):
    """Where no file goes on from one volume into the next, a number alone proves nothing."""
    one = rar5.volumes([("a.mkv", FILM), ("b.mkv", FILM[:-5])], len(FILM))
    two = rar5.volumes([("c.mkv", FILM[:-6]), ("d.mkv", FILM[:-7])], len(FILM) - 6)
    release = Release(tmp_path, nameless(part_names([*one, *two])))
    with pytest.raises(BytesLost, match="volume 2 of the archive is missing"):
        await release.described()


@pytest.mark.parametrize(
    ("files", "error", "says"),
    [
        (part_names(NEW)[1:], BytesLost, "volume 1 of the archive is missing"),
        (part_names(NEW)[:2] + part_names(NEW)[3:], BytesLost, "volume 3 of the archive is missing"),
        (part_names(NEW)[:-1], BytesLost, f"volume {len(NEW)} of the archive is missing"),
        (old_names(ANCIENT)[:2] + old_names(ANCIENT)[3:], BytesLost, "volume 3 of the archive is missing"),
        (nameless(part_names(NEW))[:-1], BytesLost, f"volume {len(NEW)} of the archive is missing"),
        (nameless(old_names(ANCIENT)), ArchiveRefused, "nothing tells the order"),
        (pieces(FILM, 10_000)[1:], BytesLost, "piece 001 of “film.mkv” is missing"),
        (pieces(FILM, 10_000)[:3] + pieces(FILM, 10_000)[4:], BytesLost, "piece 004 of “film.mkv” is miss"),
        (pieces(FILM, 10_000)[:1], BytesLost, "piece 002 of “film.mkv” is missing"),
        ([*pieces(FILM, 60_000), ("FILM.MKV.002", FILM)], ArchiveRefused, "both say they are piece 002"),
        (
            [("a.rar", rar4.SIGNATURE + rar4.main() + rar4.entry("f.mkv", FILM, 9 * len(FILM), method=0x35))],
            NoFilm,
            "“f.mkv” is in a compressed RAR archive and must be unpacked",
        ),
        (
            [("a.rar", rar4.SIGNATURE + rar4.main() + rar4.entry("f.mkv", FILM[:-4], flags=4))],
            NoFilm,
            "“f.mkv” is encrypted and no password is known for it",
        ),
        (
            [("a.zip", zipped(INNER, zipfile.ZIP_DEFLATED))],
            NoFilm,
            "“film.mkv” is in a compressed zip archive and must be unpacked",
        ),
        (
            [("a.7z", sevenzip.archive([INNER], coder=sevenzip.LZMA1))],
            NoFilm,
            "“film.mkv” is in a compressed 7z archive and must be unpacked",
        ),
        (
            [("a.7z", sevenzip.archive([INNER], coder=sevenzip.AES))],
            NoFilm,
            "“film.mkv” is in an encrypted 7z archive",
        ),
        (pieces(sevenzip.archive([INNER]), 9000, "f.7z")[:-1], NotPosted, "7z archive .* its end is missing"),
    ],
)
async def test_what_is_said_otherwise(tmp_path: Path, files: Files, error: type[ReleaseError], says: str):
    with pytest.raises(error, match=says):
        await Release(tmp_path, [*files, ("extras.mkv", EBML)]).described()


async def test_a_piece_that_par2_promises_is_missed(tmp_path: Path):
    whole = pieces(FILM, 20_000)
    (tmp_path / "made").mkdir()
    par2 = create_par2(tmp_path / "made", whole, recovery_blocks=1)
    with pytest.raises(BytesLost, match=r"piece 006 of “film\.mkv” is missing"):
        await Release(tmp_path, [*whole[:-1], *par2]).described()


async def test_pieces_get_their_names_from_par2(tmp_path: Path):
    whole = pieces(FILM, 20_000)
    (tmp_path / "made").mkdir()
    par2 = create_par2(tmp_path / "made", whole)
    release = Release(tmp_path, nameless([*reversed(whole), *par2]))
    assert await release.film() == FILM


async def test_a_piece_without_its_beginning_has_no_sure_size(tmp_path: Path):
    holes = {2: [Span(0, 20_000)]}
    with pytest.raises(BytesLost, match="beginning of piece 003"):
        await Release(tmp_path, pieces(FILM, 20_000), holes=holes).described()


async def test_par2_is_sure_of_the_size_of_a_piece(tmp_path: Path):
    whole = pieces(FILM, 20_000)
    (tmp_path / "made").mkdir()
    par2 = create_par2(tmp_path / "made", whole)
    release = Release(tmp_path, [*whole, *par2], holes={2: [Span(0, 20_000)]})
    described = await release.described()
    assert (described.film.size_bytes, described.needed_files) == (len(FILM), [0, 1, 2, 3, 4, 5])


async def test_the_first_piece_of_an_archive_can_be_mended(tmp_path: Path):
    whole = pieces(rar5.archive(INNER), 20_000, "film.rar")
    (tmp_path / "made").mkdir()
    par2 = create_par2(tmp_path / "made", whole)
    with pytest.raises(NeedsRepairFirst):
        await Release(tmp_path, [*whole, *par2], holes={0: [Span(0, 20_000)]}).described()


PARTS = [file for files in PACKINGS.values() for file in files if len(file[1]) < 20_000][::7]
posts = st.lists(
    st.tuples(
        st.integers(0, len(PARTS) - 1),
        st.sampled_from(
            [None, "a.7z.001", "a.7z.002", "a.rar", "a.r00", "b.zip", "f.mkv.001", "f.mkv.002", "x"]
        ),
        st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), max_size=4),
    ),
    max_size=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(posts, st.integers(0, 3), st.booleans())
async def test_any_mixture_has_a_film_or_a_reason(
    tmp_path: Path, mixture: list[tuple[int, str | None, list[tuple[int, int]]]], headless: int, nested: bool
):
    files: Files = []
    for which, name, edits in mixture:
        own_name, data = PARTS[which]
        changed = bytearray(data)
        for at, value in edits:
            changed[at % len(changed)] = value
        files.append((name or own_name, bytes(changed)))
    if nested:
        files = [("outer.rar", rar4.archive(files))]
    release = Release(tmp_path, files, holes={headless: [Span(0, 1)]} if headless < len(files) else {})
    try:
        film = (await release.described()).film
    except ReleaseError:
        return
    assert film.size_bytes > 0
    assert all(extent.end <= release.source.files[extent.file].size_bytes for extent in film.extents)
