"""What an indexer says that it can, and how it is asked then."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import TitleRef
from services.indexer.caps import Caps, parse_caps, questions, search_words
from services.indexer.markup import ApiRefused, FeedRefused

TITLE = TitleRef(key="tmdb:movie:7", movie_id=7, name="Salt Road", year=2024, imdb_id="tt0000123")


def caps(inside: str) -> bytes:
    return f'<?xml version="1.0"?><caps><server title="X"/>{inside}</caps>'.encode()


def searching(search: str, movie: str) -> bytes:
    return caps(f"<searching><search {search}/><movie-search {movie}/></searching>")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (caps(""), Caps(movie_params=(), text_search=False)),
        (
            searching('available="yes"', 'available="yes" supportedParams="q, IMDBid,tmdbid"'),
            Caps(movie_params=("q", "imdbid", "tmdbid")),
        ),
        (searching('available="YES"', 'available="yes"'), Caps(movie_params=("q", "imdbid"))),
        (
            searching('available="no"', 'available="no" supportedParams="q"'),
            Caps(movie_params=(), text_search=False),
        ),
        (
            searching('available="yes"', 'available="yes" supportedParams=""'),
            Caps(movie_params=()),
        ),
        (caps('<limits max="25" default="10"/>'), Caps(movie_params=(), text_search=False, limit_max=25)),
        (caps('<limits max="9999"/>'), Caps(movie_params=(), text_search=False, limit_max=100)),
        (caps('<limits max="many"/>'), Caps(movie_params=(), text_search=False, limit_max=100)),
        (caps('<limits max="0"/>'), Caps(movie_params=(), text_search=False, limit_max=1)),
    ],
)
def test_capabilities(document: bytes, expected: Caps) -> None:
    assert parse_caps(document) == expected


@pytest.mark.parametrize(
    ("document", "error", "words"),
    [
        (b'<error code="202" description="No such function"/>', ApiRefused, "No such function"),
        (b"<rss/>", FeedRefused, "no list of capabilities"),
        (b"<html><body/></html>", FeedRefused, "web page"),
        (b"", FeedRefused, "can't be read"),
        (caps("<a>" * 20 + "</a>" * 20), FeedRefused, "nested too deeply"),
        (caps("<a/>" * 30_000), FeedRefused, "too many"),
        (b'<!DOCTYPE caps [<!ENTITY a "b">]><caps>&a;</caps>', FeedRefused, "entities"),
    ],
)
def test_what_is_none(document: bytes, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        parse_caps(document)


@given(st.binary(max_size=300) | st.text(max_size=200).map(caps))
def test_any_bytes_are_capabilities_or_refused(document: bytes) -> None:
    try:
        told = parse_caps(document)
    except (ApiRefused, FeedRefused):
        return
    assert 1 <= told.limit_max <= 100


ID = {"t": "movie", "imdbid": "0000123", "extended": 1, "limit": 100}
TMDB = {"t": "movie", "tmdbid": 7, "extended": 1, "limit": 100}
WORDS = {"t": "movie", "q": "Salt Road 2024", "cat": 2000, "extended": 1, "limit": 100}


@pytest.mark.parametrize(
    ("known", "title", "expected"),
    [
        (Caps(), TITLE, [("id", ID), ("title", WORDS)]),
        (Caps(movie_params=("q", "imdbid", "tmdbid")), TITLE, [("id", ID), ("title", WORDS)]),
        (Caps(movie_params=("q", "tmdbid")), TITLE, [("id", TMDB), ("title", WORDS)]),
        (Caps(movie_params=("q",)), TITLE, [("title", WORDS)]),
        (Caps(movie_params=()), TITLE, [("text", {**WORDS, "t": "search"})]),
        (Caps(movie_params=("imdbid",), text_search=False), TITLE, [("id", ID)]),
        (Caps(movie_params=(), text_search=False), TITLE, []),
        (
            Caps(),
            TitleRef(key="x", movie_id=1, name="Salt Road"),
            [("title", {**WORDS, "q": "Salt Road"}), ("text", {**WORDS, "t": "search", "q": "Salt Road"})],
        ),
        (
            Caps(text_search=False),
            TitleRef(key="x", movie_id=1, name="Salt Road", year=2024),
            [("title", WORDS)],
        ),
        (Caps(), TitleRef(key="x", movie_id=1, name="?!", year=2024, imdb_id="tt1&t=caps"), []),
        (Caps(limit_max=20), TITLE, [("id", {**ID, "limit": 20}), ("title", {**WORDS, "limit": 20})]),
    ],
)
def test_questions(known: Caps, title: TitleRef, expected: list[tuple[str, dict[str, object]]]) -> None:
    assert [(question.form, question.params) for question in questions(known, title)] == expected


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Ocean's Eleven", "Oceans Eleven 2024"),
        (
            "Crouching Tiger, Hidden Dragon: Sword -of- Destiny",
            "Crouching Tiger Hidden Dragon Sword of Destiny 2024",
        ),
        ("Amélie", "Amélie 2024"),
        ("(500) Days of Summer", "500 Days of Summer 2024"),
        ("七人の侍", "七人の侍 2024"),
        ("…", ""),
    ],
)
def test_words(name: str, words: str) -> None:
    assert search_words(TitleRef(key="x", movie_id=1, name=name, year=2024)) == words
