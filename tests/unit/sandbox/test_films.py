"""Films and pictures against PyAV's demuxers and Pillow's decoder."""

import io
from pathlib import Path

import av
import pytest
from PIL import Image

from libs.sandbox.films import render_film
from libs.sandbox.posters import draw_backdrop, draw_poster
from libs.sandbox.titles import FEW, FilmSpec, load_titles

TITLES = {title.id: title for title in load_titles()}


@pytest.mark.parametrize(("container", "format_name"), [("mkv", "matroska"), ("mp4", "mp4")])
def test_a_film_has_the_promised_streams_length_and_keyframes(
    tmp_path: Path, container, format_name: str
) -> None:
    path = tmp_path / f"film.{container}"
    render_film(TITLES[900001], FilmSpec(container=container, seconds=5), path)
    with av.open(str(path)) as film:
        video, audio = film.streams.video[0], film.streams.audio[0]
        assert format_name in film.format.name
        assert (video.codec_context.name, video.width, video.height) == ("h264", 640, 360)
        assert video.codec_context.pix_fmt == "yuv420p"
        assert (audio.codec_context.name, audio.layout.name, audio.rate) == ("aac", "stereo", 48_000)
        assert film.duration / av.time_base == pytest.approx(5, abs=0.1)
        frames = list(film.decode(video=0))
    assert len(frames) == 5 * 24
    assert [n for n, frame in enumerate(frames) if frame.key_frame] == [0, 48, 96]


def test_a_film_is_audible_and_its_tone_changes(tmp_path: Path) -> None:
    render_film(TITLES[900002], FilmSpec(container="mkv", seconds=3), tmp_path / "film.mkv")
    with av.open(str(tmp_path / "film.mkv")) as film:
        planes = [bytes(frame.planes[0]) for frame in film.decode(audio=0)]
    assert len(set(planes)) > 100
    assert max(memoryview(b"".join(planes)).cast("f")) > 0.2


def test_a_film_is_the_same_each_time(tmp_path: Path) -> None:
    spec = FilmSpec(container="mp4", seconds=2)
    render_film(TITLES[900003], spec, tmp_path / "a.mp4")
    render_film(TITLES[900003], spec, tmp_path / "b.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


def test_an_mp4_begins_with_its_index(tmp_path: Path) -> None:
    render_film(TITLES[900003], FilmSpec(container="mp4", seconds=2), tmp_path / "film.mp4")
    data = (tmp_path / "film.mp4").read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")


@pytest.mark.parametrize("title", TITLES.values(), ids=lambda title: title.title)
def test_every_title_has_a_poster_and_a_backdrop(title) -> None:
    poster, backdrop = (Image.open(io.BytesIO(draw(title))) for draw in (draw_poster, draw_backdrop))
    assert (poster.format, poster.size) == ("JPEG", (500, 750))
    assert (backdrop.format, backdrop.size) == ("JPEG", (1280, 720))
    assert len(poster.getcolors(500 * 750) or []) > 100


def test_the_programme_is_as_described() -> None:
    films = [title.film for title in TITLES.values() if title.film]
    assert len(films) >= 12
    assert all(20 <= film.seconds <= 60 for film in films)
    assert abs(sum(1 if film.container == "mkv" else -1 for film in films)) <= 1
    assert [film.container for title_id in FEW if (film := TITLES[title_id].film)] == [
        "mkv",
        "mkv",
        "mp4",
        "mp4",
    ]
    assert len([title for title in TITLES.values() if title.imdb_id is None]) == 1
