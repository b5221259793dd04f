"""The film as it is published for browsers, seen by programs that know nothing of ours: FFmpeg's own."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from libs.sandbox.club import content
from libs.sandbox.club.making import made
from libs.sandbox.club.reels import reel
from tests.support.box import RunningBox
from tests.support.claps import claps_heard, claps_seen
from tests.support.internet import FILMS, Internet

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("ffmpeg", "ffprobe", "ffplay"))),
    reason="compares with FFmpeg's programs, which a system has from its own packages and .ci/run installs",
)

NAMES = (
    "h264-three-sounds.mkv",
    "h264-aac-no-cues.mkv",
    "h264-aac-vfr.mkv",
    "h264-aac-open-gop.mkv",
    "h264-aac-edit-list.mp4",
    "h264-ac3.mp4",
    "h264-truehd.mkv",
    "hevc-hdr10-eac3.mkv",
    "av1-opus.mkv",
    "vp9-vorbis.mkv",
)
LATE = frozenset(NAMES[:5]) | {"h264-ac3.mp4", "h264-truehd.mkv", "hevc-hdr10-eac3.mkv"}
"""Pictures that are stored out of order have negative composition offsets (ISO/IEC 14496-12, 8.6.1.3), which
browsers take as they are and FFmpeg's demuxer moves: there the picture is shown one to three late."""
FIRST_ID = 930_001
FRAME_S = 1 / content.FPS
SYNC_S = 0.012
"""Half of the encoder's shortest block: what a sharp edge may be off after it was AAC."""
PROGRAM_TIMEOUT_S = 60


@pytest.fixture(scope="module")
def box(shared_internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBox]:
    box = RunningBox(tmp_path_factory.mktemp("box"), shared_internet.environment())
    try:
        box.start()
        box.sign_in()
        yield box
    finally:
        box.close()


@pytest.fixture(scope="module", params=NAMES)
def pair(request: pytest.FixtureRequest, shared_internet: Internet, box: RunningBox) -> tuple[Path, Path]:
    """A reel, and what the store has of it when it is ready."""
    source = made(reel(request.param), FILMS)
    movie_id = FIRST_ID + NAMES.index(request.param)
    imdb_id = f"tt{movie_id}9"
    shared_internet.add_title(movie_id, f"Print {movie_id}", imdb_id)
    shared_internet.post(source, f"Print.{movie_id}.2024.1080p.WEB-DL.H.264-LAB", imdb_id=imdb_id)
    job_id = box.fetch(movie_id)
    box.until(job_id, "ready")
    return source, box.data / "store" / "movies" / job_id / "movie.mp4"


def said(*command: str | Path, **environment: str) -> str:
    """What a program prints; it must not complain."""
    done = subprocess.run(
        list(map(str, command)),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PROGRAM_TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), f"{command[0]}: {done.stderr[-2000:]}"
    return done.stdout


def probed(film: Path, *what: str) -> dict[str, Any]:
    return json.loads(said("ffprobe", "-v", "error", "-of", "json", *what, film))


def picture_hash(film: Path) -> str:
    """Of all its encoded pictures, in order."""
    streams = said(
        "ffmpeg", "-v", "error", "-i", film, "-map", "0:v:0", "-c", "copy", "-f", "streamhash", "-"
    )
    return streams.rpartition("=")[2].strip()


def shown_s(film: Path) -> tuple[int, float, float]:
    """How many pictures, from when to when."""
    frames = probed(film, "-select_streams", "v:0", "-show_entries", "frame=pts_time")["frames"]
    times_s = [float(frame["pts_time"]) for frame in frames]
    return len(times_s), min(times_s), max(times_s)


def expect_late(source: Path) -> None:
    if source.name in LATE:
        pytest.xfail("FFmpeg shows pictures late that are stored out of order; browsers don't")


def test_ffprobe_finds_nothing_wrong_with_it(pair: tuple[Path, Path]) -> None:
    source, published = pair
    streams = probed(published, "-show_streams", "-show_format", "-count_packets")["streams"]
    kinds = [stream["codec_type"] for stream in streams]
    assert kinds == ["video", *["audio"] * len(reel(source.name).sounds)]
    assert [stream["tags"]["language"] for stream in streams[1:]] == [
        sound.language for sound in reel(source.name).sounds
    ]


def test_its_pictures_are_the_films_bit_for_bit(pair: tuple[Path, Path]) -> None:
    source, published = pair
    assert picture_hash(published) == picture_hash(source)


def test_its_pictures_are_shown_when_the_films_are(pair: tuple[Path, Path]) -> None:
    source, published = pair
    expect_late(source)
    (many, first_s, last_s), (found, begin_s, end_s) = shown_s(source), shown_s(published)
    assert found == many
    assert begin_s == pytest.approx(first_s, abs=FRAME_S)
    assert end_s - begin_s == pytest.approx(last_s - first_s, abs=FRAME_S)


def test_sound_and_picture_belong_together(pair: tuple[Path, Path]) -> None:
    source, published = pair
    expect_late(source)
    for number, sound in enumerate(reel(source.name).sounds):
        before = [
            heard - seen for seen, heard in zip(claps_seen(source), claps_heard(source, number), strict=True)
        ]
        after = [
            heard - seen
            for seen, heard in zip(claps_seen(published), claps_heard(published, number), strict=True)
        ]
        assert after == pytest.approx(before, abs=SYNC_S), sound


def test_another_player_plays_it_to_its_end(pair: tuple[Path, Path]) -> None:
    _, published = pair
    said(
        *("ffplay", "-v", "error", "-nodisp", "-autoexit", "-ss", "23", published),
        SDL_VIDEODRIVER="dummy",
        SDL_AUDIODRIVER="dummy",
    )
