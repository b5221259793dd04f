"""The club's reels against PyAV's demuxers: each is what its name says, and what is on it can be measured."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import cast

import av
import pytest

from libs.sandbox.club import content
from libs.sandbox.club.making import made
from libs.sandbox.club.reels import REELS, reel
from tests.support.claps import claps_heard, claps_seen
from tests.support.internet import FILMS

CUES_ID = bytes.fromhex("1c53bb6b")


def film(name: str) -> Path:
    return made(reel(name), FILMS)


def test_every_reel_has_a_name_of_its_own() -> None:
    assert len({one.name for one in REELS}) == len(REELS)
    with pytest.raises(LookupError, match="no reel"):
        reel("betamax.mkv")


def test_the_first_reel_has_all_that_can_be_chosen_from() -> None:
    with av.open(str(film("h264-three-sounds.mkv")), "r") as container:
        sounds = [(sound.codec_context.name, sound.language) for sound in container.streams.audio]
        texts = [text.codec_context.name for text in container.streams.subtitles]
        chapters = [chapter["metadata"]["title"] for chapter in container.chapters()]
        packets = [bytes(p) for p in container.demux(container.streams.subtitles[0]) if p.size]
    assert [language for _, language in sounds] == ["eng", "fra", "deu"]
    assert texts == ["srt", "ssa"]
    assert chapters == [title for _, title in content.CHAPTERS]
    assert [packet.decode() for packet in packets] == [text for _, _, text in content.CUES]


def test_claps_are_seen_when_they_are_heard() -> None:
    seen = claps_seen(film("h264-three-sounds.mkv"))
    assert seen == pytest.approx(content.claps_s(), abs=0.002)
    for number in range(3):
        assert claps_heard(film("h264-three-sounds.mkv"), number) == pytest.approx(seen, abs=0.006)


def test_pictures_are_late_where_an_edit_list_says_so() -> None:
    late = [second + 0.5 for second in content.claps_s()]
    assert claps_seen(film("h264-aac-edit-list.mp4")) == pytest.approx(late, abs=0.002)


def test_hdr_is_told_in_the_stream() -> None:
    with av.open(str(film("hevc-hdr10-eac3.mkv")), "r") as container:
        picture = container.streams.video[0].codec_context
        frame = next(container.decode(video=0))
    assert (picture.pix_fmt, picture.color_primaries, picture.color_trc) == ("yuv420p10le", 9, 16)
    beside = cast("Mapping[str, object]", frame.side_data)
    assert beside["MASTERING_DISPLAY_METADATA"]
    assert beside["CONTENT_LIGHT_LEVEL"]


def test_oddities_are_there() -> None:
    assert CUES_ID not in film("h264-aac-no-cues.mkv").read_bytes()
    assert CUES_ID in film("h264-aac-vfr.mkv").read_bytes()
    assert film("h264-aac-fragmented.mp4").read_bytes().count(b"moof") > 3
    with av.open(str(film("h264-aac-rotated.mp4")), "r") as container:
        assert abs(next(container.decode(video=0)).rotation) == 90
    with av.open(str(film("h264-aac-vfr.mkv")), "r") as container:
        times = [frame.pts for frame in container.decode(video=0) if frame.pts is not None]
    assert len({later - sooner for sooner, later in pairwise(times)}) > 2
