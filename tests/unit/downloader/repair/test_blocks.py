"""How many blocks are needed, and which volumes bring them."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.downloader.repair.blocks import (
    NotEnoughBlocks,
    RecoveryFile,
    blocks_of,
    choose_volumes,
    damaged_slices,
    needed_blocks,
)
from services.downloader.repair.packets import Par2File, Par2Set
from services.downloader.source import Span


def par2_file(size_bytes: int, file_id: bytes = b"a") -> Par2File:
    return Par2File(
        file_id=file_id, name="film.mkv", size_bytes=size_bytes, md5=b"", md5_16k=b"", checksums=b""
    )


def par2_set(*files: Par2File, slice_bytes: int = 10) -> Par2Set:
    return Par2Set(
        set_id=b"s", slice_bytes=slice_bytes, files={f.file_id: f for f in files}, recovery_blocks=0
    )


@given(
    st.integers(1, 300),
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)).map(lambda p: Span(*sorted(p))), max_size=6),
)
def test_damaged_slices_are_those_with_a_hole_in_them(size_bytes: int, slice_bytes: int, holes: list[Span]):
    lost = {at for hole in holes for at in range(hole.start, min(hole.end, size_bytes))}
    expected = len({at // slice_bytes for at in lost})
    assert damaged_slices(par2_file(size_bytes), slice_bytes, holes) == expected


def test_files_that_were_never_posted_need_all_their_slices():
    here, missing = par2_file(100, b"here"), par2_file(25, b"missing")
    par2 = par2_set(here, missing)
    assert needed_blocks(par2, {7: here}, {7: [Span(5, 25)]}.__getitem__) == 3 + 3


def volumes(*blocks: int) -> list[RecoveryFile]:
    return [RecoveryFile(file, count) for file, count in enumerate(blocks)]


def fewest(blocks: list[int], needed: int) -> int:
    sums = (sum(some) for count in range(len(blocks) + 1) for some in combinations(blocks, count))
    return min(total for total in sums if total >= needed)


@given(st.lists(st.integers(0, 40), max_size=9), st.data())
def test_chosen_volumes_suffice_and_none_is_superfluous(blocks: list[int], data: st.DataObject):
    needed = data.draw(st.integers(0, sum(blocks)))
    chosen = [volume.blocks for volume in choose_volumes(volumes(*blocks), needed)]
    assert sum(chosen) >= needed
    assert all(sum(chosen) - one < needed for one in chosen)


@given(
    st.one_of(st.integers(1, 8).map(lambda n: [2**i for i in range(n)]), st.lists(st.just(10), max_size=8)),
    st.data(),
)
def test_for_the_usual_volumes_the_fewest_blocks_are_chosen(blocks: list[int], data: st.DataObject):
    needed = data.draw(st.integers(0, sum(blocks)))
    assert sum(volume.blocks for volume in choose_volumes(volumes(*blocks), needed)) == fewest(blocks, needed)


@pytest.mark.parametrize(
    ("blocks", "needed", "chosen"),
    [
        ((8, 16, 32), 3, [8]),
        ((1, 8, 16), 3, [8]),
        ((1, 2, 4, 5), 6, [5, 1]),
        ((0, 4), 1, [4]),
        ((4, 4, 4), 5, [4, 4]),
        ((1, 2), 0, []),
    ],
)
def test_what_is_left_of_a_set_is_chosen_from_as_well(
    blocks: tuple[int, ...], needed: int, chosen: list[int]
):
    assert [volume.blocks for volume in choose_volumes(volumes(*blocks), needed)] == chosen


@pytest.mark.parametrize(
    ("blocks", "needed", "says"),
    [((1, 2, 5), 12, "12 blocks are missing, the release brings 8"), ((), 1, "1 block is missing")],
)
def test_too_much_damage_says_how_much_is_missing(blocks: tuple[int, ...], needed: int, says: str):
    with pytest.raises(NotEnoughBlocks, match=says) as refused:
        choose_volumes(volumes(*blocks), needed)
    assert (refused.value.missing, refused.value.available) == (needed, sum(blocks))


@pytest.mark.parametrize(
    ("name", "size_bytes", "blocks"),
    [
        ("film.vol03+04.par2", 100_000, 4),
        ("film.VOL003-05.PAR2", 100_000, 5),
        ("film.vol00+99999.par2", 100_000, 100),
        ("film.par2", 900, 0),
        ("obfuscated", 900 + 1 * 1068, 1),
        ("obfuscated", 3 * 900 + 7 * 1068, 7),
        ("obfuscated", 1 << 50, 65535),
        ("", 0, 0),
    ],
)
def test_blocks_are_told_by_the_name_or_else_by_the_size(name: str, size_bytes: int, blocks: int):
    assert blocks_of(name, size_bytes, par2_set(slice_bytes=1000), 900) == blocks
