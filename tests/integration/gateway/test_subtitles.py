"""/v1/subtitles: what the page gets of texts from beside the release."""

import httpx

KEY = "tmdb:movie:603"


async def test_what_there_is(owner: httpx.AsyncClient) -> None:
    answer = await owner.get(f"/v1/subtitles/{KEY}/found", params={"languages": "en,de"})
    assert answer.status_code == 200
    assert answer.json()["quota"]["remaining"] == 7
    assert [text["language"] for text in answer.json()["subtitles"]] == ["en", "de"]


async def test_a_text_for_a_track(owner: httpx.AsyncClient) -> None:
    answer = await owner.get(f"/v1/subtitles/{KEY}.vtt", params={"language": "de"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/vtt; charset=utf-8"
    assert answer.text == f"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n{KEY} de\n"


async def test_refusals(owner: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    assert (await owner.get(f"/v1/subtitles/{KEY}")).status_code == 404
    assert (await owner.get(f"/v1/subtitles/{KEY}.vtt?file_id=0")).status_code == 400
    assert (await owner.get(f"/v1/subtitles/{'x' * 100}.vtt")).status_code == 400
    assert (await stranger.get(f"/v1/subtitles/{KEY}.vtt")).status_code == 401
