"""Encrypted releases: opened with a known password, read from anywhere, and never wrongly."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import cast

import pytest
import rarfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.sandbox.archives import rar4, rar5
from libs.sandbox.archives.names import Files, nameless, old_names, part_names
from services.downloader.archives.locks import MAX_LOG2_ROUNDS
from services.downloader.describe import NeedsRepairFirst
from services.downloader.errors import ArchiveRefused, BytesLost, NoFilm, ReleaseError
from services.downloader.extents import Coverage
from services.downloader.source import HEAD_BYTES, Landed, Span, Urgency
from tests.support.par2_sets import create_par2
from tests.support.rar_crypt import Lock, rar4_volumes, rar5_volumes
from tests.support.releases import EBML, FILM, Release

PASSWORD = "open sesame"
INNER = [("about.nfo", b"about the film"), ("dir/film.mkv", FILM + b"odd"), ("film.srt", b"1\n")]
WHOLE = INNER[1][1]
Volumes = Callable[..., list[bytes]]

PACKINGS = {
    f"{made.__name__}{' headers' if headers else ''} {part_bytes}{'' if check else ' unchecked'}": made(
        INNER, Lock(headers=headers, check=check), part_bytes
    )
    for made, headers, part_bytes, check in product(
        (rar5_volumes, rar4_volumes), (False, True), (None, 30_007), (True, False)
    )
    if check or made is rar5_volumes
}
each_packing = pytest.mark.parametrize("volumes", PACKINGS.values(), ids=PACKINGS.keys())


@each_packing
async def test_a_known_password_opens_it(tmp_path: Path, volumes: list[bytes]) -> None:
    release = Release(tmp_path, part_names(volumes), passwords=["wrong", PASSWORD, "another"])
    described = await release.described()
    assert (described.film.name, described.film.size_bytes) == ("film.mkv", len(WHOLE))
    assert (described.container, described.needed_files) == ("mkv", list(range(len(volumes))))
    assert await release.film() == WHOLE


@each_packing
async def test_an_independent_reader_sees_the_same(tmp_path: Path, volumes: list[bytes]) -> None:
    files = part_names(volumes)
    for name, data in files:
        (tmp_path / name).write_bytes(data)
    with rarfile.RarFile(tmp_path / files[0][0]) as independent:
        assert cast(bool, independent.needs_password())
        independent.setpassword(PASSWORD)
        seen = [(info.filename, info.file_size) for info in independent.infolist()]
    assert seen == [(name, len(data)) for name, data in INNER]


@each_packing
@pytest.mark.parametrize(
    ("passwords", "says"),
    [
        ([], "is encrypted and no password is known for it"),
        (["hunter2"], "is encrypted and the known password is wrong"),
        (["hunter2", "12345", "Open sesame"], "is encrypted and none of the 3 known passwords opens it"),
    ],
)
async def test_without_its_password_it_says_so(
    tmp_path: Path, volumes: list[bytes], passwords: list[str], says: str
) -> None:
    with pytest.raises(NoFilm, match=says) as refused:
        await Release(tmp_path, part_names(volumes), passwords=passwords).described()
    assert not any(password in str(refused.value) for password in passwords)


@each_packing
async def test_names_are_not_needed(tmp_path: Path, volumes: list[bytes]) -> None:
    files = nameless(part_names(volumes))
    assert await Release(tmp_path, files[::-1], passwords=[PASSWORD]).film() == WHOLE


async def test_old_names_are_in_order(tmp_path: Path) -> None:
    volumes = rar4_volumes(INNER, Lock(headers=True), 9_001)
    assert await Release(tmp_path, old_names(volumes), passwords=[PASSWORD]).film() == WHOLE


@pytest.mark.parametrize("made", [rar5_volumes, rar4_volumes])
async def test_a_salt_for_each_volume(tmp_path: Path, made: Volumes) -> None:
    volumes = made(INNER, Lock(headers=True, salts=lambda volume: volume), 30_000)
    assert await Release(tmp_path, part_names(volumes), passwords=[PASSWORD]).film() == WHOLE


@pytest.mark.parametrize("made", [rar5_volumes, rar4_volumes])
@pytest.mark.parametrize("password", ["pä$$wörd ✓ 😀", "x" * 28, "long " * 7])
async def test_passwords_of_any_kind(tmp_path: Path, made: Volumes, password: str) -> None:
    [archive] = made([("film.mkv", FILM)], Lock(password=password))
    assert await Release(tmp_path, [("a.rar", archive)], passwords=[password]).film() == FILM


@pytest.mark.parametrize("made", [rar5_volumes, rar4_volumes])
@pytest.mark.parametrize("size_bytes", [1000, 1023, 1024, 1025])
async def test_sizes_around_a_block(tmp_path: Path, made: Volumes, size_bytes: int) -> None:
    [archive] = made([("film.mkv", FILM[:size_bytes])], Lock())
    assert await Release(tmp_path, [("a.rar", archive)], passwords=[PASSWORD]).film() == FILM[:size_bytes]


async def test_each_file_may_have_another_password(tmp_path: Path) -> None:
    one = rar5_volumes([("one.mkv", FILM[:-100])], Lock(password="one"))
    two = rar4_volumes([("two.mkv", FILM)], Lock(password="two"))
    release = Release(tmp_path, [("1.rar", one[0]), ("2.rar", two[0])], passwords=["one", "two"])
    assert await release.film() == FILM


NESTED = {
    "encrypted in plain": [("o.rar", rar5.archive([("i.rar", rar5_volumes(INNER, Lock())[0])]))],
    "plain in encrypted": [("o.rar", rar5_volumes([("i.rar", rar4.archive(INNER))], Lock(headers=True))[0])],
    "both": [("o.rar", rar4_volumes([("i.rar", rar5_volumes(INNER, Lock())[0])], Lock(headers=True))[0])],
    "volumes in encrypted volumes": part_names(
        rar5_volumes(part_names(rar5.volumes(INNER, 20_011), "inner"), Lock(), 30_007)
    ),
    "encrypted volumes in encrypted volumes": part_names(
        rar4_volumes(part_names(rar5_volumes(INNER, Lock(), 20_011), "inner"), Lock(), 30_007)
    ),
}


@pytest.mark.parametrize("files", NESTED.values(), ids=NESTED.keys())
async def test_one_archive_in_another(tmp_path: Path, files: Files) -> None:
    release = Release(tmp_path, files, passwords=[PASSWORD])
    assert await release.film() == WHOLE
    film = (await release.described()).film
    for start in range(0, len(WHOLE) - 300, 3001):
        assert await film.read(release.source, start, 300, Urgency.PLAYER) == WHOLE[start : start + 300]


@pytest.mark.parametrize("files", [part_names(volumes) for volumes in PACKINGS.values()] + [*NESTED.values()])
async def test_what_has_landed_can_be_read(tmp_path: Path, files: Files) -> None:
    """Parts of the film count as there exactly when all posted bytes that they take are."""
    release = Release(tmp_path, files, passwords=[PASSWORD])
    film = (await release.described()).film
    coverage = Coverage(film)
    landings = [event async for event in release.source.fill(range(len(files)))]
    for event in landings[::2]:
        coverage.land(Landed(file=event.file, span=event.span))
    there = {(event.file, event.span.start // 1000) for event in landings[::2]}
    part_bytes = 700
    for offset in range(0, film.size_bytes - part_bytes, part_bytes):
        needed = {
            (extent.file, article)
            for extent in film.spans(offset, part_bytes)
            for article in range(extent.offset // 1000, (extent.end - 1) // 1000 + 1)
        }
        assert coverage.covers(offset, part_bytes) == (needed <= there)
    for event in landings[1::2]:
        touched = list(film.holding(event.file, event.span))
        coverage.land(Landed(file=event.file, span=event.span))
        assert all(0 <= span.start < span.end <= film.size_bytes for span in touched)
    assert coverage.covers(0, film.size_bytes)
    assert coverage.landed_bytes == film.size_bytes


@pytest.mark.parametrize("files", [part_names(volumes) for volumes in PACKINGS.values()] + [*NESTED.values()])
async def test_a_hole_loses_what_depends_on_it(tmp_path: Path, files: Files) -> None:
    film_of = Release(tmp_path, files, passwords=[PASSWORD])
    film = (await film_of.described()).film
    middle = film.spans(film.size_bytes // 2, 1)[-1]
    hole = Span(middle.offset - 100, middle.offset + 100)
    spoilt = Release(tmp_path, files, {middle.file: [hole]}, article_bytes=1)
    await spoilt.source.open()

    lost: list[int] = []
    for at in range(film.size_bytes // 2 - 300, film.size_bytes // 2 + 300):
        try:
            await film.read(spoilt.source, at, 1, Urgency.PLAYER)
        except BytesLost:
            lost.append(at)
    touched = {at for span in film.holding(middle.file, hole) for at in range(span.start, span.end)}
    assert len(lost) >= 200
    assert set(lost) <= touched
    assert len(touched) <= len(lost) + 64


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(st.sampled_from([*PACKINGS]), st.integers(0, len(WHOLE)), st.integers(0, 40_000))
async def test_any_range_equals_the_plain_bytes(
    tmp_path: Path, packing: str, offset: int, length: int
) -> None:
    release = Release(tmp_path, part_names(PACKINGS[packing]), passwords=[PASSWORD])
    film = (await release.described()).film
    length = min(length, film.size_bytes - offset)
    release.source.reads.clear()
    assert await film.read(release.source, offset, length, Urgency.PLAYER) == WHOLE[offset : offset + length]
    assert sum(length for _, _, length, _ in release.source.reads) <= length + 46


@pytest.mark.parametrize(("offset", "length"), [(-1, 2), (0, len(WHOLE) + 1), (len(WHOLE), 1), (5, -1)])
async def test_a_range_outside_is_refused(tmp_path: Path, offset: int, length: int) -> None:
    release = Release(tmp_path, part_names(PACKINGS["rar5_volumes None"]), passwords=[PASSWORD])
    film = (await release.described()).film
    with pytest.raises(ValueError, match="not inside"):
        await film.read(release.source, offset, length, Urgency.PLAYER)


async def test_only_heads_are_read(tmp_path: Path) -> None:
    volumes = PACKINGS["rar4_volumes headers 30007"]
    release = Release(tmp_path, part_names(volumes), passwords=[PASSWORD])
    await release.described()
    last = len(volumes) - 1
    assert all(file == last or at + length <= HEAD_BYTES for file, at, length, _ in release.source.reads)


async def test_a_password_without_proof_must_give_a_film(tmp_path: Path) -> None:
    """RAR 4 doesn't say whether a password is right: what a wrong one gives must not be served."""
    [archive] = rar4_volumes([("film.mkv", bytes(5000))], Lock())
    with pytest.raises(NoFilm, match="the known password is wrong"):
        await Release(tmp_path, [("a.rar", archive)], passwords=[PASSWORD]).described()


async def test_a_hostile_number_of_rounds(tmp_path: Path) -> None:
    record = bytes([1, 0, 0, MAX_LOG2_ROUNDS + 1]) + bytes(32)
    archive = rar5.SIGNATURE + rar5.main() + rar5.entry("film.mkv", FILM[:-4], records=[record])
    with pytest.raises(ArchiveRefused, match=f"2\\^{MAX_LOG2_ROUNDS + 1} rounds"):
        await Release(tmp_path, [("a.rar", archive)], passwords=["any"]).described()
    header = rar5.block(4, 0, bytes([0, 0, 255]) + bytes(16))
    with pytest.raises(ArchiveRefused, match="2\\^255 rounds"):
        await Release(tmp_path, [("a.rar", rar5.SIGNATURE + header)], passwords=["any"]).described()


@pytest.mark.parametrize("made", [rar5_volumes, rar4_volumes])
@pytest.mark.parametrize("headers", [False, True])
async def test_cut_short(tmp_path: Path, made: Volumes, headers: bool) -> None:
    volumes = made(INNER, Lock(headers=headers), 30_000)
    last = len(volumes) - 1
    for cut in (0, 7, 8, 9, 20, 60, 100, 200, 1000):
        files = part_names([*volumes[:last], volumes[last][:cut]])
        with pytest.raises(ReleaseError):
            await Release(tmp_path, files, passwords=[PASSWORD]).described()
    with pytest.raises(BytesLost, match=f"volume {last + 1} of the archive is missing"):
        await Release(tmp_path, part_names(volumes[:last]), passwords=[PASSWORD]).described()


async def test_too_few_encrypted_bytes(tmp_path: Path) -> None:
    record = bytes([1, 0, 0, 6]) + bytes(32)
    archive = rar5.SIGNATURE + rar5.main() + rar5.entry("film.mkv", FILM[:99], records=[record])
    with pytest.raises(ArchiveRefused, match="are 99 bytes, not 112"):
        await Release(tmp_path, [("a.rar", archive)], passwords=["any"]).described()


@pytest.mark.parametrize("made", [rar5_volumes, rar4_volumes])
async def test_a_lost_beginning_is_mended_first(tmp_path: Path, made: Volumes) -> None:
    files = part_names(made(INNER, Lock(), 30_000))
    (tmp_path / "made").mkdir()
    par2 = create_par2(tmp_path / "made", files, recovery_blocks=20)
    holes = {0: [Span(0, 2000)]}
    with pytest.raises(NeedsRepairFirst):
        await Release(tmp_path, [*files, *par2], holes, passwords=[PASSWORD]).described()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(
    st.sampled_from([*PACKINGS]),
    st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 255)), min_size=1, max_size=4),
)
async def test_broken_bytes_give_a_film_or_a_reason(
    tmp_path: Path, packing: str, edits: list[tuple[int, int]]
) -> None:
    first, *others = PACKINGS[packing]
    changed = bytearray(first)
    for at, value in edits:
        changed[at % len(changed)] = value
    files = [*part_names([bytes(changed), *others]), ("sample.mkv", EBML)]
    try:
        film = (await Release(tmp_path, files, passwords=[PASSWORD]).described()).film
    except ReleaseError:
        return
    # A film whose name is broken is none any more; then the sample is all that is left.
    assert film.size_bytes in (len(WHOLE), len(EBML))
