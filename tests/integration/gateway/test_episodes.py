"""/v1/episodes: what the page gets of a series."""

import httpx
import pytest

from tests.support.gateway import refusal

PATH = "/v1/episodes"


async def test_a_list_by_its_public_names(owner: httpx.AsyncClient) -> None:
    answer = await owner.get(PATH, params={"seriesId": "tmdb:tv:1399"})
    assert answer.status_code == 200
    assert answer.json() == {
        "seriesId": "tmdb:tv:1399",
        "title": "Series",
        "kind": "series",
        "external": {"imdb_id": "tt9100001", "tvdb_id": None, "tmdb_id": None, "mal_id": None},
        "mapping": [
            {
                "season": 1,
                "episode_from": 1,
                "episode_to": 1,
                "absolute_from": 1,
                "absolute_to": 1,
                "why": "It is the first.",
            }
        ],
        "episodes": [
            {
                "episodeKey": "tmdb:tv:1399:1:1",
                "season": 1,
                "episode": 1,
                "absolute_ep": 1,
                "name": "The Ferry",
                "runtime_s": 2880,
                "air_date": "2022-01-07",
                "is_special": False,
                "is_aired": True,
            }
        ],
        "is_complete": True,
        "is_stale": False,
    }


@pytest.mark.parametrize(
    "params", [{}, {"seriesId": ""}, {"seriesId": "x" * 200}, {"seriesId": "imdb:1"}], ids=str
)
async def test_ids_that_are_none(owner: httpx.AsyncClient, params: dict[str, str]) -> None:
    assert refusal(await owner.get(PATH, params=params)) == (400, "INVALID_INPUT")


async def test_only_for_who_is_signed_in(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get(PATH, params={"seriesId": "tmdb:tv:1399"})
    assert refusal(answer) == (401, "UNAUTHORIZED")
