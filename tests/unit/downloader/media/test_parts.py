"""The names of the prepared form's parts."""

import pytest

from libs.common.play import is_media_name
from services.downloader.media.messages import (
    Init,
    Master,
    Playlist,
    Questions,
    Segment,
    TextPiece,
    TextPlaylist,
)
from services.downloader.media.parts import SideText, part_named


@pytest.mark.parametrize(
    ("name", "question", "content_type"),
    [
        ("movie.m3u8", Master(), "application/vnd.apple.mpegurl"),
        ("video.m3u8", Playlist(rendition="video"), "application/vnd.apple.mpegurl"),
        ("sound-12.m3u8", Playlist(rendition="sound-12"), "application/vnd.apple.mpegurl"),
        ("video-init.mp4", Init(rendition="video"), "video/mp4"),
        ("sound-0-init.mp4", Init(rendition="sound-0"), "video/mp4"),
        ("video-0.m4s", Segment(rendition="video", number=0), "video/mp4"),
        ("text-2.m3u8", TextPlaylist(number=2), "application/vnd.apple.mpegurl"),
        ("text-0-17.vtt", TextPiece(number=0, segment=17), "text/vtt"),
        ("text-1000.vtt", SideText(1000, "vtt"), "text/vtt"),
        ("text-1001.ass", SideText(1001, "ass"), "text/x-ssa"),
        ("sound-3-1234.m4s", Segment(rendition="sound-3", number=1234), "video/mp4"),
    ],
)
def test_each_name_asks_for_one_part(name: str, question: Questions | SideText, content_type: str) -> None:
    assert is_media_name(name)
    part = part_named(name)
    assert part
    assert (part.question, part.content_type) == (question, content_type)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "movie.mp4",
        "video",
        "video-.m4s",
        "video--1.m4s",
        "sound.m3u8",
        "text-0.m4s",
        "text-0-1-2.vtt",
        "text.m3u8",
        "video-1.m4s/",
        "../video.m3u8",
    ],
)
def test_other_names_ask_for_nothing(name: str) -> None:
    assert part_named(name) is None
