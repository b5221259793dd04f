"""Prowlarr's answers: as they should be, and as nobody should send them."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.indexer.feed import ITEMS_MAX, Item
from services.indexer.prowlarr import parse_results

WHOLE: dict[str, Any] = {
    "guid": "https://index.example/details/abc",
    "age": 12,
    "size": 4000,
    "files": None,
    "grabs": 12,
    "indexerId": 3,
    "indexer": "Index",
    "title": "Salt.Road.2024.1080p.WEB-DL-GROUP",
    "imdbId": 123,
    "tmdbId": 7,
    "publishDate": "2026-07-31T09:00:00Z",
    "downloadUrl": "http://prowlarr/3/download?apikey=k&link=l&file=f",
    "protocol": "usenet",
    "categories": [{"id": 2000, "name": "Movies", "subCategories": []}, {"id": 2040}],
}


def only(**changes: object) -> Item:
    [found] = parse_results(msgspec.json.encode([WHOLE | changes]))
    return found


def test_a_whole_result() -> None:
    assert only() == Item(
        title="Salt.Road.2024.1080p.WEB-DL-GROUP",
        guid="https://index.example/details/abc",
        url="http://prowlarr/3/download?apikey=k&link=l&file=f",
        size_bytes=4000,
        posted_at=datetime(2026, 7, 31, 9, tzinfo=UTC),
        grabs=12,
        categories=(2000, 2040),
        imdb_id="tt0000123",
        tmdb_id=7,
    )


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"imdbId": 0}, "imdb_id", None),
        ({"imdbId": None}, "imdb_id", None),
        ({"size": -1}, "size_bytes", 0),
        ({"size": 1e300}, "size_bytes", 0),
        ({"grabs": None}, "grabs", 0),
        ({"publishDate": "2026-07-31T11:00:00+02:00"}, "posted_at", datetime(2026, 7, 31, 9, tzinfo=UTC)),
        ({"publishDate": "yesterday"}, "posted_at", None),
        ({"publishDate": "9999-12-31T23:59:59-23:59"}, "posted_at", None),
        ({"categories": None}, "categories", ()),
        ({"guid": None}, "guid", "http://prowlarr/3/download?apikey=k&link=l&file=f"),
        ({"protocol": "torrent"}, "torrent", True),
        ({"protocol": "torrent", "downloadUrl": None}, "torrent", True),
        ({"title": " a\n b\u202e"}, "title", "a b"),
    ],
)
def test_what_is_missing_or_odd(changes: dict[str, object], field: str, expected: object) -> None:
    assert getattr(only(**changes), field) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"title": ""},
        {"title": None},
        {"downloadUrl": None},
        {"downloadUrl": "u" * 2001},
        {"size": "large"},
        {"categories": 5},
    ],
)
def test_results_that_are_left_out_alone(changes: dict[str, object]) -> None:
    document = msgspec.json.encode([WHOLE | changes, WHOLE, 5, None, []])
    assert [found.title for found in parse_results(document)] == [WHOLE["title"]]


def test_no_more_results_than_the_bound() -> None:
    assert len(parse_results(msgspec.json.encode([WHOLE] * (ITEMS_MAX + 5)))) == ITEMS_MAX


@pytest.mark.parametrize("document", [b"", b"{}", b"<html>", b'"x"', b"[" * 10_000, b"null"])
def test_what_is_no_list(document: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        parse_results(document)


json = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(WHOLE)), inner, max_size=8)
    ),
)


@given(st.binary(max_size=200) | json.map(msgspec.json.encode) | st.lists(json).map(msgspec.json.encode))
def test_any_bytes_are_results_or_refused(document: bytes) -> None:
    try:
        found = parse_results(document)
    except msgspec.MsgspecError:
        return
    assert all(one.title and one.url and one.size_bytes >= 0 for one in found)
