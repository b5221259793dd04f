"""A film's segments: the same pictures and sounds at the same times, however they are asked for."""

import hashlib
import io
import math
import random
import struct
from array import array
from collections.abc import Iterator
from itertools import pairwise

import av
import pytest

from services.downloader.errors import Unreadable
from services.downloader.media.boxes import children, descend
from services.downloader.media.presentation import NeedsReading, Presentation, open_presentation
from tests.support.media_films import Heard, Recipe, film

COPIED = {
    "h264 and AAC in MKV": Recipe(),
    "open groups of pictures": Recipe(video_options={"x264-params": "open-gop=1:bframes=3"}, b_frames=3),
    "no index": Recipe(is_piped=True),
    "variable frame rate": Recipe(is_variable=True),
    "MP4 with edit lists": Recipe(container="mp4", sounds=("aac", "flac")),
    "MP4 in fragments": Recipe(
        container="mp4", b_frames=0, muxer_options={"movflags": "frag_keyframe+empty_moov"}
    ),
    "HEVC": Recipe(video="libx265", container="mp4"),
    "AV1 and Opus": Recipe(video="libsvtav1", sounds=("libopus",), b_frames=0),
    "VP9 and Opus in WebM": Recipe(
        video="libvpx-vp9",
        sounds=("libopus",),
        container="webm",
        video_options={"deadline": "realtime", "cpu-used": "8"},
    ),
    "FLAC": Recipe(sounds=("flac",)),
    "three sounds": Recipe(sounds=("aac", "libopus", "flac")),
    "no sound": Recipe(sounds=()),
    "44.1 kHz": Recipe(rate=44_100),
    "a beginning that is not 0": Recipe(start_s=7),
    "turned": Recipe(container="mp4", rotation=90),
    "sound a little late": Recipe(late_s=0.7),
}


def movie(presentation: Presentation) -> io.BytesIO:
    parts = [presentation.head()]
    for number in range(presentation.segments):
        parts += [presentation.segment(rendition.name, number) for rendition in presentation.renditions]
    return io.BytesIO(b"".join(parts))


def packets(data: io.BytesIO, kind: str, number: int = 0) -> list[tuple[float, bytes]]:
    """Times since the first picture, and digests of the payloads, of one track."""
    data.seek(0)
    with av.open(data, options={"advanced_editlist": "0"}) as container:
        stream = getattr(container.streams, kind)[number]
        found = [packet for packet in container.demux(stream) if packet.size]
        return [
            (float(packet.pts * packet.time_base), hashlib.sha256(bytes(packet)).digest()) for packet in found
        ]


def shown_in_boxes(segments: list[bytes], timescale: int) -> list[float]:
    """The times of showing as the fragments' own tables say them."""
    times: list[float] = []
    for segment in segments:
        at, rows = rows_of(segment)
        for duration, _, _, offset in rows:
            times.append((at + offset) / timescale)
            at += duration
    return times


def rows_of(segment: bytes) -> tuple[int, list[tuple[int, int, int, int]]]:
    begin = descend(segment, b"moof", b"traf", b"tfdt")
    run = descend(segment, b"moof", b"traf", b"trun")
    assert begin is not None
    assert run is not None
    return struct.unpack_from(">Q", begin, 4)[0], list(struct.iter_unpack(">IIIi", run[12:]))


def timescale(init: bytes) -> int:
    header = descend(init, b"moov", b"trak", b"mdia", b"mdhd")
    assert header is not None
    return struct.unpack_from(">I", header, 12)[0]


@pytest.fixture(scope="module", params=COPIED)
def made(request: pytest.FixtureRequest) -> Iterator[tuple[io.BytesIO, Presentation]]:
    source = film(COPIED[request.param])
    presentation = open_presentation(source)
    yield source, presentation
    presentation.close()


def test_every_copied_packet_is_there_once_and_unchanged(made: tuple[io.BytesIO, Presentation]) -> None:
    source, presentation = made
    copied = [rendition for rendition in presentation.renditions if not rendition.is_converted]
    assert len(copied) == len(presentation.renditions)
    whole = movie(presentation)
    for rendition in copied:
        kind, number = ("video", 0) if rendition.kind == "video" else ("audio", int(rendition.name[6:]))
        before, after = packets(source, kind, number), packets(whole, kind, number)
        assert [digest for _, digest in after] == [digest for _, digest in before]


def test_pictures_are_shown_when_the_film_shows_them(made: tuple[io.BytesIO, Presentation]) -> None:
    source, presentation = made
    segments = [presentation.segment("video", number) for number in range(presentation.segments)]
    times = shown_in_boxes(segments, timescale(presentation.init("video")))
    before = [time for time, _ in packets(source, "video")]
    assert times == pytest.approx([time - min(before) for time in before], abs=1e-4)
    assert min(before) == pytest.approx(presentation.start_s)


def test_segments_follow_each_other_without_gap_or_overlap(made: tuple[io.BytesIO, Presentation]) -> None:
    _, presentation = made
    for rendition in presentation.renditions:
        read = [rows_of(presentation.segment(rendition.name, n)) for n in range(presentation.segments)]
        for (begin, rows), (following, _) in pairwise(read):
            assert begin + sum(row[0] for row in rows) == following
        if rendition.kind == "video":
            assert read[0][0] == 0


def test_a_segment_is_the_same_in_whatever_order_they_are_asked_for(
    made: tuple[io.BytesIO, Presentation],
) -> None:
    source, presentation = made
    in_order = {
        (rendition.name, number): presentation.segment(rendition.name, number)
        for number in range(presentation.segments)
        for rendition in presentation.renditions
    }
    asked = list(in_order)
    random.Random(4).shuffle(asked)
    for name, number in asked[:12]:
        other = open_presentation(source)
        assert other.segment(name, number) == in_order[name, number]
        other.close()


def test_pictures_decode_to_the_same(made: tuple[io.BytesIO, Presentation]) -> None:
    source, presentation = made
    assert decoded(movie(presentation)) == decoded(source)


def decoded(data: io.BytesIO) -> list[bytes]:
    data.seek(0)
    with av.open(data) as container:
        frames = container.decode(video=0)
        return [hashlib.sha256(b"".join(map(bytes, frame.planes))).digest() for frame in frames]


def test_the_whole_opens_as_a_film_of_the_same_length(made: tuple[io.BytesIO, Presentation]) -> None:
    _, presentation = made
    whole = movie(presentation)
    with av.open(whole) as container:
        assert len(container.streams) == len(presentation.renditions)
    assert presentation.duration_s == pytest.approx(15, abs=0.25)
    assert sum(presentation.durations_s) == pytest.approx(presentation.duration_s)


def test_an_init_and_a_segment_play_by_themselves(made: tuple[io.BytesIO, Presentation]) -> None:
    _, presentation = made
    for rendition in presentation.renditions:
        alone = io.BytesIO(presentation.init(rendition.name) + presentation.segment(rendition.name, 1))
        with av.open(alone) as container:
            assert sum(1 for _ in container.decode(container.streams[0])) > 10


def test_the_inits_lie_in_the_head(made: tuple[io.BytesIO, Presentation]) -> None:
    _, presentation = made
    head = presentation.head()
    for rendition in presentation.renditions:
        offset, length = presentation.init_range(rendition.name)
        assert head[offset : offset + length] == presentation.init(rendition.name)
    assert [kind for kind, _ in children(head)] == [b"ftyp", b"moov", b"free"]


def test_a_turned_picture_stays_turned() -> None:
    source = film(COPIED["turned"])
    whole = movie(open_presentation(source))
    source.seek(0)
    with av.open(whole) as after, av.open(source) as before:
        assert next(after.decode(video=0)).rotation == next(before.decode(video=0)).rotation != 0


CONVERTED = {
    "AC-3": Recipe(sounds=("ac3",)),
    "AC-3 in MP4": Recipe(sounds=("ac3",), container="mp4"),
    "E-AC-3 5.1": Recipe(sounds=("eac3",), layout="5.1"),
    "MP3": Recipe(sounds=("libmp3lame",)),
    "MP2 in MPEG-TS": Recipe(sounds=("mp2",), container="mpegts"),
    "PCM": Recipe(sounds=("pcm_s16le",)),
    "44.1 kHz": Recipe(sounds=("ac3",), rate=44_100),
    "32 kHz": Recipe(sounds=("ac3",), rate=32_000),
    "AAC in MPEG-TS": Recipe(sounds=("aac",), container="mpegts"),
}


@pytest.mark.parametrize("name", CONVERTED)
def test_converted_sound_is_where_it_was_and_has_no_seams(name: str) -> None:
    source = film(CONVERTED[name])
    presentation = open_presentation(source)
    assert presentation.renditions[1].is_converted
    before = Heard.of(source, 0, presentation.start_s).resampled(48_000)
    after = Heard.of(movie(presentation), 0).resampled(48_000)
    seconds = [half / 2 for half in range(2, 28)]
    apart = [offset(before.samples, after.samples, round(second * 48_000)) for second in seconds]
    # Matroska rounds the first packet's time to a millisecond; what follows must not move against it.
    exact = CONVERTED[name].container != "matroska" or name == "PCM"
    assert abs(apart[0]) <= (0 if exact else 48)
    assert max(apart) - min(apart) <= 1
    noise = [error(before.samples, after.samples, round(at * 48_000), apart[0]) for at in seconds]
    assert max(noise) < 0.03


def offset(before: "array[float]", after: "array[float]", at: int) -> int:
    """By how many samples a click lies later than it did."""
    click = range(at - 50, at + 250)
    return min(
        range(-60, 61), key=lambda moved: sum((before[place] - after[place + moved]) ** 2 for place in click)
    )


def error(before: "array[float]", after: "array[float]", at: int, moved: int) -> float:
    """The mean difference over a whole half second, and thereby over every seam."""
    total = sum((before[place] - after[place + moved]) ** 2 for place in range(at, at + 24_000))
    return math.sqrt(total / 24_000)


@pytest.mark.parametrize("recipe", [Recipe(sounds=("ac3",)), Recipe(late_s=5), Recipe(short_s=6)])
def test_converted_sound_is_the_same_in_any_order_and_as_long_as_the_picture(recipe: Recipe) -> None:
    source = film(recipe)
    presentation = open_presentation(source)
    assert presentation.renditions[1].is_converted
    numbers = range(presentation.segments)
    in_order = [presentation.segment("sound-0", number) for number in numbers]
    for number in reversed(numbers):
        assert open_presentation(source).segment("sound-0", number) == in_order[number]
    frames = sum(len(rows_of(segment)[1]) for segment in in_order)
    assert (frames - 1) * 1024 / 48_000 == pytest.approx(presentation.duration_s, abs=0.03)


def test_a_film_without_index_is_read_through_only_if_that_is_allowed() -> None:
    source = film(Recipe(is_piped=True, seconds=30, video_options={"x264-params": "bframes=0"}))
    with pytest.raises(NeedsReading, match="no index"):
        open_presentation(source, may_read_all=False)


@pytest.mark.parametrize(
    ("recipe", "why"),
    [
        (Recipe(video=None), "no picture"),
        (Recipe(video="mpeg2video", sounds=("mp2",), container="mpegts"), "mpeg2video"),
        (Recipe(seconds=70, video_options={"x264-params": "keyint=9999:scenecut=0"}), "too far apart"),
    ],
)
def test_what_cannot_be_presented_is_refused_with_a_sentence(recipe: Recipe, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        open_presentation(film(recipe))


def test_playlists_name_every_segment() -> None:
    recipe = Recipe(
        sounds=("aac", "ac3"), titles=('He said "hi"\n#EXT-X-ENDLIST', "\u2028"), languages=("eng", "fre")
    )
    presentation = open_presentation(film(recipe))
    master = presentation.master()
    assert "NAME=\"He said 'hi' #EXT-X-ENDLIST\"" in master
    assert master.count("\n#EXT-X-ENDLIST") == 0
    assert master.count("DEFAULT=YES") == 1
    assert 'LANGUAGE="fr"' in master
    assert 'AUDIO="sound"\nvideo.m3u8\n' in master
    on_demand = presentation.playlist("sound-1").splitlines()
    assert '#EXT-X-MAP:URI="sound-1-init.mp4"' in on_demand
    assert [line for line in on_demand if not line.startswith("#")] == [
        f"sound-1-{number}.m4s" for number in range(presentation.segments)
    ]


def test_published_playlists_point_into_the_movie() -> None:
    presentation = open_presentation(film(Recipe(sounds=())))
    whole = movie(presentation).getvalue()
    ranges, at = [], len(presentation.head())
    for number in range(presentation.segments):
        length = len(presentation.segment("video", number))
        ranges.append((at, length))
        at += length
    lines = presentation.published_playlist("video", ranges).splitlines()
    offset, length = presentation.init_range("video")
    assert f'#EXT-X-MAP:URI="movie.mp4",BYTERANGE="{length}@{offset}"' in lines
    told = [line.partition(":")[2] for line in lines if line.startswith("#EXT-X-BYTERANGE")]
    for number, said in enumerate(told):
        length, _, offset = said.partition("@")
        part = whole[int(offset) : int(offset) + int(length)]
        assert part == presentation.segment("video", number)
    assert at == len(whole)
