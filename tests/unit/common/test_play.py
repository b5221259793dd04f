"""The names of a prepared film's parts: these, and nothing that leads elsewhere."""

import pytest

from libs.common.play import is_media_name


@pytest.mark.parametrize(
    "name",
    [
        "movie.m3u8",
        "video.m3u8",
        "sound-0.m3u8",
        "sound-12.m3u8",
        "video-init.mp4",
        "video-0.m4s",
        "video-12345.m4s",
        "sound-3-init.mp4",
        "sound-3-17.m4s",
        "text-0.vtt",
        "text-1.ass",
        "text-2.sup",
        "sprites.vtt",
        "sprites-4.jpg",
    ],
)
def test_parts_of_a_prepared_film(name: str) -> None:
    assert is_media_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "movie.mp4",
        "movie.json",
        "original.mkv",
        "video-.m4s",
        "video-01.m4s",
        "video--1.m4s",
        "video-1234567.m4s",
        "video-٣.m4s",
        "video-1.m4s\n",
        "sound.m3u8",
        "sound-0-init.mp4/",
        "text-0.srt",
        "../movie.m3u8",
        "movie.m3u8/..",
        "x/movie.m3u8",
        "%2e%2e/movie.m3u8",
    ],
)
def test_nothing_else(name: str) -> None:
    assert not is_media_name(name)
