"""TMDB's answers, odd ones too, become the movies API's shapes."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Movie, MovieDetails, MoviePage, Person, decode, encode
from services.catalog import movies
from services.catalog.movies import FALLBACK_IMAGES, TmdbConfiguration, TmdbDetails, TmdbPage

IMAGES = "https://images.example/t/p/"

WHOLE = {
    "id": 603,
    "title": "Paper Lanterns",
    "overview": "A lamp goes down a river.",
    "release_date": "2023-09-01",
    "poster_path": "/p.jpg",
    "backdrop_path": "/b.jpg",
    "vote_average": 8.249,
    "adult": False,
}
SHOWN = Movie(
    id=603,
    title="Paper Lanterns",
    year=2023,
    release_date="2023-09-01",
    overview="A lamp goes down a river.",
    poster_url=f"{IMAGES}w342/p.jpg",
    backdrop_url=f"{IMAGES}w1280/b.jpg",
    rating=8.2,
)


def shown(**changes: object) -> Movie:
    answer = msgspec.convert({"results": [WHOLE | changes]}, TmdbPage)
    return movies.page(answer, 1, IMAGES).results[0]


def details(**changes: object) -> MovieDetails:
    return movies.details(msgspec.convert(WHOLE | changes, TmdbDetails), IMAGES)


def test_a_whole_title() -> None:
    assert shown() == SHOWN


@pytest.mark.parametrize(
    ("told", "field", "expected"),
    [
        ({"title": None}, "title", ""),
        ({"overview": None}, "overview", ""),
        ({"overview": "x" * 9_000}, "overview", "x" * movies.TEXT_CHARS_MAX),
        ({"release_date": ""}, "year", None),
        ({"release_date": None}, "release_date", None),
        ({"release_date": "soon"}, "release_date", None),
        ({"poster_path": None}, "poster_url", None),
        ({"poster_path": "//elsewhere.example/x.jpg"}, "poster_url", None),
        ({"poster_path": '/x.jpg" onerror="'}, "poster_url", None),
        ({"backdrop_path": "/../../secret"}, "backdrop_url", None),
        ({"vote_average": None}, "rating", 0.0),
        ({"vote_average": 7}, "rating", 7.0),
        ({"vote_average": 99.0}, "rating", 10.0),
        ({"vote_average": -3.0}, "rating", 0.0),
    ],
)
def test_what_is_missing_or_odd(told: dict[str, object], field: str, expected: object) -> None:
    assert getattr(shown(**told), field) == expected


def test_a_page_is_bounded() -> None:
    answer = msgspec.convert(
        {"page": 9, "total_pages": 40_000, "total_results": 800_000, "results": [WHOLE] * 30}, TmdbPage
    )
    page = movies.page(answer, 3, IMAGES)
    assert (page.page, page.total_pages, page.total_results, len(page.results)) == (3, 500, 800_000, 20)


@pytest.mark.parametrize("answer", [{}, {"results": None, "total_pages": None, "total_results": -1}])
def test_a_page_of_nothing(answer: dict[str, object]) -> None:
    page = movies.page(msgspec.convert(answer, TmdbPage), 1, IMAGES)
    assert page == MoviePage(page=1, total_pages=0, total_results=0, results=())


def test_whole_details() -> None:
    told = details(
        runtime=96,
        genres=[{"id": 1, "name": "Family"}, {"id": 2, "name": None}],
        imdb_id="tt9000002",
        credits={"cast": [{"name": "Mei Tarrant", "character": "Suyin", "profile_path": "/m.jpg"}]},
    )
    assert (told.runtime_min, told.genres, told.imdb_id, told.crew) == (96, ("Family",), "tt9000002", ())
    assert told.cast == (Person(name="Mei Tarrant", role="Suyin", photo_url=f"{IMAGES}w185/m.jpg"),)
    assert told.title == "Paper Lanterns"


def test_details_without_anything() -> None:
    told = movies.details(msgspec.convert({"id": 1}, TmdbDetails), IMAGES)
    assert (told.runtime_min, told.genres, told.cast, told.crew, told.imdb_id) == (None, (), (), (), None)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("tt0133093", "tt0133093"),
        ("tt123456789", "tt123456789"),
        ("tt123", None),
        ("tt1234567890", None),
        ("nm0000001", None),
        ("tt0133093&apikey=x", None),
        ("", None),
        (None, None),
    ],
)
def test_imdb_ids_are_checked(told: str | None, expected: str | None) -> None:
    assert details(imdb_id=told).imdb_id == expected


@pytest.mark.parametrize(("told", "expected"), [(0, None), (-5, None), (None, None), (10**9, None), (96, 96)])
def test_runtimes(told: int | None, expected: int | None) -> None:
    assert details(runtime=told).runtime_min == expected


def test_people_are_bounded_and_the_director_comes_first() -> None:
    crew = [{"name": f"Writer {n}", "job": "Writer"} for n in range(9)] + [
        {"name": "Gaffer", "job": "Gaffer"},
        {"name": None, "job": "Director"},
        {"name": "Composer", "job": "Original Music Composer"},
        {"name": "Director", "job": "Director"},
    ]
    cast = [{"name": f"Actor {n}", "character": None} for n in range(40)]
    told = details(credits={"cast": cast, "crew": crew})
    assert [person.name for person in told.cast] == [f"Actor {n}" for n in range(12)]
    assert [person.role for person in told.crew] == ["Director"] + ["Writer"] * 5
    assert all(person.role == "" for person in told.cast)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (
            {"secure_base_url": "https://a.example/t/p/", "base_url": "http://b.example/"},
            "https://a.example/t/p/",
        ),
        ({"secure_base_url": None, "base_url": "http://b.example/t/p"}, "http://b.example/t/p/"),
        ({"secure_base_url": "javascript:alert(1)//"}, FALLBACK_IMAGES),
        ({}, FALLBACK_IMAGES),
        (None, FALLBACK_IMAGES),
    ],
)
def test_where_images_lie(images: dict[str, str | None] | None, expected: str) -> None:
    assert movies.image_base(msgspec.convert({"images": images}, TmdbConfiguration)) == expected


def test_numbers_of_pages_never_matter_to_the_wire() -> None:
    page = movies.page(msgspec.convert({"results": [WHOLE]}, TmdbPage), 1, IMAGES)
    assert decode(encode(page), MoviePage) == page


texts = st.none() | st.text(max_size=40)
titles = st.fixed_dictionaries(
    {"id": st.integers(0, 2**40)},
    optional={
        "title": texts,
        "overview": texts,
        "release_date": texts,
        "poster_path": texts,
        "backdrop_path": texts,
        "vote_average": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "runtime": st.none() | st.integers(),
        "imdb_id": texts,
    },
)


@given(titles)
def test_any_title_crosses_the_wire(title: dict[str, object]) -> None:
    told = movies.details(msgspec.convert(title, TmdbDetails), IMAGES)
    assert decode(encode(told), MovieDetails) == told
    assert 0 <= told.rating <= 10


def test_genres_and_changes_that_name_nothing_are_left_out() -> None:
    genres = [{"id": 28, "name": "Action"}, {"id": 12, "name": None}, {"id": None, "name": "x"}, {}]
    changes = [{"id": 7, "adult": False}, {"id": None, "adult": None}, {"id": 9}]
    told = movies.genres(msgspec.convert({"genres": genres}, movies.TmdbGenres))
    assert [(genre.id, genre.name) for genre in told] == [(28, "Action")]
    assert movies.changed(msgspec.convert({"results": changes}, movies.TmdbChanges)) == (7, 9)
    assert movies.genres(movies.TmdbGenres()) == movies.changed(movies.TmdbChanges()) == ()
