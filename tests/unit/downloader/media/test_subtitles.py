"""Subtitle tracks inside of films: whole, piece by piece, and from only the bytes that they need."""

import io
import math
import struct
from itertools import pairwise

import pytest

from libs.common.subtitles.cues import NoSubtitles
from services.downloader.errors import Unreadable
from services.downloader.media import subtitles
from services.downloader.media.text_files import TextFiles
from tests.support.subtitled import Lines, film

SPOKEN: Lines = [(1000 * n, 800, f"line {n}".encode()) for n in range(1, 19)]
STYL = struct.pack(">I4sHHHHBB4s", 22, b"styl", 1, 0, 3, 1, 2, 12, b"\xff" * 4)
OBJECT = b"\x16\x00\x0b" + bytes(11) + b"\x80\x00\x00"


class Counting(io.BytesIO):
    """Knows which bytes were read."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.touched: list[tuple[int, int]] = []

    def read(self, size: int | None = -1) -> bytes:
        at = self.tell()
        data = super().read(size)
        self.touched.append((at, at + len(data)))
        return data


def texts(vtt: str) -> list[str]:
    return [block.split("\n", 1)[1].strip() for block in vtt.split("\n\n")[1:]]


@pytest.mark.parametrize(
    ("container", "codec", "packet", "expected"),
    [
        ("matroska", "subrip", b"{\\an8}<i>Hey</i> <font color=red>you</font>", "<i>Hey</i> you"),
        ("matroska", "subrip", "Schön".encode("cp1252"), "Schön"),
        ("matroska", "webvtt", b"<v Fred><c.yellow>Hey</c>", "<c.yellow>Hey</c>"),
        ("matroska", "ass", b"0,0,Thought,,0,0,0,,Hey,\\Nyou", "<i>Hey,\nyou</i>"),
        ("mp4", "mov_text", b"\x00\x07Hey you" + STYL, "<i>Hey</i> you"),
        ("mp4", "mov_text", b"\x00\x0e<i>Hey you</i>", "<i>Hey you</i>"),
        ("mp4", "mov_text", b"\x00\x10\xfe\xff" + "Hey you".encode("utf-16-be"), "Hey you"),
    ],
)
def test_every_kind_of_text_becomes_webvtt(container: str, codec: str, packet: bytes, expected: str) -> None:
    with film(container, [(codec, [(1000, 1500, packet)])]) as made:
        [cue] = subtitles.cues(made, 0)
    assert (cue.start_ms, cue.end_ms, cue.text) == (1000, 2500, expected)


@pytest.mark.parametrize("container", ["matroska", "mp4"])
def test_pieces_together_are_the_whole(container: str) -> None:
    lines = [(start, lasts, b"\x00" + bytes([len(text)]) + text) for start, lasts, text in SPOKEN]
    codec, packets = ("mov_text", lines) if container == "mp4" else ("subrip", SPOKEN)
    with film(container, [(codec, packets)]) as made:
        whole = subtitles.cues(made, 0)
        pieces = [subtitles.cues(made, 0, start, start + 4) for start in range(0, 20, 4)]
    assert [cue.text for cue in whole] == [f"line {n}" for n in range(1, 19)]
    assert {cue for piece in pieces for cue in piece} == set(whole)


def test_a_cue_across_a_border_is_in_both_pieces() -> None:
    with film("matroska", [("subrip", [(5500, 1000, b"across"), (7000, 500, b"after")])]) as made:
        assert texts(subtitles.segment(made, 0, 0, 6)) == ["across"]
        assert texts(subtitles.segment(made, 0, 6, 6)) == ["across", "after"]
        assert texts(subtitles.segment(made, 0, 12, 6)) == []
        assert subtitles.segment(made, 0, 6, 6).startswith("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:")


def test_time_begins_with_the_first_picture() -> None:
    with film("matroska", [("subrip", [(2500, 800, b"two")])], first_ms=500) as made:
        [cue] = subtitles.cues(made, 0)
        assert cue.start_ms == 2000
        assert [cue.start_ms for cue in subtitles.cues(made, 0, 1.5, 2.5)] == [2000]


def test_a_piece_is_read_from_its_place_alone() -> None:
    with film(
        "matroska", [("subrip", [(1000 * n, 800, b"x" * 2000) for n in range(1, 299)])], seconds=300
    ) as made:
        counting = Counting(made.getvalue())
    assert len(subtitles.cues(counting, 0, 150, 156)) == 6
    size = len(counting.getvalue())
    # The head, the index at the end, and one stretch in the middle; libav reads in blocks.
    middle = [span for span in counting.touched if size * 0.1 < span[0] < size * 0.9]
    assert sum(end - start for start, end in middle) <= 2 * 256 << 10
    assert any(start > size * 0.4 for start, _ in middle)


def test_stretches_together_are_the_whole_texts_once() -> None:
    tracks: list[tuple[str, Lines]] = [
        ("subrip", SPOKEN),
        ("ass", [(2000, 500, b"1,0,Default,,0,0,0,,second"), (4000, 2500, b"0,0,Default,,0,0,0,,first")]),
        ("hdmv_pgs_subtitle", [(3000, 0, OBJECT)]),
        ("subrip", []),
    ]
    with film("matroska", tracks) as made:
        whole, pieces = TextFiles(), TextFiles()
        whole.add(subtitles.stretches(made, range(4)))
        for start_s in range(0, 20, 4):
            end_s = start_s + 4 if start_s < 16 else math.inf
            pieces.add(subtitles.stretches(made, range(4), start_s, end_s))
    assert pieces.vtts() == whole.vtts()
    assert pieces.scripts() == whole.scripts()
    assert (sorted(whole.vtts()), sorted(whole.scripts())) == ([0, 1], [1])
    assert texts(whole.vtts()[0].decode()) == [f"line {n}" for n in range(1, 19)]


def test_what_else_is_in_a_film_is_no_hindrance() -> None:
    with film(
        "matroska", [("ass", [(2000, 500, b"0,0,Default,,0,0,0,,x")]), ("subrip", SPOKEN)], font=b"\0" * 99
    ) as made:
        assert texts(subtitles.segment(made, 0, 0, 6)) == ["x"]
        assert len(subtitles.cues(made, 1)) == 18


def test_ass_keeps_its_head_and_the_order_of_its_script() -> None:
    lines = [
        (2000, 500, b"1,0,Default,,0,0,0,,sec\nond"),
        (4000, 510, b"0,2,Default,,0,0,0,,{\\pos(1,2)}first"),
    ]
    files = TextFiles()
    with film("matroska", [("ass", lines), ("subrip", SPOKEN)]) as made:
        files.add(subtitles.stretches(made, [0, 1]))
    [script] = files.scripts().values()
    assert b"Style: Thought,Arial,40,0,-1,8" in script
    assert script.decode().splitlines()[-2:] == [
        "Dialogue: 2,0:00:04.00,0:00:04.51,Default,,0,0,0,,{\\pos(1,2)}first",
        "Dialogue: 0,0:00:02.00,0:00:02.50,Default,,0,0,0,,sec ond",
    ]


def test_pictures_are_no_text_and_what_is_not_there_is_said_so() -> None:
    with film("matroska", [("hdmv_pgs_subtitle", [(3000, 0, OBJECT)]), ("subrip", SPOKEN)]) as made:
        with pytest.raises(NoSubtitles, match="no text"):
            subtitles.cues(made, 0)
        with pytest.raises(NoSubtitles, match="no subtitles 3"):
            subtitles.cues(made, 2)


def test_no_film_is_said_so() -> None:
    for broken in (b"", b"\x1a\x45\xdf\xa3" + bytes(1000), b"hello" * 100):
        with pytest.raises(Unreadable):
            subtitles.cues(io.BytesIO(broken), 0)


def test_a_film_that_ends_early_gives_what_it_has() -> None:
    with film("matroska", [("subrip", SPOKEN)]) as made:
        data = made.getvalue()
    found = subtitles.cues(io.BytesIO(data[: len(data) // 2]), 0)
    assert 3 < len(found) < 18
    assert all(first.start_ms < second.start_ms for first, second in pairwise(found))
