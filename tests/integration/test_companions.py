"""What is beside a film: texts, piece by piece while it is fetched; texts and previews in the store."""

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import av
import pytest

from libs.common.bus import Bus
from libs.common.jobs import Phase
from services.downloader.media.presentation import open_presentation
from tests.conftest import NatsServer
from tests.integration.test_theatre import ARTICLE_BYTES, player, probed, stored, takes
from tests.support.instances import Box
from tests.support.internet import Internet
from tests.support.subtitled import Lines
from tests.support.subtitled import film as subtitled

SPOKEN = "Spoken.Reels.2024.1080p.WEB-DL.DDP5.1.H.264-STAGE"
SECONDS, FIRST_MS, EVERY_S = 90, 500, 3
LINES: Lines = [
    (FIRST_MS + second * 1000, 1200, f"At {second} s".encode()) for second in range(0, SECONDS, EVERY_S)
]
SCRIPT: Lines = [
    (at_ms, lasts_ms, b"%d,0,Thought,,0,0,0,,{\\i1}" % place + text)
    for place, (at_ms, lasts_ms, text) in enumerate(LINES)
]
ASS = 1


@pytest.fixture(scope="module")
def film(shared_internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """SubRip, ASS, SubRip without a line, and pictures; the first picture isn't at the clock's zero."""
    tracks: list[tuple[str, Lines]] = [
        ("subrip", LINES),
        ("ass", SCRIPT),
        ("subrip", []),
        ("hdmv_pgs_subtitle", []),
    ]
    content = subtitled(
        "matroska", tracks, seconds=SECONDS, first_ms=FIRST_MS, languages={ASS: "fre"}, is_noisy=True
    ).getvalue()
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    path.write_bytes(content)
    shared_internet.post(path, SPOKEN, article_bytes=ARTICLE_BYTES)
    return content


@pytest.fixture
async def box(
    tmp_path: Path, bus: Bus, nats_server: NatsServer, internet: Internet, film: bytes
) -> AsyncIterator[Box]:
    box = Box(tmp_path / "data", bus, nats_server, internet)
    yield box
    await box.close()


def said(vtt: str) -> list[tuple[str, str]]:
    """When each cue begins, and what it says."""
    cues = [block.strip().split("\n", 1) for block in vtt.split("\n\n")[1:]]
    return [(timing.split(" ")[0], text) for timing, text in cues]


def whole(mark: str = "") -> list[tuple[str, str]]:
    after = mark.replace("<", "</")
    return [
        (f"00:{second // 60:02}:{second % 60:02}.000", f"{mark}At {second} s{after}")
        for second in range(0, SECONDS, EVERY_S)
    ]


async def test_texts_come_piece_by_piece_while_the_film_is_fetched(box: Box, film: bytes) -> None:
    box.internet.misbehave(nntp=takes(20, film))
    await box.queue(SPOKEN)
    await box.start()
    state = await probed(box)
    segments = open_presentation(io.BytesIO(film)).segments
    async with player(box, state) as client:
        master = (await client.get("movie.m3u8")).text
        named = [line for line in master.splitlines() if "TYPE=SUBTITLES" in line]
        assert [f'URI="text-{number}.m3u8"' in line for number, line in enumerate(named)] == [True] * 3
        assert ('LANGUAGE="fr"' in named[ASS], master.count('SUBTITLES="text"')) == (True, 1)
        playlist = (await client.get("text-0.m3u8")).text
        assert [line for line in playlist.splitlines() if not line.startswith("#")] == [
            f"text-0-{number}.vtt" for number in range(segments)
        ]
        # A seek to the end, before most of it is there.
        last = await client.get(f"text-0-{segments - 1}.vtt")
        assert (last.status_code, last.headers["content-type"]) == (200, "text/vtt")
        assert said(last.text)[-1] == whole()[-1]
        for name in ("text-3.m3u8", "text-3-0.vtt", "text-0-999.vtt", "sprites.vtt"):
            assert (await client.get(name)).status_code == 404
        for number, mark in ((0, ""), (ASS, "<i>")):
            pieces = [(await client.get(f"text-{number}-{segment}.vtt")).text for segment in range(4)]
            found = list(dict.fromkeys(cue for piece in pieces for cue in said(piece)))
            assert found == whole(mark)[: len(found)]
            assert len(found) >= 4 * 6 // EVERY_S
        assert (await box.state()).phase is Phase.DOWNLOADING


async def test_texts_and_previews_are_published_beside_the_film(box: Box, film: bytes) -> None:
    await box.queue(SPOKEN)
    await box.run()
    found = stored(box)
    assert sorted(found) == [
        *("movie.json", "movie.m3u8", "movie.mp4", "sprites-0.jpg", "sprites.vtt"),
        *("text-0.m3u8", "text-0.vtt", "text-1.ass", "text-1.m3u8", "text-1.vtt", "video.m3u8"),
    ]
    assert said(found["text-0.vtt"].decode()) == whole()
    assert said(found["text-1.vtt"].decode()) == whole("<i>")
    assert found["text-1.ass"].count(b"Dialogue: ") == len(SCRIPT)
    assert b"\ntext-1.vtt\n" in found["text-1.m3u8"]
    assert found["movie.m3u8"].count(b"TYPE=SUBTITLES") == 2
    assert len(json.loads(found["movie.json"])["media"]["texts"]) == 4
    assert [text.partition("#")[0] for _, text in said(found["sprites.vtt"].decode())] == [
        "sprites-0.jpg"
    ] * 3
    with av.open(io.BytesIO(found["sprites-0.jpg"])) as sheet:
        assert (sheet.streams.video[0].width, sheet.streams.video[0].height) == (3200, 180)
