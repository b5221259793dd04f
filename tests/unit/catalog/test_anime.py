"""What MyAnimeList tells of anime becomes episodes with a place in their series."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import decode, encode
from libs.common.series import SeriesEpisodes
from services.catalog.anime import JikanAnime, JikanEpisode, Part, episodes_of, goes_on, part_of, places

Run = tuple[int, int, int, int | None, int | None]


def part(
    mal_id: int,
    title: str,
    episodes: int | None = 12,
    *,
    kind: str = "TV",
    original: str = "",
    began: str | None = None,
    is_over: bool = True,
) -> Part:
    return Part(
        mal_id=mal_id,
        title=title,
        original_title=original or title,
        kind=kind,
        episodes=episodes,
        began=began or f"20{mal_id:02}-01-01",
        is_over=is_over,
    )


def runs(asked: Part, *before: Part, is_whole: bool = True) -> list[Run]:
    return [
        (run.season, run.episode_from, run.episode_to, run.absolute_from, run.absolute_to)
        for run in places(asked, before, is_whole=is_whole)
    ]


FIRST = part(1, "Tanuki")
SECOND = part(2, "Tanuki Season 2")
SPLIT = part(3, "Tanuki Season 2 Part 2")


@pytest.mark.parametrize(
    ("asked", "before", "expected"),
    [
        pytest.param(FIRST, [], [(1, 1, 12, 1, 12)], id="first"),
        pytest.param(SECOND, [FIRST], [(1, 1, 12, 1, 12), (2, 1, 12, 13, 24)], id="second"),
        pytest.param(
            SPLIT,
            [SECOND, FIRST],
            [(1, 1, 12, 1, 12), (2, 1, 12, 13, 24), (2, 13, 24, 25, 36)],
            id="split-cour",
        ),
        pytest.param(
            part(4, "Tanuki Season 3"),
            [FIRST, SECOND, SPLIT],
            [(1, 1, 12, 1, 12), (2, 1, 12, 13, 24), (2, 13, 24, 25, 36), (3, 1, 12, 37, 48)],
            id="after-a-split-cour",
        ),
        pytest.param(
            part(5, "Tanuki: Autumn"),
            [
                FIRST,
                part(2, "Tanuki: The Lost Gear", 1, kind="OVA"),
                part(3, "Tanuki: The Film", 1, kind="Movie"),
            ],
            [(1, 1, 12, 1, 12), (2, 1, 12, 13, 24)],
            id="specials-and-films-are-left-out",
        ),
        pytest.param(
            part(2, "Tanuki 2nd Cour", 13), [FIRST], [(1, 1, 12, 1, 12), (1, 13, 25, 13, 25)], id="2nd-cour"
        ),
        pytest.param(
            part(3, "The Final Season Part III", 2),
            [part(2, "The Final Season Part 2", 3), part(1, "The Final Season", 4)],
            [(1, 1, 4, 1, 4), (1, 5, 7, 5, 7), (1, 8, 9, 8, 9)],
            id="roman",
        ),
        pytest.param(
            part(3, "Tanuki Season 3"),
            [FIRST],
            [(1, 1, 12, 1, 12), (3, 1, 12, None, None)],
            id="a-season-is-missing",
        ),
        pytest.param(
            SECOND,
            [part(1, "Tanuki", None)],
            [(2, 1, 12, None, None)],
            id="how-long-the-first-is-nobody-knows",
        ),
        pytest.param(
            SPLIT,
            [FIRST, part(2, "Tanuki Season 2", None)],
            [(1, 1, 12, 1, 12), (2, 1, 12, None, None)],
            id="half-of-a-season-whose-first-half-is-unknown",
        ),
        pytest.param(part(1, "Film", 1, kind="Movie"), [FIRST], [(0, 1, 1, None, None)], id="film"),
        pytest.param(part(2, "Tanuki", None), [FIRST], [(1, 1, 12, 1, 12)], id="not-known-yet"),
    ],
)
def test_places(asked: Part, before: list[Part], expected: list[Run]) -> None:
    assert runs(asked, *before) == expected


def test_what_is_not_whole_is_not_counted_through() -> None:
    assert runs(SECOND, is_whole=False) == [(2, 1, 12, None, None)]


@pytest.mark.parametrize(
    ("asked", "before", "why"),
    [
        (FIRST, [], "“Tanuki” is season 1, for no other is known before it; counting begins with it."),
        (
            SECOND,
            [FIRST],
            "“Tanuki Season 2” is season 2, as its title says; "
            "12 episodes came before, specials not counted.",
        ),
        (
            SPLIT,
            [FIRST, SECOND],
            "“Tanuki Season 2 Part 2” goes on with season 2, for its title says that it is a part of it; "
            "24 episodes came before, specials not counted.",
        ),
        (
            part(2, "Autumn"),
            [part(1, "Tanuki", 1)],
            "“Autumn” is season 2, for it follows “Tanuki”; 1 episode came before, specials not counted.",
        ),
        (
            part(3, "Tanuki Season 3"),
            [FIRST],
            "“Tanuki Season 3” is season 3, as its title says; how many episodes came before isn't known.",
        ),
        (
            part(2, "The Lost Gear", 1, kind="OVA"),
            [FIRST],
            "“The Lost Gear” (OVA) stands with the specials, which aren't counted.",
        ),
    ],
)
def test_every_place_explains_itself(asked: Part, before: list[Part], why: str) -> None:
    assert places(asked, before, is_whole=True)[-1].why == why


@pytest.mark.parametrize(
    ("title", "last", "expected"),
    [
        ("Mob Part 2", "Mob", True),
        ("Mob: Part 2", "Mob", True),
        ("Mob Part II", "Mob Part I", False),
        ("Mob Part 2", "Mob Part 1", True),
        ("Mob Cour 2", "Mob", True),
        ("Mob (2nd Part)", "Mob", True),
        ("Mob Part 1", "Mob", False),
        ("Mob Part 2", "Other", False),
        ("Mob 2", "Mob", False),
        ("Party 2", "Par", False),
    ],
)
def test_which_titles_say_that_a_season_goes_on(title: str, last: str, expected: bool) -> None:
    assert goes_on(part(2, title), part(1, last)) is expected


def test_one_of_two_titles_is_enough() -> None:
    own = part(2, "Tanuki: Autumn", original="Karakuri Tanuki Part 2")
    assert goes_on(own, part(1, "Clockwork Tanuki", original="Karakuri Tanuki"))


def told(asked: Part, *listed: dict[str, Any]) -> SeriesEpisodes:
    found = msgspec.convert(list(listed), list[JikanEpisode])
    return episodes_of(asked, [FIRST], found, is_whole=True)


def test_episodes_that_are_not_listed_are_there_by_their_number() -> None:
    answer = told(
        part(2, "Autumn", 3), {"mal_id": 2, "title": "The Ferry", "aired": "2022-04-10T00:00:00+00:00"}
    )
    assert [(e.episode_key, e.absolute_ep, e.name, e.air_date) for e in answer.episodes] == [
        ("mal:anime:2:2:1", 13, "Episode 1", None),
        ("mal:anime:2:2:2", 14, "The Ferry", "2022-04-10"),
        ("mal:anime:2:2:3", 15, "Episode 3", None),
    ]
    assert all(e.is_aired for e in answer.episodes)


def test_a_list_that_is_longer_than_the_entry_says_is_believed() -> None:
    answer = told(part(2, "Autumn", None, is_over=False), {"mal_id": 1}, {"mal_id": 2})
    assert [(e.episode, e.absolute_ep, e.is_aired) for e in answer.episodes] == [
        (1, 13, False),
        (2, 14, False),
    ]


@pytest.mark.parametrize(
    ("entry", "field", "expected"),
    [
        ({"title_english": "Clockwork"}, "title", "Clockwork"),
        ({"title": "Karakuri"}, "title", "Karakuri"),
        ({}, "title", "Untitled"),
        ({"episodes": 0}, "episodes", None),
        ({"episodes": 10**9}, "episodes", None),
        ({"duration": "24 min per ep"}, "runtime_s", 1440),
        ({"duration": "1 hr 31 min"}, "runtime_s", 5460),
        ({"duration": "Unknown"}, "runtime_s", None),
        ({"aired": {"from": "2009-04-05T00:00:00+00:00"}}, "began", "2009-04-05"),
        ({"aired": {"from": None}}, "began", None),
        ({"status": "Finished Airing"}, "is_over", True),
        ({"status": "Currently Airing"}, "is_over", False),
        (
            {
                "relations": [
                    {"relation": "Sequel", "entry": [{"mal_id": 7, "type": "anime"}]},
                    {
                        "relation": "Prequel",
                        "entry": [{"mal_id": 8, "type": "anime"}, {"mal_id": 9, "type": "manga"}],
                    },
                ]
            },
            "prequels",
            (8,),
        ),
    ],
)
def test_entries(entry: dict[str, Any], field: str, expected: object) -> None:
    assert getattr(part_of(msgspec.convert({"mal_id": 1} | entry, JikanAnime)), field) == expected


titles = st.sampled_from(["Tanuki", "Tanuki Part 2", "Tanuki Season 2", "Tanuki Season 2 Part 2", "Autumn"])
parts = st.builds(
    part,
    st.integers(1, 99),
    titles,
    st.none() | st.integers(1, 30),
    kind=st.sampled_from(["TV", "ONA", "OVA", "Movie"]),
)


@given(parts, st.lists(parts, max_size=8), st.booleans())
def test_no_number_is_given_twice_and_counting_has_no_gaps(
    asked: Part, before: list[Part], is_whole: bool
) -> None:
    found = places(asked, before, is_whole=is_whole)
    placed = [(run.season, n) for run in found for n in range(run.episode_from, run.episode_to + 1)]
    assert len(placed) == len(set(placed))
    counted = [run for run in found if run.absolute_from and run.absolute_to]
    absolute = [n for run in counted for n in range(run.absolute_from or 0, (run.absolute_to or 0) + 1)]
    assert absolute == list(range(1, len(absolute) + 1))
    assert all(run.why.endswith(".") for run in found)


@given(parts, st.lists(st.integers(-5, 200_000) | st.none(), max_size=20))
def test_any_list_crosses_the_wire(asked: Part, numbers: list[int | None]) -> None:
    answer = told(asked, *({"mal_id": number} for number in numbers))
    assert decode(encode(answer), SeriesEpisodes) == answer
    assert len(encode(answer)) < 1_000_000
