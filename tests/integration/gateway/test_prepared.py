"""A film that was prepared for browsers: planned for the device, and played part by part from where it is."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from libs.common.bus import Bus
from libs.common.events import Film
from libs.common.media import Media, Sound, Video
from libs.common.objects.files import FilesStore
from libs.common.plan import AAC, AC3, H264, HEVC
from libs.common.play import TOKEN_HEADER, play_token
from libs.common.ranges import Plan, Receive, Send, send_start
from tests.support.asgi_server import serving
from tests.support.gateway import SECRET, Running, Story, applied, refusal, tell

STORY = Story(5, 1)
START_SESSION = "/v1/session/start"
CHROMIUM = {"codecs": [H264, AAC, "made-up"], "screen": {"hdr": False}}
PARTS = {
    "movie.m3u8": b"#EXTM3U\nfrom the instance\n",
    "video-init.mp4": b"init",
    "video-1.m4s": bytes(range(256)) * 3000,
    "text-0.vtt": b"WEBVTT\n",
}
INIT, SEGMENTS = b"I" * 40, [b"a" * 1000, b"b" * 3_000_000, b"c" * 7]
FILM = b"ftyp" + INIT + b"".join(SEGMENTS)


def film(*sounds: str, faststart: bool = False, codec: str = "h264") -> Media:
    return Media(
        container="mp4" if faststart else "mkv",
        duration_s=61.5,
        bits_per_s=1,
        is_faststart=faststart,
        video=Video(codec=codec, width=1920, height=1080),
        sounds=tuple(Sound(number=n, codec=name, channels=6) for n, name in enumerate(sounds)),
    )


class Instance:
    """Answers for PARTS as an instance's play server does; `asked` is what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        assert headers[TOKEN_HEADER.encode()].decode() == play_token(SECRET, STORY.job_id, 1, 1)
        self.asked.append(scope["path"])
        content = PARTS.get(scope["path"].removeprefix("/media/"))
        body = b"" if content is None or scope["method"] == "HEAD" else content
        about = {"content-length": str(len(content or b"")), "content-type": "text/x"}
        await send_start(send, Plan(status=404 if content is None else 200, headers=about, start=0, length=0))
        await send({"type": "http.response.body", "body": body, "more_body": False})


class Served(msgspec.Struct, frozen=True):
    instance: Instance
    address: str


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    instance = Instance()
    async with serving(instance) as url:
        yield Served(instance, url.removeprefix("http://"))


async def probed(house: Running, bus: Bus, address: str, media: Media | None) -> Story:
    story = Story(5, 1)
    events = [*story.up_to("downloading"), story.playable(address), story.probed(media)]
    await applied(house, bus, await tell(bus, *events))
    return story


async def published(house: Running, bus: Bus, story: Story, data: Path) -> FilesStore:
    """The film is in the store as browsers want it, and the job is ready."""
    store = FilesStore(data / "store", public_url=house.url, secret=SECRET)
    folder = f"movies/{story.job_id}"
    lines = ["#EXTM3U", f'#EXT-X-MAP:URI="movie.mp4",BYTERANGE="{len(INIT)}@4"']
    at = 4 + len(INIT)
    for segment in SEGMENTS:
        lines += ["#EXTINF:6.0,", f"#EXT-X-BYTERANGE:{len(segment)}@{at}", "movie.mp4"]
        at += len(segment)
    texts = {
        "movie.m3u8": b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nvideo.m3u8\n",
        "video.m3u8": "\n".join([*lines, "#EXT-X-ENDLIST", ""]).encode(),
        "text-0.vtt": b"WEBVTT\n\nstored",
        "text-0.m3u8": b"#EXTM3U\n#EXTINF:60.0,\ntext-0.vtt\n#EXT-X-ENDLIST\n",
        "text-1.m3u8": b"#EXTM3U\n#EXTINF:60.0,\nmovie.mp4\n",
        "sound-0.m3u8": b"#EXTM3U\nhttps://elsewhere.example/x\n",
        "movie.mp4": FILM,
        "sprites-0.jpg": b"jpeg",
    }
    for name, content in texts.items():
        await store.put(f"{folder}/{name}", content, content_type="video/mp4")
    ready = Film(
        key=f"{folder}/movie.mp4",
        size_bytes=len(FILM),
        content_type="video/mp4",
        playlist_key=f"{folder}/movie.m3u8",
    )
    await applied(house, bus, await tell(bus, story.ready(ready)))
    return store


async def session(owner: httpx.AsyncClient, caps: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = await owner.post(START_SESSION, json={"titleId": "tmdb:movie:5", "deviceCaps": caps})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("media", "caps", "way", "mode"),
    [
        (film("ac3"), CHROMIUM, "sound_converted", "hls"),
        (film("aac"), None, "remux", "hls"),
        (film("aac", faststart=True), CHROMIUM, "as_is", "file"),
        (film("aac", faststart=True), None, "as_is", "file"),
        # What is published for everybody is other bytes than these: the player must not begin with them.
        (film("ac3", faststart=True), {"codecs": [H264, AAC, AC3]}, "as_is", "hls"),
        (film("aac", codec="hevc"), {"codecs": [HEVC, AAC]}, "remux", "hls"),
        (film("aac", codec="hevc"), CHROMIUM, "cannot", "file"),
        (film("aac", codec="hevc"), {"codecs": []}, "cannot", "file"),
        (None, CHROMIUM, None, "file"),
    ],
)
async def test_a_session_is_planned_for_its_device(
    bus: Bus,
    house: Running,
    owner: httpx.AsyncClient,
    media: Media | None,
    caps: dict[str, Any] | None,
    way: str | None,
    mode: str,
) -> None:
    await probed(house, bus, "127.0.0.1:1", media)
    started = await session(owner, caps)
    assert (started["playable"], started["mode"]) == (True, mode)
    assert (started["plan"] and started["plan"]["way"]) == way
    assert bool(started["plan"] and started["plan"]["reasons"]) == bool(way)
    assert msgspec.convert(started["media"], Media | None) == media
    assert started["durationS"] == (61.5 if media else None)


async def test_nothing_is_planned_before_the_film_is_known(
    bus: Bus, house: Running, owner: httpx.AsyncClient
) -> None:
    story = Story(5, 1)
    await applied(house, bus, await tell(bus, *story.up_to("downloading"), story.playable("127.0.0.1:1")))
    started = await session(owner, CHROMIUM)
    assert [started[name] for name in ("playable", "mode", "plan", "media", "durationS")] == [
        False,
        *[None] * 4,
    ]
    job = (await owner.get(f"/api/movies-on-demand/jobs/{story.job_id}")).json()
    assert job["playable"] is False
    await applied(house, bus, await tell(bus, story.probed(film("aac"))))
    assert (await session(owner, CHROMIUM))["mode"] == "hls"
    assert (await owner.get(f"/api/movies-on-demand/jobs/{story.job_id}")).json()["playable"] is True


@pytest.mark.parametrize(
    "caps",
    [{"codecs": ["x" * 65]}, {"codecs": ["x"] * 65}, {"codecs": [7]}, {"codecs": "avc1.640028"}, []],
)
async def test_a_device_that_says_too_much_is_refused(owner: httpx.AsyncClient, caps: Any) -> None:
    answer = await owner.post(START_SESSION, json={"titleId": "tmdb:movie:5", "deviceCaps": caps})
    assert refusal(answer) == (400, "INVALID_INPUT")


async def test_parts_come_from_the_instance_while_it_fetches(
    bus: Bus, house: Running, owner: httpx.AsyncClient, stranger: httpx.AsyncClient, served: Served
) -> None:
    await probed(house, bus, served.address, film("ac3"))
    url = (await session(owner, CHROMIUM))["streamUrl"]
    for name, content in PARTS.items():
        answer = await stranger.get(f"{url}/{name}")
        assert (answer.status_code, answer.content) == (200, content)
    head = await stranger.head(f"{url}/video-1.m4s")
    assert (head.headers["content-length"], head.content) == (str(len(PARTS["video-1.m4s"])), b"")
    assert refusal(await stranger.get(f"{url}/video-99.m4s")) == (404, "NOT_FOUND")
    told = list(served.instance.asked)
    assert told[:4] == [f"/media/{name}" for name in PARTS]
    for wrong in ("movie.mp4", "movie.json", "x/movie.m3u8", "..%2ffilm", "movie.m3u8%00", "video-1.m4s%0a"):
        assert refusal(await stranger.get(f"{url}/{wrong}")) == (404, "NOT_FOUND")
    assert refusal(await stranger.get(f"/v1/stream/x/{next(iter(PARTS))}")) == (404, "NOT_FOUND")
    assert served.instance.asked == told


async def test_a_ready_film_is_read_from_the_store_by_its_playlist(
    bus: Bus, house: Running, owner: httpx.AsyncClient, stranger: httpx.AsyncClient, tmp_path: Path
) -> None:
    story = await probed(house, bus, "127.0.0.1:1", film("ac3"))
    await published(house, bus, story, tmp_path / "data")
    started = await session(owner, CHROMIUM)
    assert (started["mode"], started["plan"]["way"]) == ("hls", "sound_converted")
    url = started["streamUrl"]
    master = await stranger.get(f"{url}/movie.m3u8")
    assert master.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert master.text.splitlines()[-1] == "video.m3u8"
    playlist = await stranger.get(f"{url}/video.m3u8")
    assert playlist.headers["content-encoding"] == "gzip"
    plain = await stranger.get(f"{url}/video.m3u8", headers={"accept-encoding": "identity"})
    assert ("content-encoding" in plain.headers, plain.text) == (False, playlist.text)
    assert (await stranger.head(f"{url}/video.m3u8")).content == b""
    got = b""
    for length, offset, signed in re.findall(r"BYTERANGE:(\d+)@(\d+)\n(\S+)", playlist.text):
        assert signed.startswith(f"{house.url}/files/movies/")
        span = f"bytes={offset}-{int(offset) + int(length) - 1}"
        got += (await stranger.get(signed, headers={"range": span})).content
    assert got == b"".join(SEGMENTS)
    begin = re.findall(r'URI="([^"]+)",BYTERANGE="40@4"', playlist.text)
    assert (await stranger.get(begin[0], headers={"range": "bytes=4-43"})).content == INIT
    text = await stranger.get(f"{url}/text-0.vtt")
    assert (text.content, text.headers["content-type"]) == (b"WEBVTT\n\nstored", "text/vtt")
    texts = await stranger.get(f"{url}/text-0.m3u8")
    assert texts.text.splitlines()[-2:] == ["text-0.vtt", "#EXT-X-ENDLIST"]
    # For who began while it was fetched in pieces.
    assert (await stranger.get(f"{url}/text-0-7.vtt")).content == text.content
    assert refusal(await stranger.get(f"{url}/text-1.m3u8")) == (502, "STORAGE_ERROR")
    sprites = await stranger.get(f"{url}/sprites-0.jpg")
    assert sprites.status_code == 307
    assert (await stranger.get(sprites.headers["location"])).content == b"jpeg"
    whole = await stranger.get(url)
    assert (await stranger.get(whole.headers["location"])).content == FILM
    for missing in ("text-9.vtt", "sound-7.m3u8", "video-3.m4s", "sound-9-0.m4s"):
        assert refusal(await stranger.get(f"{url}/{missing}")) == (404, "NOT_FOUND")
    assert refusal(await stranger.get(f"{url}/sound-0.m3u8")) == (502, "STORAGE_ERROR")


async def test_a_session_begun_before_goes_on_with_the_same_parts(
    bus: Bus,
    house: Running,
    owner: httpx.AsyncClient,
    stranger: httpx.AsyncClient,
    served: Served,
    tmp_path: Path,
) -> None:
    story = await probed(house, bus, served.address, film("ac3"))
    url = (await session(owner, CHROMIUM))["streamUrl"]
    await stranger.get(f"{url}/movie.m3u8")
    await published(house, bus, story, tmp_path / "data")
    for number, segment in enumerate(SEGMENTS):
        assert (await stranger.get(f"{url}/video-{number}.m4s")).content == segment
    assert (await stranger.get(f"{url}/video-init.mp4")).content == INIT
    part = await stranger.get(f"{url}/video-1.m4s", headers={"range": "bytes=1999990-2000009"})
    assert (part.status_code, part.content) == (206, b"b" * 20)
    head = await stranger.head(f"{url}/video-1.m4s")
    assert (head.headers["content-length"], head.content) == ("3000000", b"")
    # The file that was fetched and the film that is stored are different bytes.
    assert refusal(await stranger.get(url)) == (409, "CONFLICT")


async def test_parts_of_a_film_that_was_published_as_it_came_are_no_more(
    bus: Bus, house: Running, owner: httpx.AsyncClient, stranger: httpx.AsyncClient, served: Served
) -> None:
    story = await probed(house, bus, served.address, film("ac3"))
    url = (await session(owner, CHROMIUM))["streamUrl"]
    await applied(house, bus, await tell(bus, story.ready()))
    assert refusal(await stranger.get(f"{url}/video-1.m4s")) == (409, "CONFLICT")
    assert (await stranger.get(url)).status_code == 307
    assert (await session(owner, CHROMIUM))["mode"] == "file"


async def test_texts_of_a_film_that_was_published_as_it_came_are_beside_it(
    bus: Bus,
    house: Running,
    owner: httpx.AsyncClient,
    stranger: httpx.AsyncClient,
    served: Served,
    tmp_path: Path,
) -> None:
    story = await probed(house, bus, served.address, film("aac", faststart=True))
    before = (await session(owner, CHROMIUM))["streamUrl"]
    folder = f"movies/{story.job_id}"
    store = FilesStore(tmp_path / "data" / "store", public_url=house.url, secret=SECRET)
    await store.put(f"{folder}/text-1000.vtt", b"WEBVTT", content_type="text/vtt")
    playlist = b"#EXTM3U\n#EXTINF:60.0,\ntext-1000.vtt\n#EXT-X-ENDLIST\n"
    await store.put(f"{folder}/text-1000.m3u8", playlist, content_type="video/mp4")
    await applied(house, bus, await tell(bus, story.ready()))
    for url in (before, (await session(owner, CHROMIUM))["streamUrl"]):
        assert (await stranger.get(f"{url}/text-1000.m3u8")).content == playlist
        assert (await stranger.get(f"{url}/text-1000.vtt")).content == b"WEBVTT"
        assert refusal(await stranger.get(f"{url}/text-0.vtt")) == (404, "NOT_FOUND")


async def test_players_tell_how_it_goes(
    bus: Bus, house: Running, owner: httpx.AsyncClient, browser: httpx.AsyncClient
) -> None:
    await probed(house, bus, "127.0.0.1:1", film("aac"))
    told = {"sessionId": (await session(owner))["sessionId"], "kind": "first_frame", "value": 812.5}
    assert (await owner.post("/v1/session/events", json=told)).status_code == 204
    assert refusal(await browser.post("/v1/session/events", json=told)) == (404, "NOT_FOUND")
    for wrong in (
        {"kind": "boredom"},
        {"value": -1},
        {"value": 1e300},
        {"sessionId": "x" * 301},
        {"more": 1},
    ):
        answer = await owner.post("/v1/session/events", json=told | wrong)
        assert refusal(answer) == (400, "INVALID_INPUT")
    statuses = {(await owner.post("/v1/session/events", json=told)).status_code for _ in range(40)}
    assert statuses == {204}
    metrics = (await owner.get("/metrics")).text
    assert re.search(r"matinee_start_to_first_frame_ms_count \d", metrics)
