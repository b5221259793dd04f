"""Subtitle files that come with a film: posted beside it or stored with it, while it is fetched and after."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from libs.common.bus import Bus
from libs.common.jobs import Phase
from libs.sandbox.archives import rar5
from libs.sandbox.archives.names import part_names
from libs.sandbox.club.content import CUES
from libs.sandbox.club.making import made
from libs.sandbox.club.reels import reel
from tests.conftest import NatsServer
from tests.integration.test_companions import said
from tests.integration.test_theatre import ARTICLE_BYTES, player, probed, stored, takes
from tests.support.instances import Box
from tests.support.internet import FILMS, Internet
from tests.support.theatre import small_film

POSTED = "Posted.Words.2024.1080p.WEB-DL.DDP5.1.H.264-STAGE"
STORED = "Stored.Words.2024.1080p.WEB-DL.DDP5.1.H.264-STAGE"
AS_IT_IS = "Plain.Words.2024.1080p.WEB-DL.AAC.H.264-STAGE"

FRENCH = "1\n00:00:01,000 --> 00:00:02,500\nÇa alors, déjà <script>alert(1)</script>\n\n"
POLISH = "1\n00:00:03,000 --> 00:00:04,000\nZażółć gęślą jaźń\n\n"
SCRIPT = (
    "[Script Info]\nScriptType: v4.00+\n\n[Events]\nFormat: Layer, Start, End, Style, Text\n"
    "Dialogue: 0,0:00:05.00,0:00:06.00,Default,{\\i1}Guten Tag\n"
)
FILES = {
    "2_French.srt": FRENCH.encode("cp1252"),
    "film.pl.forced.srt": POLISH.encode("cp1250"),
    "film.de.sdh.ass": SCRIPT.encode("utf-16"),
    "3_English.srt": b"MZ\x90\0 this program cannot be run in DOS mode",
    "Setup.exe": b"MZ\x90\0" * 100,
    "film.spa.srt": b"1\n00:00:01,000 --> 00:00:02,000\nHola\n\n" * 150_000,
}
"""The last of these is too large to be a text."""
WORDS = {
    "fre": [("00:00:01.000", "Ça alors, déjà alert(1)")],
    "pol": [("00:00:03.000", "Zażółć gęślą jaźń")],
    "ger": [("00:00:05.000", "<i>Guten Tag</i>")],
}
EMBEDDED = [(f"00:00:{start:02}.000", words) for start, _, words in CUES]
FLAGS = {"fre": (False, False), "pol": (True, False), "ger": (False, True), "eng": (False, False)}
"""Forced, for hearing impaired: what the names say, whatever is inside."""


@pytest.fixture(scope="module")
def film(shared_internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """With files posted beside it; and with the same in an archive's volumes, before it and behind it."""
    directory = tmp_path_factory.mktemp("film")
    content = small_film(directory / "film.mkv", 40)
    beside = [directory / name for name in FILES]
    for path in beside:
        path.write_bytes(FILES[path.name])
    shared_internet.post(directory / "film.mkv", POSTED, *beside, article_bytes=ARTICLE_BYTES)
    inside = [(name, data) for name, data in FILES.items() if name.endswith(("srt", "ass"))]
    inside = [(f"Subs/{name}" if name[0].isdecimal() else name, data) for name, data in inside]
    members = [*inside[:2], ("film.mkv", content), *inside[2:4]]
    volumes: list[Path] = []
    for name, data in part_names(rar5.volumes(members, len(content) // 6), STORED):
        volumes.append(directory / name)
        volumes[-1].write_bytes(data)
    shared_internet.post(volumes[0], STORED, *volumes[1:], article_bytes=ARTICLE_BYTES)
    return content


@pytest.fixture(scope="module")
def plain_film(shared_internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An MP4 that every browser plays, with a text inside and one beside."""
    directory = tmp_path_factory.mktemp("film")
    (directory / "film.mp4").write_bytes(content := made(reel("h264-aac-words.mp4"), FILMS).read_bytes())
    (directory / "film.fr.srt").write_bytes(FILES["2_French.srt"])
    shared_internet.post(directory / "film.mp4", AS_IT_IS, directory / "film.fr.srt", article_bytes=8_000)
    return content


@pytest.fixture
async def box(
    tmp_path: Path, bus: Bus, nats_server: NatsServer, internet: Internet, film: bytes
) -> AsyncIterator[Box]:
    box = Box(tmp_path / "data", bus, nats_server, internet)
    yield box
    await box.close()


async def words_of(client: httpx.AsyncClient, number: int) -> list[tuple[str, str]]:
    playlist = (await client.get(f"text-{number}.m3u8")).text
    [name] = [line for line in playlist.splitlines() if not line.startswith("#")]
    document = await client.get(name)
    assert (document.status_code, document.headers["content-type"]) == (200, "text/vtt")
    return said(document.text)


@pytest.mark.parametrize("release", [POSTED, STORED])
async def test_they_are_there_while_the_film_comes_and_published_with_it(
    box: Box, film: bytes, release: str
) -> None:
    box.internet.misbehave(nntp=takes(20, film))
    await box.queue(release)
    await box.start()
    state = await probed(box)
    assert state.media
    numbers = {text.language: text.number for text in state.media.texts}
    assert {
        text.language: (text.is_forced, text.is_for_hearing_impaired) for text in state.media.texts
    } == FLAGS
    assert sorted(numbers.values()) == [1000, 1001, 1002, 1003]
    async with player(box, state) as client:
        master = (await client.get("movie.m3u8")).text
        assert [f'URI="text-{number}.m3u8"' in master for number in numbers.values()] == [True] * 4
        for language, words in WORDS.items():
            assert await words_of(client, numbers[language]) == words
        # What is no text though it is called one harms nobody.
        statuses = [f"text-{numbers['eng']}.vtt", "text-1004.m3u8", f"text-{numbers['fre']}.ass"]
        assert [(await client.get(name)).status_code for name in statuses] == [404, 404, 404]
        assert (await client.get("video-0.m4s")).status_code == 200
    assert (await box.state()).phase is Phase.DOWNLOADING
    box.internet.misbehave()
    await box.until(Phase.READY)
    found = stored(box)
    for language, words in WORDS.items():
        assert said(found[f"text-{numbers[language]}.vtt"].decode()) == words
    assert "Guten Tag" in found[f"text-{numbers['ger']}.ass"].decode()
    assert f"text-{numbers['eng']}.vtt" not in found
    assert found["movie.m3u8"].count(b"TYPE=SUBTITLES") == 3
    assert len(json.loads(found["movie.json"])["media"]["texts"]) == 4


async def test_a_film_that_is_published_as_it_came_has_its_texts_too(box: Box, plain_film: bytes) -> None:
    box.internet.misbehave(nntp=takes(10, plain_film))
    await box.queue(AS_IT_IS)
    await box.start()
    state = await probed(box)
    assert state.media
    assert [text.number for text in state.media.texts] == [0, 1000]
    async with player(box, state) as client:
        assert await words_of(client, 1000) == WORDS["fre"]
        assert (await box.state()).phase is Phase.DOWNLOADING
        # Two reads of the film, which is small, take most of it: there is no hurry any more.
        box.internet.misbehave()
        playlist = (await client.get("text-0.m3u8")).text
        pieces = [line for line in playlist.splitlines() if not line.startswith("#")]
        told = said((await client.get(pieces[-2])).text)
        assert told
        assert told == EMBEDDED[-len(told) :]
    await box.until(Phase.READY)
    found = stored(box)
    texts = ["text-0.m3u8", "text-0.vtt", "text-1000.m3u8", "text-1000.vtt"]
    assert sorted(found) == ["movie.json", "movie.mp4", *texts]
    assert found["movie.mp4"] == plain_film
    assert said(found["text-0.vtt"].decode()) == EMBEDDED
    assert said(found["text-1000.vtt"].decode()) == WORDS["fre"]
