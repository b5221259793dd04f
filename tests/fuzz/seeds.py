"""What mutations begin with: small, whole inputs of every kind."""

import tempfile
from binascii import b2a_uu
from collections.abc import Sequence
from pathlib import Path

from libs.sandbox.archives import rar4, rar5, sevenzip, zips
from libs.sandbox.archives.names import Files, nameless, part_names
from libs.sandbox.forms import FORMS
from libs.sandbox.nzb_faults import BOGUS_SUBJECTS, broken_nzb
from libs.sandbox.packing import create_par2
from libs.sandbox.posts import ArticleIndex
from tests.support.nntp import body
from tests.support.release_names import ANIME, FILMS, SERIES
from tests.support.releases import EBML

FILM = EBML + bytes(range(256)) * 8
INSIDE = [("Film/film.mkv", FILM), ("Film/Ünïcode.nfo", b"about"), ("empty", b"")]
GREETING = b"200 hello\r\n381 more\r\n281 ok\r\n"


def nzbs() -> Sequence[bytes]:
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name, file) for file in ("a.rar", "b.r00", "c.par2")]
        for path in paths:
            path.write_bytes(bytes(2_500))
        whole = ArticleIndex().post(paths, title="Film {{pass}}", article_bytes=1_000).nzb
    return [
        whole,
        broken_nzb("shuffled", whole),
        broken_nzb("duplicated", whole),
        broken_nzb("wrong_sizes", whole),
        broken_nzb("bogus_subjects", whole),
        broken_nzb("external_entity", whole),
        b'<error code="100" description="wrong key"/>',
    ]


def forms() -> Sequence[Files]:
    made = [form("film", "film.mkv", FILM) for form in FORMS.values()]
    made += [
        part_names(rar5.volumes(INSIDE, 500)),
        part_names(rar4.volumes(INSIDE, 500, tells=False)),
        [("a.7z", sevenzip.archive([INSIDE[:1], INSIDE[1:]], header_coder=sevenzip.LZMA2))],
        [("a.7z", sevenzip.archive([INSIDE], coder=sevenzip.AES))],
        [("a.7z", sevenzip.archive([INSIDE], coder=sevenzip.LZMA1))],
        [("a.zip", zips.archive(INSIDE, 8))],
        [
            (
                "a.rar",
                rar5.SIGNATURE + rar5.main() + rar5.entry("l", b"", records=[rar5.EXTRA_LINK]) + rar5.end(),
            )
        ],
        [("film.mkv", FILM), (BOGUS_SUBJECTS[2], FILM)],
    ]
    return [*made, *(nameless(files) for files in made)]


def protected() -> Sequence[Files]:
    made: list[Files] = []
    for form in ("split", "rar4-old-names", "zip", "7z-split"):
        files = FORMS[form]("film", "film.mkv", FILM)
        with_par2 = [*files, *_par2_of(files)]
        made += [with_par2, nameless(with_par2)]
    return made


def recovery() -> Sequence[bytes]:
    return [data for _, data in _par2_of(FORMS["rar5-old-names"]("film", "film.mkv", FILM))]


def _par2_of(files: Files) -> Files:
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name, file) for file, _ in files]
        for path, (_, data) in zip(paths, files, strict=True):
            path.write_bytes(data)
        create_par2(Path(name, "set"), paths)
        return [(path.name, path.read_bytes()) for path in sorted(Path(name).glob("*.par2"))]


def bodies() -> Sequence[bytes]:
    parts = [FILM[at : at + 300] for at in range(0, len(FILM), 300)]
    numbered = [
        body(part, number=slot + 1, total=len(parts), begin=slot * 300, file_bytes=len(FILM))
        for slot, part in enumerate(parts)
    ]
    lines = [b2a_uu(FILM[at : at + 45], backtick=True).strip() + b"\r\n" for at in range(0, len(FILM), 45)]
    halves = [b"begin 644 film.mkv\r\n", *lines[:30], b".\r\n"], [*lines[30:], b"`\r\nend\r\n.\r\n"]
    return [
        _answers(numbered),
        _answers([body(FILM)]),
        _answers([b"".join(half) for half in halves]),
        _answers([*numbered[:2], b"Sorry.\r\n.\r\n", *numbered[3:]]),
    ]


def _answers(made: Sequence[bytes]) -> bytes:
    return b"".join(b"222 0 <%d@x>\r\n" % slot + one for slot, one in enumerate(made))


def conversations() -> Sequence[bytes]:
    [numbered, single, uuencoded, _] = bodies()
    return [
        GREETING + numbered,
        GREETING + single + b"430 no such article\r\n" + b"400 going down\r\n",
        GREETING + uuencoded,
        GREETING + b"502 hunter2\r\n",
        b"200 hello\r\n481 wrong: bob hunter2\r\n",
        b"502 too many connections\r\n",
    ]


def subtitles() -> Sequence[bytes]:
    subrip = (
        '1\r\n00:00:01,000 --> 00:00:02,500\r\n{\\an8}<i>Schön</i> & <font color="red">gut</font>\r\n\r\n'
        "2\r\n00:00:03,000 --> 00:00:04,000\r\n<ruby>a<rt>b</rt></ruby> <3\r\n"
    )
    webvtt = (
        b"WEBVTT - x\n\nNOTE\nno\n\nSTYLE\n::cue {}\n\nid\n00:01.000 --> 00:02.000 line:5%,end align:start\n"
        b"<v Fred><c.yellow.bg_blue>Hey</c> <00:00:01.500>you &amp; me\n"
    )
    script = (
        b"[Script Info]\n[V4+ Styles]\nFormat: Name, Bold, Italic, Alignment\nStyle: Top,0,-1,8\n[Events]\n"
        b"Format: Layer, Start, End, Style, Text\nDialogue: 0,0:00:01.00,0:00:02.50,Top,"
        b"{\\an5\\pos(1,2)\\i0}One,{\\b700}two{\\r}\\Nthree{\\p1}m 0 0{\\p0}\n"
    )
    return [
        subrip.encode(),
        subrip.encode("cp1252"),
        subrip.encode("utf-16"),
        webvtt,
        script,
        b"{1}{1}23.976\n{24}{48}{y:i}One|/two\n",
        b"\x00\x05<i>a\x00\x00\x00\x16styl\x00\x01\x00\x01\x00\x03\x00\x01\x07\x0c\xff\xff\xff\xff",
    ]


def release_names() -> list[bytes]:
    return [name.encode() for name in (*FILMS, *SERIES, *ANIME)]
