"""What TMDB tells of series becomes episodes in order, counted through."""

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import decode, encode
from libs.common.series import Episode, SeriesEpisodes
from services.catalog import series
from services.catalog.episodes import EPISODES_MAX, as_of, day_of, in_order, name_of
from services.catalog.series import TmdbSeason, TmdbSeries
from services.catalog.tmdb_series import EPISODES_AT_ONCE, SEASONS_AT_ONCE, batches


def told(seasons: dict[int, list[Any]], **changes: Any) -> SeriesEpisodes:
    """Seasons by number; an episode is its number, or what TMDB says of it."""
    heads = [{"season_number": n, "episode_count": len(found)} for n, found in seasons.items()]
    answer = {"id": 1399, "name": "Harbour Lights", "seasons": heads} | changes
    parts = {
        season: msgspec.convert(
            {"episodes": [e if isinstance(e, dict) else {"episode_number": e} for e in found]}, TmdbSeason
        )
        for season, found in seasons.items()
        if found
    }
    return series.episodes_of(msgspec.convert(answer, TmdbSeries), parts)


def numbers(answer: SeriesEpisodes) -> list[tuple[int, int, int | None]]:
    return [(e.season, e.episode, e.absolute_ep) for e in answer.episodes]


def runs(answer: SeriesEpisodes) -> list[tuple[int, int, int, int | None, int | None]]:
    return [
        (run.season, run.episode_from, run.episode_to, run.absolute_from, run.absolute_to)
        for run in answer.mapping
    ]


def test_an_episode_has_everything_that_is_told_of_it() -> None:
    answer = told(
        {1: [{"episode_number": 2, "name": "The Ferry", "air_date": "2022-01-14", "runtime": 48}]},
        external_ids={"imdb_id": "tt9100001", "tvdb_id": 4100001},
    )
    assert answer.episodes == (
        Episode(
            episode_key="tmdb:tv:1399:1:2",
            season=1,
            episode=2,
            absolute_ep=1,
            name="The Ferry",
            runtime_s=2880,
            air_date="2022-01-14",
        ),
    )
    assert (answer.series_id, answer.title, answer.kind) == ("tmdb:tv:1399", "Harbour Lights", "series")
    ids = answer.external
    assert (ids.imdb_id, ids.tvdb_id, ids.tmdb_id, ids.mal_id) == ("tt9100001", 4100001, 1399, None)


def test_specials_come_last_and_are_not_counted() -> None:
    answer = told({0: [1, 2], 2: [1], 1: [2, 1]})
    assert numbers(answer) == [(1, 1, 1), (1, 2, 2), (2, 1, 3), (0, 1, None), (0, 2, None)]
    assert runs(answer) == [(1, 1, 2, 1, 2), (2, 1, 1, 3, 3), (0, 1, 2, None, None)]
    assert [e.is_special for e in answer.episodes] == [False, False, False, True, True]
    assert answer.mapping[-1].why == "Specials aren't counted."


def test_a_season_that_goes_on_with_the_numbers_of_the_one_before() -> None:
    answer = told({1: [1, 2, 3], 2: [4, 5]})
    assert numbers(answer)[-1] == (2, 5, 5)
    assert answer.mapping[1].why == "Season 2 goes on with the numbers of the one before."


def test_a_gap_in_the_numbers_is_a_run_of_its_own() -> None:
    assert runs(told({1: [1, 2, 5, 6]})) == [(1, 1, 2, 1, 2), (1, 5, 6, 3, 4)]


def test_behind_a_season_that_is_not_told_nothing_is_counted() -> None:
    answer = told({1: [1], 2: [], 3: [1]})
    assert numbers(answer) == [(1, 1, 1), (3, 1, None)]
    assert "doesn't tell how many episodes came before" in answer.mapping[1].why
    assert not answer.is_complete


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"genres": [{"id": 16}], "original_language": "ja"}, "anime"),
        ({"genres": [{"id": 16}], "original_language": "en"}, "series"),
        ({"genres": [{"id": 18}], "original_language": "ja"}, "series"),
        ({"genres": None}, "series"),
    ],
)
def test_an_anime_is_an_animation_of_japan(changes: dict[str, Any], kind: str) -> None:
    assert told({1: [1]}, **changes).kind == kind


@pytest.mark.parametrize(
    ("episode", "field", "expected"),
    [
        ({"name": None}, "name", "Episode 1"),
        ({"name": "\u202e \x00"}, "name", "Episode 1"),
        ({"name": "x" * 500}, "name", "x" * 100),
        ({"air_date": ""}, "air_date", None),
        ({"air_date": "2022-02-31"}, "air_date", None),
        ({"runtime": 0}, "runtime_s", None),
        ({"runtime": 10**9}, "runtime_s", None),
        ({"runtime": None}, "runtime_s", None),
    ],
)
def test_what_is_missing_or_odd(episode: dict[str, Any], field: str, expected: object) -> None:
    assert getattr(told({1: [{"episode_number": 1} | episode]}).episodes[0], field) == expected


def test_ids_that_are_none() -> None:
    ids = told({1: [1]}, external_ids={"imdb_id": "tt1&x=y", "tvdb_id": -1}).external
    assert (ids.imdb_id, ids.tvdb_id) == (None, None)


def test_an_endless_series_is_cut_and_still_fits_an_answer() -> None:
    answer = told({1: [{"episode_number": n, "name": "\U0001f3ac" * 300} for n in range(1, 5000)]})
    assert len(answer.episodes) == EPISODES_MAX
    assert not answer.is_complete
    assert len(encode(answer)) < 1_000_000


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, []),
        ({0: 3, 1: 10, 2: 10}, [[1, 2, 0]]),
        ({1: 150, 2: 100, 3: 50}, [[1], [2, 3]]),
        ({1: 5000, 2: 10, 0: 1}, [[1]]),
        (dict.fromkeys(range(1, 24), 1), [list(range(1, 21)), [21, 22, 23]]),
    ],
)
def test_seasons_are_asked_for_together(counts: dict[int, int], expected: list[list[int]]) -> None:
    assert list(batches(counts)) == expected


@given(st.dictionaries(st.integers(0, 60), st.integers(0, 120), max_size=60))
def test_every_batch_is_small_and_no_season_is_asked_for_twice(counts: dict[int, int]) -> None:
    found = list(batches(counts))
    asked = [season for batch in found for season in batch]
    assert len(asked) == len(set(asked))
    assert all(0 < len(batch) <= SEASONS_AT_ONCE for batch in found)
    assert all(len(batch) == 1 or sum(counts[s] for s in batch) <= EPISODES_AT_ONCE for batch in found)
    assert set(asked) == set(counts) or sum(counts[s] for s in asked) > EPISODES_MAX


def episode(number: int, day: str | None, *, season: int = 1) -> Episode:
    return Episode(episode_key=f"s:{season}:{number}", season=season, episode=number, name="E", air_date=day)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (["2026-01-01", "2026-01-08", "2026-01-09"], [True, True, False]),
        ([None, "2026-01-08", None], [True, True, False]),
        ([None, None], [False, False]),
        ([None, "2026-02-01"], [False, False]),
    ],
)
def test_what_has_been_on(days: list[str | None], expected: list[bool]) -> None:
    listed = [episode(number, day) for number, day in enumerate(days, 1)]
    assert [e.is_aired for e in as_of(date(2026, 1, 8), listed)] == expected


def test_a_season_without_dates_is_not_dated_by_the_next() -> None:
    listed = [episode(1, None), episode(1, "2026-01-01", season=2)]
    assert [e.is_aired for e in as_of(date(2026, 1, 8), listed)] == [False, True]


def test_of_two_with_one_number_the_first_counts() -> None:
    twice = [episode(1, "2026-01-01"), episode(1, None)]
    assert in_order(twice) == twice[:1]


@pytest.mark.parametrize(
    ("told", "expected"),
    [("2026-01-08", "2026-01-08"), ("2009-04-05T00:00:00+00:00", "2009-04-05"), ("soon", None), (None, None)],
)
def test_days(told: str | None, expected: str | None) -> None:
    assert day_of(told) == expected


texts = st.none() | st.text(max_size=40)
integers = st.none() | st.integers()
episodes = st.fixed_dictionaries(
    {}, optional={"episode_number": integers, "name": texts, "air_date": texts, "runtime": integers}
)
seasons = st.dictionaries(st.integers(0, 9999), st.lists(episodes, max_size=8), max_size=6)


@given(seasons)
def test_whatever_is_told_is_counted_without_gaps_and_crosses_the_wire(found: dict[int, list[Any]]) -> None:
    answer = told(found)
    assert decode(encode(answer), SeriesEpisodes) == answer
    absolute = [e.absolute_ep for e in answer.episodes if e.absolute_ep is not None]
    assert absolute == list(range(1, len(absolute) + 1))
    by_run = [
        (run.season, number)
        for run in answer.mapping
        for number in range(run.episode_from, run.episode_to + 1)
    ]
    assert by_run == [(e.season, e.episode) for e in answer.episodes]


@given(texts)
def test_names_can_be_shown(text: str | None) -> None:
    name = name_of(text, "otherwise")
    assert name == name.strip()
    assert 0 < len(name) <= 100
    assert name.isprintable() or not {"\n", "\r", "\x00", "\u202e"} & set(name)
