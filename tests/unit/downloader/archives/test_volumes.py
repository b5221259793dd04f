"""Sets of volumes: put together whatever their order and names, or refused with the reason."""

import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.sandbox.archives import rar5 as made
from services.downloader.archives.locks import Keyring
from services.downloader.archives.rar import walk
from services.downloader.archives.volumes import Entry, PostedVolume, Volume, assemble, chains
from services.downloader.errors import ArchiveRefused, BytesLost
from services.downloader.extents import VirtualFile

NAMES = ["a.mkv", "b/c.nfo", "d.avi", "e.jpg"]
file_sets = st.lists(st.binary(max_size=300), min_size=1, max_size=4).map(
    lambda contents: list(zip(NAMES, contents, strict=False))
)


async def posted(volumes: list[bytes], name: str = "") -> list[PostedVolume]:
    async def one(file: int, data: bytes) -> PostedVolume:
        async def read(offset: int, length: int) -> bytes:
            return data[offset : offset + length]

        return PostedVolume(file=file, name=name.format(file), volume=await walk(read, len(data), Keyring()))

    return [await one(file, data) for file, data in enumerate(volumes)]


@given(file_sets, st.integers(1, 400), st.randoms())
async def test_the_extents_of_a_set_are_its_files(
    files: list[tuple[str, bytes]], part_bytes: int, order: random.Random
):
    volumes = made.volumes(files, part_bytes)
    shuffled = await posted(volumes)
    order.shuffle(shuffled)

    inner = assemble(shuffled)

    assert [(f.name, f.size_bytes) for f in inner] == [(n.rpartition("/")[2], len(d)) for n, d in files]
    for file, (_, data) in zip(inner, files, strict=True):
        assert bytes_of(VirtualFile(file.name, file.extents), volumes) == data
        assert file.crc == zlib.crc32(data)


def bytes_of(film: VirtualFile, volumes: list[bytes]) -> bytes:
    return b"".join(volumes[e.file][e.offset : e.end] for e in film.spans(0, film.size_bytes))


async def test_nameless_volumes_of_two_sets_are_told_apart():
    one = made.volumes([("film.mkv", bytes(1000))], 300)
    two = made.volumes([("extras.mkv", bytes(900))], 300)
    mixed = await posted([*two, *reversed(one)])

    found = chains(mixed)

    assert sorted([v.file for v in chain] for chain in found) == [[0, 1, 2], [6, 5, 4, 3]]


async def test_two_posts_of_the_same_set_are_told_apart_by_name():
    volumes = made.volumes([("film.mkv", bytes(1000))], 300)
    one = await posted(volumes)
    names = [["first.part1.rar", "again.part1.rar"], ["again.part2.rar", "first.part2.rar"]] * 2
    both = [
        PostedVolume(file=2 * v.file + at, name=names[v.file][at], volume=v.volume)
        for v in one
        for at in (0, 1)
    ]

    found = chains(both)

    assert sorted([v.file for v in chain] for chain in found) == [[0, 3, 4, 7], [1, 2, 5, 6]]


async def test_a_set_with_a_gap_takes_nothing_from_one_that_is_whole():
    volumes = await posted(made.volumes([("film.mkv", bytes(1000))], 300), name="first.part{}.rar")
    again = [PostedVolume(file=v.file + 4, name=f"again.part{v.file}.rar", volume=v.volume) for v in volumes]
    del volumes[1]

    found = sorted([v.file for v in chain] for chain in chains([*volumes, *again]))

    assert [4, 5, 6, 7] in found


def test_a_set_that_has_ended_does_not_go_on_in_another():
    single, stray = part(0, last=True, size=10), part(1, last=True, size=10)
    assert chains([stray, single]) == [[single], [stray]]


@pytest.mark.parametrize("missing", [0, 1, 2, 3])
async def test_a_missing_volume_is_named(missing: int):
    volumes = await posted(made.volumes([("film.mkv", bytes(1000))], 300))
    del volumes[missing]
    with pytest.raises(BytesLost, match=f"volume {missing + 1} of the archive is missing"):
        assemble(volumes)


async def test_a_set_with_a_gap_stays_one_set():
    volumes = await posted(made.volumes([("film.mkv", bytes(1000))], 300))
    del volumes[1]
    assert [[v.volume.number for v in chain] for chain in chains(volumes)] == [[0, 2, 3]]


async def test_directories_and_links_are_no_files():
    data = made.SIGNATURE + made.main() + made.entry("dir", b"", directory=True)
    data += made.entry("link.mkv", b"", records=[made.EXTRA_LINK]) + made.entry("dir/Sample/a.mkv", b"film")
    (file,) = assemble(await posted([data]))
    assert (file.name, file.directory) == ("a.mkv", "Sample")


def part(
    number: int, *, last: bool = False, name: str = "film.mkv", size: int = 20, **flags: bool
) -> PostedVolume:
    entry = Entry(name=name, size_bytes=size, offset=50, packed_bytes=10, **flags)
    volume = Volume(number=number, is_volume=True, is_last=last, entries=[entry])
    return PostedVolume(file=number, name="", volume=volume)


FIRST = part(0, split_after=True)


@pytest.mark.parametrize(
    ("volumes", "says"),
    [
        ([FIRST, part(0, split_after=True)], "both say they are its volume 1"),
        ([FIRST, part(1, last=True)], "do not follow each other"),
        ([FIRST, part(1, last=True, split_before=True, name="other.mkv")], "do not follow each other"),
        ([FIRST, part(1, last=True, split_before=True, size=21)], "do not follow each other"),
        ([FIRST, part(1, last=True, split_before=True, encrypted=True)], "do not follow each other"),
        ([part(0, last=True, split_before=True)], "do not follow each other"),
        ([part(0, last=True, split_after=True)], "no end"),
        ([part(0, last=True)], "are 10 bytes, not 20"),
        ([part(0, last=True, size=10), part(1, last=True, size=10)], "ends with volume 1, but more"),
    ],
)
def test_claims_that_contradict_each_other_are_refused(volumes: list[PostedVolume], says: str):
    with pytest.raises(ArchiveRefused, match=says):
        assemble(volumes)


def test_no_volumes_at_all():
    with pytest.raises(BytesLost, match="volume 1"):
        assemble([])


@pytest.mark.timeout(20)
def test_twenty_thousand_volumes_that_all_could_follow_each_other_are_no_attack():
    volumes = [part(number % 2, split_after=True, split_before=number % 2 > 0) for number in range(20_000)]
    assert sum(len(chain) for chain in chains(volumes)) == 20_000
