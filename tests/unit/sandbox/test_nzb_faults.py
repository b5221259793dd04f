"""Careless listings: still NZBs, of the same articles."""

from collections import Counter
from xml.etree import ElementTree

import pytest

from libs.sandbox.nzb_faults import NAMESPACE, broken_nzb
from libs.sandbox.posts import ArticleIndex


@pytest.fixture
def nzb(tmp_path) -> bytes:
    paths = [tmp_path / name for name in ("a.rar", "b.r00", "c.r01")]
    for path in paths:
        path.write_bytes(bytes(5_000))
    return ArticleIndex().post(paths, title="Film", article_bytes=1_000).nzb


def listed(nzb: bytes) -> list[list[tuple[str | None, str | None, str | None]]]:
    """Number, size and message-id of each segment of each file."""
    root = ElementTree.fromstring(nzb)
    return [
        [(s.get("number"), s.get("bytes"), s.text) for s in file.iter(f"{NAMESPACE}segment")]
        for file in root.iter(f"{NAMESPACE}file")
    ]


def test_shuffled_lists_the_same_in_another_order(nzb: bytes) -> None:
    before, after = listed(nzb), listed(broken_nzb("shuffled", nzb))
    assert [sorted(file) for file in after] != [sorted(file) for file in before]
    assert sorted(map(sorted, after)) == sorted(map(sorted, before))
    assert any(file != sorted(file) for file in after)


def test_duplicated_lists_every_number_twice(nzb: bytes) -> None:
    for file in listed(broken_nzb("duplicated", nzb)):
        assert set(Counter(number for number, _, _ in file).values()) == {2}
        assert len({article for _, _, article in file}) == 5 + 2


def test_wrong_sizes_change_nothing_else(nzb: bytes) -> None:
    before, after = listed(nzb), listed(broken_nzb("wrong_sizes", nzb))
    assert [[(n, a) for n, _, a in file] for file in after] == [[(n, a) for n, _, a in f] for f in before]
    assert {size for file in after for _, size, _ in file}.isdisjoint(s for f in before for _, s, _ in f)


def test_bogus_subjects_name_no_posted_file(nzb: bytes) -> None:
    broken = broken_nzb("bogus_subjects", nzb)
    assert listed(broken) == listed(nzb)
    assert b"a.rar" not in broken


def test_the_first_file_is_not_listed(nzb: bytes) -> None:
    assert listed(broken_nzb("first_file_unlisted", nzb)) == listed(nzb)[1:]
