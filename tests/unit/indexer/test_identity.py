"""Whether a release is of the film that was asked for."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common import releases
from libs.common.events import TitleRef
from services.indexer.caps import Form
from services.indexer.feed import Item
from services.indexer.identity import identify, same_title

TITLE = TitleRef(key="tmdb:movie:7", movie_id=7, name="The Salt Road", year=2024, imdb_id="tt0000123")
RIGHT = "The.Salt.Road.2024.1080p.WEB-DL.H.264-GROUP"
OTHER = "Paper.Lanterns.2021.1080p.WEB-DL.H.264-GROUP"
FOREIGN = "Der.Salzweg.2024.German.1080p.WEB.H264-GROUP"


def item(title: str, imdb_id: str | None = None, tmdb_id: int = 0) -> Item:
    return Item(
        title=title,
        guid="g",
        url="u",
        size_bytes=1,
        posted_at=None,
        grabs=0,
        categories=(),
        imdb_id=imdb_id,
        tmdb_id=tmdb_id,
    )


@pytest.mark.parametrize(
    ("told", "form", "certainty", "words"),
    [
        (item(RIGHT), "id", "sure", "the title and the year"),
        (item(RIGHT), "text", "sure", "the title and the year"),
        (item(RIGHT, "tt0000123"), "id", "sure", "under the same id"),
        (item(RIGHT, "tt123"), "id", "sure", "under the same id"),
        (item(RIGHT, tmdb_id=7), "title", "sure", "under the same id"),
        (item(FOREIGN, "tt0000123"), "id", "sure", "under the same id"),
        (item(FOREIGN), "id", "unsure", "'Der Salzweg', not 'The Salt Road'"),
        (item(FOREIGN), "title", "other", "'Der Salzweg', not 'The Salt Road'"),
        (item(OTHER), "text", "other", "another title"),
        (item(OTHER, "tt0000999"), "id", "other", "tt0000999"),
        (item(RIGHT, "tt0000999"), "id", "unsure", "tt0000999"),
        (item(RIGHT, tmdb_id=8), "text", "unsure", "tmdb 8"),
        (item("The.Salt.Road.2023.1080p.WEB-DL-X"), "text", "sure", "the title"),
        (item("The.Salt.Road.1998.1080p.WEB-DL-X"), "text", "other", "another year (1998, not 2024)"),
        (item("The.Salt.Road.1998.1080p.WEB-DL-X"), "id", "unsure", "another year (1998, not 2024)"),
        (item("The.Salt.Road.1080p.WEB-DL-X"), "text", "sure", "the title"),
        (item("The.Salt.Road.S01E02.1080p.WEB-DL-X"), "id", "unsure", "an episode"),
        (item("The.Salt.Road.S01E02.1080p.WEB-DL-X"), "title", "other", "an episode"),
    ],
)
def test_identity(told: Item, form: Form, certainty: str, words: str) -> None:
    found = identify(TITLE, told, releases.parse(told.title), form)
    assert found.certainty == certainty
    assert words in found.reason


@pytest.mark.parametrize(
    ("told", "year", "certainty", "words"),
    [
        (item(RIGHT), 2024, "sure", "the title and the year"),
        (item(RIGHT, "tt0000999"), 2024, "unsure", "under an id (tt0000999), and the film has none"),
        (item(RIGHT, "tt0000999", tmdb_id=7), 2024, "sure", "under the same id"),
        (item(RIGHT, tmdb_id=7), None, "sure", "under the same id"),
        (item(RIGHT, tmdb_id=8), 2024, "unsure", "tmdb 8"),
        (item(RIGHT), None, "unsure", "the year 2024, and the film has no IMDb id"),
        (item(RIGHT), 2025, "unsure", "the year 2024, and the film has no IMDb id"),
        (item("The.Salt.Road.1080p.WEB-DL-X"), 2024, "unsure", "no year, and the film has no IMDb id"),
        (item("The.Salt.Road.1998.1080p.WEB-DL-X"), 2024, "other", "another year (1998, not 2024)"),
        (item(FOREIGN), 2024, "other", "another title"),
    ],
)
def test_a_film_without_an_id_is_known_by_its_very_year(
    told: Item, year: int | None, certainty: str, words: str
) -> None:
    title = TitleRef(key="tmdb:movie:7", movie_id=7, name="The Salt Road", year=year)
    found = identify(title, told, releases.parse(told.title), "text")
    assert (found.certainty, words in found.reason) == (certainty, True), found


@pytest.mark.parametrize(
    ("told", "wanted", "same"),
    [
        ("Oceans Eleven", "Ocean's Eleven", True),
        ("Amelie", "Amélie", True),
        ("Salt Road", "The Salt Road", True),
        ("Fast and Furious", "Fast & Furious", True),
        ("Spider Man No Way Home", "Spider-Man: No Way Home", True),
        ("Der Salzweg AKA The Salt Road", "The Salt Road", True),
        ("The", "The", True),
        ("Salt Road 2", "Salt Road", False),
        ("Salt", "Salt Road", False),
        ("", "", False),
        ("七人の侍", "七人の侍", True),
    ],
)
def test_titles(told: str, wanted: str, same: bool) -> None:
    assert same_title(told, wanted) is same


@given(st.text(max_size=300), st.sampled_from(get_args(Form)), st.none() | st.just("tt0000123"))
def test_any_name_has_an_answer_and_the_id_settles_it(name: str, form: Form, imdb_id: str | None) -> None:
    found = identify(TITLE, item(name, imdb_id), releases.parse(name), form)
    assert found.reason
    assert imdb_id is None or found.certainty == "sure"
