"""What a film is said to hold, and what is done with files that lie."""

import io
import random
import struct

import pytest

from libs.common.media import Sound
from services.downloader.errors import Unreadable
from services.downloader.media.boxes import box, full_box, is_faststart
from services.downloader.media.presentation import open_presentation
from services.downloader.media.probe import probe
from tests.support.media_films import Recipe, film


@pytest.mark.parametrize(
    ("recipe", "container", "codec_string"),
    [
        (Recipe(), "mkv", "avc1.4d400a"),
        (Recipe(video="libsvtav1", sounds=("libopus",), container="webm"), "webm", "av01.0.00M.08"),
        (Recipe(video="libx265", container="mp4"), "mp4", "hvc1.1.6.L30.90"),
        (Recipe(video="libsvtav1", sounds=("libopus",)), "mkv", "av01.0.00M.08"),
        (Recipe(video="mpeg2video", container="mpegts", sounds=("mp2",)), "ts", None),
    ],
)
def test_the_picture(recipe: Recipe, container: str, codec_string: str | None) -> None:
    media = probe(film(recipe))
    assert media.container == container
    assert media.duration_s == pytest.approx(15, abs=0.3)
    assert media.video is not None
    assert media.video.codec_string == codec_string
    assert (media.video.width, media.video.height, media.video.bit_depth) == (128, 96, 8)


def test_the_sounds() -> None:
    recipe = Recipe(
        sounds=("aac", "ac3", "flac"), languages=("eng", "und", "fre"), titles=("", "A\nCommentary", "")
    )
    first, second, third = probe(film(recipe)).sounds
    assert (first.codec, first.codec_string, first.language) == ("aac", "mp4a.40.2", "eng")
    assert second == Sound(
        number=1,
        codec="ac3",
        codec_string="ac-3",
        channels=2,
        title="A Commentary",
        is_default=second.is_default,
        is_commentary=True,
    )
    assert (third.codec_string, third.language) == ("flac", "fre")


def moov(*edits: tuple[int, int], version: int = 0) -> bytes:
    """Of a film that counts in ms, and whose second track has these edits: how long, from when on."""
    timescale = bytes(16 if version else 8) + struct.pack(">I", 1000)
    listed = [struct.pack(">Qqi" if version else ">Iii", *edit, 1 << 16) for edit in edits]
    count = struct.pack(">I", len(edits))
    track = box(
        b"trak", box(b"tkhd"), box(b"edts", full_box(b"elst", version, 0, count, *listed)), box(b"mdia")
    )
    return box(b"moov", full_box(b"mvhd", version, 0, timescale), box(b"trak", box(b"tkhd")), track)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([box(b"ftyp"), box(b"moov", box(b"mvhd")), box(b"mdat")], True),
        ([box(b"ftyp"), box(b"free"), box(b"mdat"), box(b"moov")], False),
        ([box(b"ftyp"), box(b"moov", box(b"mvhd"), box(b"mvex")), box(b"moof")], False),
        ([box(b"ftyp"), moov((500, -1), (20_000, 0)), box(b"mdat")], False),
        ([box(b"ftyp"), moov((300, -1), (300, -1), (20_000, 0), version=1), box(b"mdat")], False),
        ([box(b"ftyp"), moov((23, -1), (20_000, 1024)), box(b"mdat")], True),
        ([box(b"ftyp"), moov((20_000, 2048)), box(b"mdat")], True),
        ([box(b"ftyp"), moov((20_000, 0), (900, -1)), box(b"mdat")], True),
    ],
)
def test_an_mp4_that_plays_from_its_beginning(boxes: list[bytes], expected: bool) -> None:
    assert is_faststart(io.BytesIO(b"".join(boxes))) is expected


def test_boxes_that_lie_about_their_size() -> None:
    endless = box(b"ftyp", b"isom") + struct.pack(">I4sQ", 1, b"free", 2**62)
    assert not is_faststart(io.BytesIO(endless))
    assert not is_faststart(io.BytesIO(box(b"free") * 1000))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a film at all" * 100,
        b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nhttp://127.0.0.1:1/secret.ts\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
    ],
)
def test_what_is_no_film_is_refused_with_a_sentence(data: bytes) -> None:
    with pytest.raises(Unreadable, match=r"failed: .*\. Another release"):
        probe(io.BytesIO(data))


@pytest.mark.parametrize("container", ["matroska", "mp4"])
def test_damaged_films_are_read_or_refused(container: str) -> None:
    whole = film(Recipe(container=container, seconds=8, sounds=("aac", "ac3"))).getvalue()
    rng, read = random.Random(container), 0
    for turn in range(60):
        data = bytearray(whole[: rng.randrange(len(whole))] if turn % 3 == 0 else whole)
        for _ in range(rng.randrange(1, 8)):
            if data:
                data[rng.randrange(min(len(data), 3000))] = rng.randrange(256)
        read += presents(bytes(data))
    assert read


def presents(data: bytes) -> bool:
    try:
        presentation = open_presentation(io.BytesIO(data))
        for number in range(min(presentation.segments, 3)):
            for rendition in presentation.renditions:
                presentation.segment(rendition.name, number)
        presentation.close()
    except Unreadable:
        return False
    return True
