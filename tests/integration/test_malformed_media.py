"""Films that are broken or hostile end in words, in time, and within bounds; nothing else falls over."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from libs.sandbox.club.making import made
from libs.sandbox.club.reels import reel
from services.downloader.media.worker import MEMORY_BYTES
from tests.support.internet import FILMS
from tests.support.malformed import MKVS, MP4S, Spoiling
from tests.support.memory_source import MemorySource
from tests.support.theatre import showing

HOSTILE_S = 14.0
"""The ten seconds of CPU time that a question may take, and some to start and to end."""

PARTS = ("movie.m3u8", "video-init.mp4", "video-0.m4s", "video-3.m4s", "sound-0-1.m4s")
ANSWERS = {200, 404, 500, 502, 503, 504}


def kinds(spoilings: Mapping[str, Spoiling], good: str) -> list[object]:
    return [pytest.param(spoil, good, id=f"{good[-3:]}: {kind}") for kind, spoil in spoilings.items()]


@pytest.mark.parametrize(("spoil", "good"), [*kinds(MKVS, "h264-ac3.mkv"), *kinds(MP4S, "h264-ac3.mp4")])
async def test_a_malformed_film_ends_in_words_in_time_or_plays(
    spoil: Spoiling, good: str, tmp_path: Path
) -> None:
    broken = spoil(made(reel(good), FILMS).read_bytes())
    (tmp_path / "spool").mkdir()
    source = MemorySource([(f"film{good[-4:]}", broken)], tmp_path / "spool")
    async with showing(source) as show:
        began = time.monotonic()
        async with asyncio.timeout(HOSTILE_S):
            seen = await show.theatre.look()
        assert seen.media or seen.why_not
        assert seen.media is None or len(seen.media.sounds) <= 32
        for name in PARTS:
            async with asyncio.timeout(HOSTILE_S):
                assert (await show.player.get(f"/media/{name}")).status_code in ANSWERS, name
        if show.process.pid and psutil.pid_exists(show.process.pid):
            assert psutil.Process(show.process.pid).memory_info().rss < MEMORY_BYTES
        assert time.monotonic() - began < 6 * HOSTILE_S
        # Whatever became of it, the film itself is still served.
        assert (await show.player.get("/film")).content == broken
