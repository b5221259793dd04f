"""Subtitle files as people really make them, and as nobody should: what is shown of them."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.subtitles.cues import AT_ONCE_MAX, CUES_MAX, SHOWN_MAX_MS, Cue, NoSubtitles, tidied, window
from libs.common.subtitles.decoding import FILE_BYTES_MAX, decoded, encoding
from libs.common.subtitles.markup import CHARS_MAX, LINES_MAX, Style, from_ass, from_subrip, from_webvtt
from libs.common.subtitles.reading import as_webvtt, cues, format_of
from libs.common.subtitles.webvtt import document

CLOCK = r"\d{2,}:\d\d:\d\d\.\d{3}"
TIMING = re.compile(rf"{CLOCK} --> {CLOCK}(?: (?:line|position|size|align|vertical):[\w.,%-]+)*")
MARKUP = re.compile(r"</?(?:i|b|u|ruby|rt|c)(?:\.(?:bg_)?[a-z]+){0,2}>")


def shown(data: bytes, **how: object) -> list[tuple[int, int, str]]:
    return [(cue.start_ms, cue.end_ms, cue.text) for cue in cues(data, **how)]


def srt(*texts: str) -> bytes:
    blocks = (f"{n}\n00:00:{n:02},000 --> 00:00:{n:02},900\n{text}\n" for n, text in enumerate(texts, 1))
    return "\n".join(blocks).encode()


def harmless(vtt: str) -> None:
    """What every document that leaves must be: blocks of a timing line and text with only the kept markup."""
    head, *blocks = vtt.split("\n\n")
    assert head.rstrip("\n") == "WEBVTT"
    for block in blocks:
        timing, *lines = block.rstrip("\n").split("\n")
        assert TIMING.fullmatch(timing), timing
        assert lines
        assert len(lines) <= LINES_MAX
        assert "-->" not in "".join(lines)
        assert all(line.strip() for line in lines)
        left = MARKUP.sub("", "\n".join(lines))
        assert "<" not in left
        assert ">" not in left
        assert re.fullmatch(r"(?:[^&]|&(?:amp|lt|gt);)*", left)
        _nested("\n".join(lines))


def _nested(text: str) -> None:
    class Nesting(HTMLParser):
        opened: list[str]

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.opened.pop().partition(".")[0] == tag

    parser = Nesting()
    parser.opened = []
    parser.feed(text)
    parser.close()
    assert parser.opened == []


REAL = {
    "no blank line between cues": (
        b"1\n00:00:01,000 --> 00:00:02,000\nOne\n2\n00:00:03,000 --> 00:00:04,000\nTwo\n",
        [(1000, 2000, "One"), (3000, 4000, "Two")],
    ),
    "a blank line inside of a cue": (
        b"1\n00:00:01,000 --> 00:00:02,000\nOne\n\nstill one\n\n2\n00:00:03,000 --> 00:00:04,000\nTwo\n",
        [(1000, 2000, "One\nstill one"), (3000, 4000, "Two")],
    ),
    "no numbers, dots for commas, spaces around": (
        b"0:00:01.5 -->  0:00:02 . 25\nOne\n\n00:00:03.000-->00:00:04.000\nTwo",
        [(1500, 2250, "One"), (3000, 4000, "Two")],
    ),
    "a text that is a number": (
        b"1\n00:00:01,000 --> 00:00:02,000\n42\n\n2\n00:00:03,000 --> 00:00:04,000\nTwo\n",
        [(1000, 2000, "42"), (3000, 4000, "Two")],
    ),
    "old Mac line ends": (
        b"1\r00:00:01,000 --> 00:00:02,000\rOne\rmore\r\r2\r00:00:03,000 --> 00:00:04,000\rTwo\r",
        [(1000, 2000, "One\nmore"), (3000, 4000, "Two")],
    ),
    "coordinates behind the times": (
        b"1\n00:00:01,000 --> 00:00:02,000  X1:100 X2:600 Y1:050 Y2:100\nOne\n",
        [(1000, 2000, "One")],
    ),
    "out of order and twice": (
        b"2\n00:00:03,000 --> 00:00:04,000\nTwo\n\n1\n00:00:01,000 --> 00:00:02,000\nOne\n\n"
        b"1\n00:00:01,000 --> 00:00:02,000\nOne\n",
        [(1000, 2000, "One"), (3000, 4000, "Two")],
    ),
    "an end before its start": (
        b"1\n00:00:05,000 --> 00:00:04,000\nOne\n\n2\n00:00:07,000 --> 00:00:08,000\nTwo\n",
        [(5000, 7000, "One"), (7000, 8000, "Two")],
    ),
    "an hour mistyped": (
        b"1\n00:00:05,000 --> 01:00:06,000\nOne\n",
        [(5000, 5000 + SHOWN_MAX_MS, "One")],
    ),
    "a negative time": (b"1\n-00:00:01,000 --> 00:00:01,000\nOne\n", [(0, 1000, "One")]),
    "a time beyond all films": (
        b"1\n9999:00:00,000 --> 9999:00:01,000\nNever\n\n2\n00:00:01,000 --> 00:00:02,000\nOne\n",
        [(1000, 2000, "One")],
    ),
    "WebVTT with notes, styles, names and settings": (
        b"WEBVTT - a title\n\nNOTE\nnot shown\n\nSTYLE\n::cue { background: url(http://evil) }\n\n"
        b"intro\n00:01.000 --> 00:02.000 line:0 evil:1 position:200%\n<v Fred>One <00:00:01.500>more\n\n"
        b"NOTE also not\n",
        [(1000, 2000, "One more")],
    ),
    "MicroDVD with its rate": (
        b"{1}{1}25.000\n{25}{50}{y:i}One|more\n{75}{100}/Two\n",
        [(1000, 2000, "<i>One\nmore</i>"), (3000, 4000, "<i>Two</i>")],
    ),
    "ASS": (
        b"[Script Info]\n[V4+ Styles]\nFormat: Name, Italic, Alignment\nStyle: Top,-1,8\n[Events]\n"
        b"Format: Layer, Start, End, Style, Text\nComment: 0,0:00:01.00,0:00:02.00,Top,no\n"
        b"Dialogue: 0,0:00:01.00,0:00:02.50,Top,{\\fad(1,2)\\i0}One,{\\i1}two{\\r}\\Nthree\n"
        b"Dialogue: 0,0:00:01.00,0:00:02.50,Top,{\\p1}m 0 0 l 1 1{\\p0}\n",
        [(1000, 2500, "One,<i>two</i>\n<i>three</i>")],
    ),
    "ASS that moves a line picture by picture": (
        b"[Events]\nFormat: Layer, Start, End, Style, Text\n"
        + b"".join(
            b"Dialogue: 0,0:00:01.%02d,0:00:01.%02d,D,{\\pos(%d,1)}Sign\n" % (n, n + 4, n)
            for n in range(0, 80, 4)
        ),
        [(1000, 1800, "Sign")],
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_files_as_they_are_found(name: str) -> None:
    data, expected = REAL[name]
    assert shown(data) == expected
    harmless(as_webvtt(data))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<i>a", "<i>a</i>"),
        ("a</i>", "a"),
        ("<b><i>a</b>b</i>", "<b><i>a</i></b>b"),
        ('<font color="#ff0000">red</font>', "red"),
        ("<script>alert(1)</script>", "alert(1)"),
        ("<img src=x onerror=alert(1)>hey", "hey"),
        ("<i onclick='x'>a</i>", "<i>a</i>"),
        ("I <3 you & me -->", "I &lt;3 you &amp; me --&gt;"),
        ("&lt;script&gt;", "&lt;script&gt;"),
        ("AT&amp;T", "AT&amp;T"),
        ("<ruby>a<rt>b</rt></ruby>", "<ruby>a<rt>b</rt></ruby>"),
        ("{\\an8}{\\i1}up{\\i0}", "<i>up</i>"),
        ("a\n\n<b></b>\n\nb", "a\nb"),
        ("<i></i>", ""),
        ("\u0007a\u2028b", "ab"),
    ],
)
def test_markup_that_can_only_be_read(text: str, expected: str) -> None:
    assert from_subrip(text).text == expected


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("\\an8", "line:5%"),
        ("\\a6", "line:5%"),
        ("\\an1", "position:5% align:start"),
        ("\\pos(1,2)", ""),
        ("\\an2", ""),
    ],
)
def test_places(place: str, expected: str) -> None:
    assert from_ass(f"{{{place}}}x", Style()).place == expected


def test_colours_of_webvtt_stay_and_other_classes_go() -> None:
    assert from_webvtt("<c.yellow.bg_black>a</c> <c.evil>b</c>").text == "<c.yellow.bg_black>a</c> b"


ENCODED = [
    ("Wo möchtest du hin? Schön.", "cp1252", None),
    ("Wo möchtest du hin?", "utf-8", None),
    ("Wo möchtest du hin?", "utf-8-sig", None),
    ("Куда ты идёшь? Никуда, просто гуляю.", "cp1251", "rus"),
    ("Куда ты идёшь? Никуда, просто гуляю по городу.", "cp1251", None),
    ("Куда ты идёшь?", "utf-16", None),
    ("Where are you going?", "utf-16-le", None),
    ("Gdzie idziesz? Źle się czuję.", "cp1250", "pol"),
    ("Πού πηγαίνεις;", "cp1253", "gre"),
    ("どこへ行くの?", "cp932", "jpn"),
    ("你要去哪里?", "gb18030", "chi"),
    ("어디 가세요?", "cp949", "kor"),
    ("İstanbul'a gidiyorum, değil mi?", "cp1254", "tur"),
]


@pytest.mark.parametrize(("text", "name", "language"), ENCODED)
def test_encodings_are_told_apart(text: str, name: str, language: str | None) -> None:
    data = srt(*[text] * 4).decode().encode(name)
    assert [cue[2] for cue in shown(data, language=language)] == [text.replace("&", "&amp;")] * 4


def test_what_is_too_large_or_holds_nothing_is_refused() -> None:
    with pytest.raises(NoSubtitles, match="too large"):
        decoded(bytes(FILE_BYTES_MAX + 1))
    for nothing in (b"", b"\x00" * 100, b"WEBVTT\n\n", b"hello", b"1\n00:00:01,000 --> 00:00:02,000\n\n"):
        with pytest.raises(NoSubtitles, match="no subtitles"):
            cues(nothing)


def test_a_flood_is_bounded() -> None:
    flood = b"".join(b"%d\n00:00:01,000 --> 00:01:01,000\nflood %d\n\n" % (n, n) for n in range(60_000))
    assert len(cues(flood)) <= AT_ONCE_MAX
    stream = b"".join(
        b"%d\n%02d:%02d:%02d,000 --> 99:00:00,000\nx%d\n\n" % (n, n // 3600, n // 60 % 60, n % 60, n)
        for n in range(60_000)
    )
    assert len(cues(stream)) <= CUES_MAX
    [(_, _, text)] = shown(srt("x" * 100_000 + "\n" * 5000 + "y"))
    assert len(text) == CHARS_MAX
    harmless(as_webvtt(srt("\n".join(f"<i>{n}" for n in range(100)))))


@pytest.mark.parametrize(
    "hostile",
    [
        b"1\n" + b"0" * 200_000 + b":00:01,000 --> 00:00:02,000\nx\n",
        b" " * 500_000 + b"-->",
        b"{" * 500_000,
        b"<" * 500_000,
        b"1\n00:00:01,000 --> 00:00:02,000\n" + b"<i " * 200_000,
        b"1\n00:00:01,000 --> 00:00:02,000\n" + b"{\\an8" * 100_000,
        b"[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,D,,0,0,0,," + b"{\\" * 300_000,
        b"-->\n" * 500_000,
        b"\xff\xfe" + b"\x00\xd8" * 10_000,
        b"&" * 500_000,
    ],
)
@pytest.mark.timeout(5)
def test_what_is_made_to_hang_does_not(hostile: bytes) -> None:
    try:
        harmless(as_webvtt(hostile))
    except NoSubtitles:
        return


def test_the_kind_is_read_from_the_content() -> None:
    assert [
        format_of(text) for text in ("WEBVTT\n", "[Script Info]\n", "{1}{2}a", "1\n00:00:01,000 -->")
    ] == [
        "webvtt",
        "ass",
        "microdvd",
        "subrip",
    ]


MARKS = [
    "<i>",
    "</i>",
    "<b>",
    "</b>",
    "<ruby>",
    "<rt>",
    "</ruby>",
    "<c.red>",
    "</c>",
    "<script>",
    "<00:01.000>",
]
SIGNS = [
    "{\\an8}",
    "{\\i1}",
    "{\\p1}",
    "\\N",
    "{",
    "}",
    "<",
    ">",
    "&",
    "&lt;",
    "-->",
    "\u2028",
    "\x00",
    "é",
    "1",
    "text",
]
FRAMES = [
    "WEBVTT\n\n",
    "[Events]\n",
    "{1}{9}",
    "00:01,0 --> 00:02,0\n",
    "\nDialogue: 0,0:00:01.00,0:00:02.00,D,,0,0,0,,",
]
PIECES = st.lists(st.sampled_from([*MARKS, *SIGNS, *FRAMES, " ", "\n", "\n\n"]), max_size=60)


@given(PIECES)
@settings(max_examples=400, deadline=None)
def test_whatever_is_written_is_harmless(pieces: list[str]) -> None:
    text = "".join(pieces)
    for data in (
        text,
        f"1\n00:00:01,000 --> 00:00:02,000\n{text}",
        f"WEBVTT\n\n00:01.000 --> 00:02.000\n{text}",
    ):
        try:
            harmless(as_webvtt(data.encode()))
        except NoSubtitles:
            continue
    for marked in (from_subrip(text), from_webvtt(text), from_ass(text, Style(is_italic=True))):
        if marked.text:
            harmless(document([Cue(start_ms=0, end_ms=1, text=marked.text, place=marked.place)]))


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    decoded(data)
    assert encoding(data)
    try:
        harmless(as_webvtt(data))
    except NoSubtitles:
        return


CUES = st.lists(
    st.builds(
        Cue,
        start_ms=st.integers(-5_000, 60_000),
        end_ms=st.integers(-5_000, 60_000),
        text=st.sampled_from(["a", "b", "c"]),
    ),
    max_size=40,
)


@given(CUES)
def test_tidied_cues_are_in_order_and_bounded(given_cues: list[Cue]) -> None:
    tidy = tidied(given_cues)
    assert [cue.start_ms for cue in tidy] == sorted(cue.start_ms for cue in tidy)
    assert all(0 <= cue.start_ms < cue.end_ms for cue in tidy)
    for at_ms in range(0, 60_000, 250):
        assert sum(cue.start_ms <= at_ms < cue.end_ms for cue in tidy) <= AT_ONCE_MAX


@given(st.sets(st.integers(0, 100), max_size=30), st.integers(1, 20))
def test_windows_together_show_what_the_whole_does(starts: set[int], step: int) -> None:
    whole = [Cue(start_ms=start, end_ms=start + 7, text=f"cue {start}") for start in sorted(starts)]
    windows = {cue for at in range(0, 120, step) for cue in window(whole, at, at + step)}
    assert windows == set(tidied(whole))
