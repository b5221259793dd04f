import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.objects.store import (
    MAX_PARTS,
    MIN_PART_BYTES,
    BadKey,
    StoreError,
    check_delete_prefix,
    check_key,
    check_part,
    check_prefix,
    check_whole,
    part_bytes_for,
)


@pytest.mark.parametrize("key", ["a", "movies/job_1/movie.mp4", "A-b_c.9", "a/" + "x" * 200])
def test_keys(key: str) -> None:
    assert check_key(key) == key


BAD_KEYS = ["/a", "a//b", ".", "..", "../a", "a/../b", "a/./b", ".hidden", "a/.b", "a\\b", "a b", "é", "a\n"]


@pytest.mark.parametrize("key", [*BAD_KEYS, "", "a/", "a\0", "a%2e", "x" * 201, "a/" * 300 + "a"])
def test_no_keys(key: str) -> None:
    with pytest.raises(BadKey):
        check_key(key)


@pytest.mark.parametrize("prefix", ["", "a", "movies/", "movies/job_1/mov"])
def test_prefixes(prefix: str) -> None:
    assert check_prefix(prefix) == prefix


@pytest.mark.parametrize("prefix", [*BAD_KEYS, "/", "movies/.", "movies/../"])
def test_no_prefixes(prefix: str) -> None:
    with pytest.raises(BadKey):
        check_prefix(prefix)


def test_nothing_deletes_everything() -> None:
    with pytest.raises(BadKey):
        check_delete_prefix("")


@given(st.integers(0, 5 * 1024**4))
def test_parts_are_few_and_not_small(size_bytes: int) -> None:
    part_bytes = part_bytes_for(size_bytes)
    assert part_bytes >= MIN_PART_BYTES
    assert -(-size_bytes // part_bytes) <= 9_000


@pytest.mark.parametrize(("number", "length"), [(0, 1), (-1, 1), (MAX_PARTS + 1, 1), (1, 0), (1, 11)])
def test_no_parts(number: int, length: int) -> None:
    with pytest.raises(StoreError, match=f"part {number} "):
        check_part(number, length, 10)


@pytest.mark.parametrize(
    ("lengths", "size_bytes"), [({1: 3}, 3), ({1: 10}, 10), ({2: 10, 1: 10}, 20), ({3: 1, 1: 10, 2: 10}, 21)]
)
def test_whole(lengths: dict[int, int], size_bytes: int) -> None:
    assert check_whole("k", lengths, 10) == size_bytes


@pytest.mark.parametrize(
    ("lengths", "says"),
    [
        ({}, "part 1 is missing"),
        ({2: 10}, "part 1 is missing"),
        ({1: 10, 3: 10}, "part 2 is missing"),
        ({1: 9, 2: 1}, "part 1 of 2 has 9 bytes"),
    ],
)
def test_not_whole(lengths: dict[int, int], says: str) -> None:
    with pytest.raises(StoreError, match=says):
        check_whole("k", lengths, 10)
