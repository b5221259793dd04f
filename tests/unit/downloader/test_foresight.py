"""A film in a set of volumes, known before most of them were looked into."""

import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from libs.sandbox.archives import rar4, rar5
from services.downloader.describe import Description, describe
from services.downloader.foresight import Unforeseen, first_files, foresee
from services.downloader.source import Span, Urgency
from tests.support.memory_source import MemorySource
from tests.support.releases import EBML

FILM = EBML + random.Random(5).randbytes(160_000)
NAME = "A.Film.2024.mkv"
ARTICLE_BYTES = 400
Make = Callable[[bytes, int], list[bytes]]


def rar5_volumes(film: bytes, volume_bytes: int) -> list[bytes]:
    """As RAR makes them: of one size, whatever their headers take of it."""
    return _cut(film, volume_bytes, _rar5_volume)


def rar4_volumes(film: bytes, volume_bytes: int) -> list[bytes]:
    return _cut(film, volume_bytes, _rar4_volume)


def _rar5_volume(number: int, part: bytes, film: bytes, *, before: bool, after: bool) -> bytes:
    crc = zlib.crc32(part if after else film)
    entry = rar5.entry(NAME, part, len(film), before=before, after=after, crc=crc)
    return rar5.SIGNATURE + rar5.main(number) + entry + rar5.end(more=after)


def _rar4_volume(number: int, part: bytes, film: bytes, *, before: bool, after: bool) -> bytes:
    crc = zlib.crc32(part if after else film)
    entry = rar4.entry(NAME, part, len(film), before=before, after=after, crc=crc)
    return rar4.SIGNATURE + rar4.main(number) + entry + rar4.end(number, more=after)


def _cut(film: bytes, volume_bytes: int, volume: Callable[..., bytes]) -> list[bytes]:
    made: list[bytes] = []
    at = 0
    while at < len(film):
        room = volume_bytes
        while True:
            part = film[at : at + room]
            after = at + len(part) < len(film)
            one = volume(len(made), part, film, before=at > 0, after=after)
            if len(one) <= volume_bytes:
                break
            room = len(part) - (len(one) - volume_bytes)
        made.append(one)
        at += len(part)
    return made


def posted(volumes: Sequence[bytes], stem: str = "a.film") -> list[tuple[str, bytes]]:
    return [(f"{stem}.part{number:03}.rar", data) for number, data in enumerate(volumes, 1)]


async def opened(
    files: Sequence[tuple[str, bytes]], spool: Path, holes: Mapping[int, Sequence[Span]] | None = None
) -> MemorySource:
    source = MemorySource(files, spool, holes=holes, article_bytes=ARTICLE_BYTES)
    await source.open()
    return source


async def foreseen(files: Sequence[tuple[str, bytes]], spool: Path) -> Description | None:
    return await foresee(await opened(files, spool))


@pytest.mark.parametrize("make", [rar5_volumes, rar4_volumes])
@pytest.mark.parametrize("volume_bytes", [40_000, 9_000, 1_000])
async def test_it_is_what_a_full_description_says(make: Make, volume_bytes: int, tmp_path: Path) -> None:
    source = await opened(posted(make(FILM, volume_bytes)), tmp_path)
    found, proven = await foresee(source), await describe(source)
    assert found
    assert found.film.spans(0, len(FILM)) == proven.film.spans(0, len(FILM))
    assert (found.film.name, found.container, found.needed_files) == (NAME, "mkv", proven.needed_files)
    assert await found.film.read(source, 0, len(FILM), Urgency.PLAYER) == FILM


@pytest.mark.parametrize("make", [rar5_volumes, rar4_volumes])
async def test_it_takes_three_volumes_and_what_is_in_none(make: Make, tmp_path: Path) -> None:
    volumes = posted(make(FILM, 9_000))
    count = len(volumes)
    files = [
        ("a.film.nfo", b"about it"),
        *volumes,
        ("a.film.par2", b"PAR2"),
        ("a.film.vol00+01.par2", bytes(9_000)),
    ]
    source = await opened(files, tmp_path)
    assert [files[file][0] for file in first_files(source.files)] == [
        "a.film.nfo",
        "a.film.part001.rar",
        "a.film.part002.rar",
        f"a.film.part{count:03}.rar",
        "a.film.par2",
    ]
    assert await foresee(source)
    assert {file for file, *_ in source.reads} == {1, 2, count}


@pytest.mark.parametrize("make", [rar5, rar4])
async def test_texts_are_found_beside_the_volumes_and_around_the_film_in_them(
    make: ModuleType, tmp_path: Path
) -> None:
    words = [(f"{number}_English.srt", b"1\n00:00:01,000 --> 00:00:02,000\nHere\n") for number in range(3)]
    volumes = posted(make.volumes([words[0], (NAME, FILM), words[1]], 9_000))
    source = await opened([*volumes, words[2], ("setup.exe", b"MZ")], tmp_path)
    found, proven = await foresee(source), await describe(source)
    assert found
    told = sorted((text.file.name, text.file.extents) for text in found.texts)
    assert [name for name, _ in told] == [name for name, _ in words]
    assert told == sorted((text.file.name, text.file.extents) for text in proven.texts)
    for text in found.texts:
        assert await text.file.read(source, 0, text.file.size_bytes, Urgency.PLAYER) == words[0][1]


async def test_a_volume_is_looked_into_once_and_only_when_it_is_read(tmp_path: Path) -> None:
    source = await opened(posted(rar5_volumes(FILM, 9_000)), tmp_path)
    found = await foresee(source)
    assert found
    for _ in range(2):
        source.reads.clear()
        assert await found.film.read(source, 100_000, 10, Urgency.PLAYER) == FILM[100_000:100_010]
        assert len({file for file, *_ in source.reads}) == 1
    assert len(source.reads) == 1
    assert {urgency for *_, urgency in source.reads} == {Urgency.PLAYER}


@pytest.mark.parametrize(
    "names",
    [
        ["a.rar", *(f"a.r{number:02}" for number in range(30))],
        [f"a.part{number:02}.rar" for number in range(1, 32)],
        [f"A.Part{number:02}.RAR" for number in range(1, 32)],
    ],
)
async def test_names_of_both_kinds_are_followed_in_any_order(names: list[str], tmp_path: Path) -> None:
    files = list(zip(names, rar4_volumes(FILM, -(-len(FILM) // 30)), strict=False))
    random.Random(1).shuffle(files)
    source = await opened(files, tmp_path)
    found = await foresee(source)
    assert found
    assert await found.film.read(source, 0, len(FILM), Urgency.PLAYER) == FILM


VOLUMES = posted(rar5_volumes(FILM, 9_000))
WITH_EXTRAS = [
    rar5.SIGNATURE
    + rar5.main(number)
    + rar5.entry("extra.txt", b"x" * 50)
    + rar5.entry(NAME, FILM[:10_000], len(FILM), before=number > 0, after=True)
    + rar5.end(more=True)
    for number in range(9)
]


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(VOLUMES[:3], id="too few"),
        pytest.param([*VOLUMES[:5], *VOLUMES[6:]], id="a gap"),
        pytest.param(VOLUMES[1:], id="no first"),
        pytest.param([*VOLUMES, VOLUMES[4]], id="one twice"),
        pytest.param(VOLUMES[:-2], id="ends early"),
        pytest.param([*VOLUMES, ("other.mkv", bytes(len(FILM)))], id="another film"),
        pytest.param([(f"{at:x}", data) for at, (_, data) in enumerate(VOLUMES)], id="obfuscated"),
        pytest.param(posted(WITH_EXTRAS), id="more than the film in each"),
        pytest.param([(name, bytes(len(data))) for name, data in VOLUMES], id="no archive"),
        pytest.param([(name, data[:30]) for name, data in VOLUMES], id="cut off"),
        pytest.param(posted(rar5.volumes([("film.mkv", bytes(99_000))], 9_000)), id="no film by its head"),
        pytest.param([], id="nothing"),
    ],
)
async def test_what_is_not_as_plain_as_that_is_left_to_the_full_description(
    files: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    assert await foreseen(files, tmp_path) is None


async def test_compressed_and_encrypted_ones_are_left_to_it_too(tmp_path: Path) -> None:
    for more in ({"method": 3}, {"records": [rar5.EXTRA_ENCRYPTION]}):
        volumes = [
            rar5.SIGNATURE
            + rar5.main(number)
            + rar5.entry(NAME, bytes(9_000), 90_000, before=number > 0, after=number < 9, **more)
            + rar5.end(more=number < 9)
            for number in range(10)
        ]
        assert await foreseen(posted(volumes), tmp_path) is None


async def test_a_volume_that_is_cut_differently_gives_no_byte(tmp_path: Path) -> None:
    """Two volumes that share what they hold otherwise: the sum is right, and only a look into them tells."""
    volumes = rar5_volumes(FILM, 9_000)
    starts = [FILM.index(_data(volume)) for volume in volumes[:-1]]
    middle = starts[5]
    volumes[4] = _rar5_volume(4, FILM[starts[4] : middle - 100], FILM, before=True, after=True)
    volumes[5] = _rar5_volume(5, FILM[middle - 100 : starts[6]], FILM, before=True, after=True)
    source = await opened(posted(volumes), tmp_path)
    found = await foresee(source)
    assert found
    assert await found.film.read(source, 0, starts[4], Urgency.PLAYER) == FILM[: starts[4]]
    for at in (starts[4], middle):
        with pytest.raises(Unforeseen):
            await found.film.read(source, at, 10, Urgency.PLAYER)
    assert await found.film.read(source, starts[6], 10, Urgency.PLAYER) == FILM[starts[6] :][:10]


async def test_volumes_that_lie_about_their_numbers_give_no_byte(tmp_path: Path) -> None:
    volumes = rar5_volumes(FILM, 9_000)
    volumes[3], volumes[4] = volumes[4], volumes[3]
    source = await opened(posted(volumes), tmp_path)
    found = await foresee(source)
    assert found
    with pytest.raises(Unforeseen):
        await found.film.read(source, 28_000, 10, Urgency.PLAYER)


async def test_a_lost_beginning_is_a_loss_and_no_surprise(tmp_path: Path) -> None:
    files = posted(rar5_volumes(FILM, 9_000))
    source = await opened(files, tmp_path, holes={6: [Span(0, 10)]})
    found = await foresee(source)
    assert found
    with pytest.raises(Exception, match="no server") as lost:
        await found.film.read(source, 56_000, 10, Urgency.PLAYER)
    assert not isinstance(lost.value, Unforeseen)


def _data(volume: bytes) -> bytes:
    """Some of a volume's packed bytes, from their beginning."""
    at = next(at for at in range(len(volume)) if volume[at : at + 64] in FILM)
    return volume[at : at + 64]
