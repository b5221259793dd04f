"""Whole releases, as they are posted: what is found in them, and what is said if nothing is."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.sandbox.archives import rar4 as rar4
from libs.sandbox.archives import rar5 as made
from libs.sandbox.archives.names import Files, nameless
from services.downloader.archives.volumes import NotPosted
from services.downloader.describe import NeedsRepairFirst, describe
from services.downloader.errors import ArchiveRefused, BytesLost, NoFilm, ReleaseError
from services.downloader.repair.blocks import RecoveryFile
from services.downloader.source import HEAD_BYTES, Span, Urgency
from tests.support.memory_source import MemorySource
from tests.support.par2_sets import create_par2
from tests.support.releases import EBML, FILM, Release

SAMPLE = EBML + bytes(500)


def in_volumes(files: Files, part_bytes: int = 30_000, name: str = "film.part{}.rar") -> Files:
    return [(name.format(number + 1), data) for number, data in enumerate(made.volumes(files, part_bytes))]


async def test_a_film_posted_plainly(tmp_path: Path):
    release = Release(tmp_path, [("film.nfo", b"about"), ("film.mkv", FILM), ("sample.mkv", SAMPLE)])
    described = await release.described()

    assert (described.film.name, described.container, described.content_type) == (
        "film.mkv",
        "mkv",
        "video/x-matroska",
    )
    assert described.needed_files == [1]
    assert described.names == {0: "film.nfo", 1: "film.mkv", 2: "sample.mkv"}
    assert (described.par2, described.protected, described.recovery_files) == (None, {}, [])
    assert release.source.reads == []
    assert await release.film() == FILM


async def test_a_film_stored_in_one_archive(tmp_path: Path):
    release = Release(tmp_path, [("a.rar", made.archive([("dir/film.mkv", FILM), ("film.nfo", b"about")]))])
    described = await release.described()
    assert (described.film.name, described.needed_files) == ("film.mkv", [0])
    assert await release.film() == FILM


async def test_a_film_stored_in_volumes_posted_in_any_order(tmp_path: Path):
    volumes = in_volumes([("film.mkv", FILM)])
    release = Release(tmp_path, [*reversed(volumes), ("film.nfo", b"about")])
    described = await release.described()

    assert described.needed_files == [0, 1, 2, 3]
    assert described.film.size_bytes == len(FILM)
    assert await release.film() == FILM


async def test_only_the_end_of_the_last_volume_is_read(tmp_path: Path):
    """Everything else that is needed is in the heads that `open` has brought."""
    volumes = in_volumes([("film.mkv", FILM)])
    release = Release(tmp_path, volumes)
    await release.described()
    last = len(volumes) - 1
    assert all(
        file == last or offset + length <= HEAD_BYTES for file, offset, length, _ in release.source.reads
    )
    assert sum(length for file, _, length, _ in release.source.reads if file == last) < 600
    assert {urgency for *_, urgency in release.source.reads} == {Urgency.DESCRIBE}


async def test_true_names_come_from_par2(tmp_path: Path):
    protected = [*in_volumes([("film.mkv", FILM)]), ("film.nfo", b"about")]
    (tmp_path / "made").mkdir()
    par2 = create_par2(tmp_path / "made", protected, recovery_blocks=7)
    release = Release(tmp_path, nameless([*reversed(protected), *par2]))
    described = await release.described()

    assert [described.names[index] for index in range(5)] == [name for name, _ in reversed(protected)]
    assert described.needed_files == [1, 2, 3, 4]
    assert sorted(described.protected) == [0, 1, 2, 3, 4]
    assert described.par2 is not None
    assert described.par2.slice_bytes == 2000
    assert described.recovery_files == [
        RecoveryFile(5 + at, blocks) for at, blocks in enumerate([0, 1, 2, 4]) if blocks
    ]
    assert await release.film() == FILM


async def test_if_the_index_is_lost_a_volume_tells_the_names(tmp_path: Path):
    (tmp_path / "made").mkdir()
    _, *volumes = create_par2(tmp_path / "made", [("film.mkv", FILM)], recovery_blocks=3)
    release = Release(tmp_path, [("xyz", FILM), *volumes])
    described = await release.described()
    assert described.film.name == "film.mkv"
    assert described.recovery_files == [RecoveryFile(1, 1), RecoveryFile(2, 2)]


async def test_if_a_part_of_the_index_is_lost_a_volume_tells_the_names(tmp_path: Path):
    (tmp_path / "made").mkdir()
    index, volume = create_par2(tmp_path / "made", [("film.mkv", FILM)], slice_bytes=100, recovery_blocks=1)
    end_lost = [Span(HEAD_BYTES + 2000, len(index[1]))]
    release = Release(tmp_path, [("xyz", FILM), index, volume], holes={1: end_lost})
    assert (await release.described()).film.name == "film.mkv"


async def test_a_volume_whose_beginning_is_lost_still_counts(tmp_path: Path):
    (tmp_path / "made").mkdir()
    par2 = create_par2(tmp_path / "made", [("film.mkv", FILM)], recovery_blocks=3)
    release = Release(tmp_path, [("film.mkv", FILM), *par2], holes={3: [Span(0, 1)]})
    assert (await release.described()).recovery_files == [RecoveryFile(2, 1), RecoveryFile(3, 2)]


async def test_of_two_sets_the_one_that_can_mend_more_is_told(tmp_path: Path):
    for name in ("small", "large"):
        (tmp_path / name).mkdir()
    files = [("film.mkv", FILM)]
    small = create_par2(tmp_path / "small", files, slice_bytes=2000, recovery_blocks=2)
    large = create_par2(tmp_path / "large", files, slice_bytes=1000, recovery_blocks=9)
    described = await Release(tmp_path, [*files, *small, *large]).described()
    assert described.par2 is not None
    assert described.par2.slice_bytes == 1000


async def test_of_a_film_that_is_lost_altogether_par2_knows_the_size(tmp_path: Path):
    (tmp_path / "made").mkdir()
    par2 = create_par2(tmp_path / "made", [("film.mkv", FILM)])
    release = Release(tmp_path, [("film.mkv", FILM), *par2], holes={0: [Span(0, len(FILM))]})
    assert (await release.described()).film.size_bytes == len(FILM)


async def test_a_set_without_recovery_blocks_can_mend_nothing(tmp_path: Path):
    protected = in_volumes([("film.mkv", FILM)])
    (tmp_path / "made").mkdir()
    index = create_par2(tmp_path / "made", protected)[0]
    with pytest.raises(BytesLost) as lost:
        await Release(tmp_path, [*protected, index], holes={1: [Span(0, 1)]}).described()
    assert not isinstance(lost.value, NeedsRepairFirst)


async def test_the_set_that_protects_the_film_is_told(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    other = create_par2(tmp_path / "one", [("extras.mkv", SAMPLE)])
    own = create_par2(tmp_path / "two", [("film.mkv", FILM)])
    release = Release(tmp_path, [("a", SAMPLE), ("b", FILM), *other, *own])
    described = await release.described()
    assert [file.name for file in described.protected.values()] == ["film.mkv"]
    assert {described.names[index] for index in (0, 1)} == {"extras.mkv", "film.mkv"}


@pytest.mark.parametrize(
    ("files", "film"),
    [
        ([("small.mkv", SAMPLE), ("large.mkv", FILM)], "large.mkv"),
        ([("sample.mkv", FILM), ("tiny.mkv", EBML)], "sample.mkv"),
        ([("sample-film.mkv", SAMPLE), ("Sample.Title.mkv", FILM)], "Sample.Title.mkv"),
        ([("fake.mkv", bytes(200_000)), ("film.mkv", FILM)], "film.mkv"),
        ([("a.rar", made.archive([("Sample/a.mkv", FILM), ("f.mkv", FILM * 4)]))], "f.mkv"),
        ([("a.rar", made.archive([("big.bin", bytes(len(FILM) * 2)), ("f.mkv", FILM)]))], "f.mkv"),
        ([("a.rar", made.archive([("noext", FILM)]))], "noext"),
        ([("a.rar", made.archive([("a.nfo", bytes(HEAD_BYTES - 80)), ("f.mkv", FILM)]))], "f.mkv"),
        ([("a.rar", made.archive([("../../etc/f.mkv", FILM)]))], "f.mkv"),
    ],
)
async def test_the_film_is_the_largest_playable_file_that_is_no_sample(
    tmp_path: Path, files: Files, film: str
):
    assert (await Release(tmp_path, files).described()).film.name == film


def compressed(name: str) -> bytes:
    return made.SIGNATURE + made.main() + made.entry(name, FILM, len(FILM) * 2, method=3) + made.end()


def encrypted(name: str) -> bytes:
    return (
        made.SIGNATURE
        + made.main()
        + made.entry(name, FILM[:-4], records=[made.EXTRA_ENCRYPTION])
        + made.end()
    )


MANY = made.SIGNATURE + made.main() + made.entry("a", b"") * 7000
BROKEN_RAR4 = b"Rar!\x1a\x07\x00" + bytes(60_000)


@pytest.mark.parametrize(
    ("files", "error", "says"),
    [
        ([], NoFilm, "empty"),
        ([("film.mkv", b"")], NoFilm, "no film"),
        ([("a.rar", made.archive([("film.mkv", b"")]))], NoFilm, "no film"),
        ([("film.nfo", b"about")], NoFilm, "no film; its largest file is “film.nfo”"),
        ([("setup.exe", b"MZ" + bytes(9000)), ("a.txt", b"run it")], NoFilm, "only a program"),
        ([("film.mkv", b"MZ" + bytes(9000))], NoFilm, "only a program"),
        ([("a.rar", made.archive([("setup.exe", b"MZ" * 9000)]))], NoFilm, "only a program"),
        ([("sample.mkv", SAMPLE), ("a.bin", bytes(9000))], NoFilm, "only a sample"),
        ([("a.rar", compressed("film.mkv"))], NoFilm, "“film.mkv” is in a compressed RAR archive"),
        (
            [("a.rar", encrypted("film.mkv"))],
            NoFilm,
            "“film.mkv” is encrypted and no password is known",
        ),
        ([("a.rar", BROKEN_RAR4), ("sample.mkv", SAMPLE)], ArchiveRefused, "ends too soon"),
        ([("a.rar", BROKEN_RAR4), ("a.r00", BROKEN_RAR4), ("b.mkv", FILM)], ArchiveRefused, "ends too soon"),
        ([(f"{n}.rar", MANY) for n in range(3)], ArchiveRefused, "more than 20000 files"),
        (
            [
                (
                    "a.rar",
                    made.archive(
                        [
                            (
                                "b.rar",
                                made.archive(
                                    [("c.rar", made.archive([("d.rar", made.archive([("f.mkv", FILM)]))]))]
                                ),
                            )
                        ]
                    ),
                )
            ],
            NoFilm,
            "“d.rar” is an archive inside of more than 3 others",
        ),
        ([("a.rar", made.SIGNATURE + bytes(9000))], ArchiveRefused, "checksum"),
        (in_volumes([("film.mkv", FILM)])[:-1], BytesLost, "volume 4 of the archive is missing"),
        (in_volumes([("film.mkv", FILM)])[1:], BytesLost, "volume 1 of the archive is missing"),
        ([*in_volumes([("film.mkv", FILM)])[:-1], ("s.mkv", SAMPLE)], BytesLost, "volume 4"),
    ],
)
async def test_what_is_said_if_there_is_no_film(
    tmp_path: Path, files: Files, error: type[ReleaseError], says: str
):
    with pytest.raises(error, match=says):
        await Release(tmp_path, files).described()


async def test_archives_inside_of_each_other_three_times(tmp_path: Path):
    inner = made.archive([("c.rar", made.archive([("film.mkv", FILM)]))])
    release = Release(tmp_path, [("a.rar", made.archive([("b.rar", inner)]))])
    assert await release.film() == FILM


async def test_recovery_data_alone_are_no_film(tmp_path: Path):
    (tmp_path / "made").mkdir()
    par2 = create_par2(tmp_path / "made", [("film.mkv", FILM)])
    with pytest.raises(NoFilm, match="nothing but recovery data"):
        await Release(tmp_path, par2).described()


async def test_a_broken_archive_of_extras_does_not_hide_the_film(tmp_path: Path):
    files = [
        ("film.mkv", FILM),
        ("subs.rar", made.SIGNATURE + bytes(900)),
        ("e.rar", compressed("x.mkv")[:5000]),
    ]
    assert (await Release(tmp_path, files).described()).film.name == "film.mkv"


async def test_a_lost_beginning_of_a_volume_needs_repair_first(tmp_path: Path):
    protected = in_volumes([("film.mkv", FILM)])
    (tmp_path / "made").mkdir()
    par2 = create_par2(tmp_path / "made", protected)
    release = Release(tmp_path, [*protected, *par2], holes={1: [Span(0, 1)]})

    with pytest.raises(NeedsRepairFirst) as needs:
        await release.described()

    assert sorted(needs.value.protection.protected) == [0, 1, 2, 3]
    assert needs.value.protection.recovery_files

    release.source.path(1).write_bytes(protected[1][1])
    await release.source.mended(1, len(protected[1][1]))
    assert await release.film() == FILM


@pytest.mark.parametrize("unlisted", [0, 2, 3], ids=["first", "middle", "last"])
async def test_a_volume_that_was_never_posted_is_made_if_par2_can(tmp_path: Path, unlisted: int):
    protected = in_volumes([("film.mkv", FILM)])
    (tmp_path / "made").mkdir()
    blocks = -(-len(protected[unlisted][1]) // 2000)
    par2 = create_par2(tmp_path / "made", protected, recovery_blocks=blocks)
    listed = [file for number, file in enumerate(protected) if number != unlisted]
    release = Release(tmp_path, [*listed, *par2])

    with pytest.raises(NeedsRepairFirst) as needs:
        await release.described()

    (made,) = needs.value.protection.protected.keys() - set(range(len(listed)))
    name, data = protected[unlisted]
    assert (release.source.files[made].name, release.source.files[made].size_bytes) == (name, len(data))
    assert release.source.holes(made) == [Span(0, len(data))]
    release.source.path(made).write_bytes(data)
    await release.source.mended(made, len(data))
    assert await release.film() == FILM


async def test_a_volume_that_was_never_posted_and_can_not_be_made_is_told(tmp_path: Path):
    protected = in_volumes([("film.mkv", FILM)])
    (tmp_path / "made").mkdir()
    par2 = create_par2(tmp_path / "made", protected, recovery_blocks=1)
    release = Release(tmp_path, [*protected[1:], *par2])
    with pytest.raises(NotPosted, match="volume 1 of the archive is missing"):
        await release.described()
    assert len(release.source.files) == len(protected) - 1 + len(par2)


async def test_a_lost_beginning_that_nothing_can_mend_is_bytes_lost(tmp_path: Path):
    release = Release(tmp_path, in_volumes([("film.mkv", FILM)]), holes={1: [Span(0, 1)]})
    with pytest.raises(BytesLost) as lost:
        await release.described()
    assert not isinstance(lost.value, NeedsRepairFirst)


async def test_a_hole_in_the_middle_of_the_film_is_no_matter_here(tmp_path: Path):
    release = Release(tmp_path, in_volumes([("film.mkv", FILM)]), holes={1: [Span(20_000, 20_001)]})
    assert (await release.described()).needed_files == [0, 1, 2, 3]


CONTENTS = {
    "film": FILM,
    "sample": SAMPLE,
    "rar4": BROKEN_RAR4,
    "zip": b"PK\x03\x04" + bytes(99),
    "rar4-volume": rar4.volumes([("film.mkv", FILM)], 60_000)[0],
    "7z": b"7z\xbc\xaf\x27\x1c" + bytes(99),
    "compressed": compressed("a.mkv"),
    "nothing": b"",
    **dict(in_volumes([("f.mkv", FILM)])),
}
file_names = st.sampled_from(["film.mkv", "a.rar", "b.r01", "x.par2", "f.001", "", "sample.avi", "p.exe"])
edits = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=3)
foreign_files = st.lists(st.tuples(file_names, st.sampled_from(sorted(CONTENTS)), edits), max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(foreign_files, st.lists(st.integers(0, 4), max_size=2))
async def test_any_release_has_a_film_or_a_reason(
    tmp_path: Path, foreign: list[tuple[str, str, list[tuple[int, int]]]], headless: list[int]
):
    files = [(name, edited(CONTENTS[what], changes)) for name, what, changes in foreign]
    holes = {at: [Span(0, 1)] for at in headless if at < len(files)}
    source = MemorySource(files, tmp_path, holes=holes)
    await source.open()
    try:
        described = await describe(source)
    except ReleaseError:
        return
    assert described.film.size_bytes > 0
    assert all(extent.end <= source.files[extent.file].size_bytes for extent in described.film.extents)


def edited(data: bytes, changes: list[tuple[int, int]]) -> bytes:
    changed = bytearray(data)
    for at, value in changes:
        changed[at : at + 1] = bytes([value])
    return bytes(changed)
