"""What the gateway tells of background tasks and genres, and to whom."""

import httpx

from tests.support.gateway import MOVIES, refusal


async def test_tasks_are_told_to_the_owner_alone(
    owner: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    told = (await owner.get("/v1/tasks")).raise_for_status().json()
    [task] = told["tasks"]
    assert told["off_because"] is None
    assert task["name"] == "movie_sync"
    assert task["next_run_at"] == "2026-01-02T03:04:05Z"
    assert task["last_run_at"] is task["last_error"] is None
    assert refusal(await stranger.get("/v1/tasks")) == (401, "UNAUTHORIZED")


async def test_genres_come_in_the_language_asked_for(owner: httpx.AsyncClient) -> None:
    for query, name in (("", "Action (en)"), ("?language=pt-BR", "Action (pt-BR)")):
        told = (await owner.get(f"{MOVIES}/genres{query}")).raise_for_status().json()
        assert told == {"genres": [{"id": 28, "name": name}], "is_stale": False}
