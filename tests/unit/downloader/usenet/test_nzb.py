"""NZBs from honest indexers, careless ones and attackers."""

from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.downloader.errors import NzbRefused
from services.downloader.usenet.nzb import Nzb, Segment, parse_nzb

DOCTYPE = '<!DOCTYPE nzb PUBLIC "-//newzBin//DTD NZB 1.1//EN" "http://www.newzbin.com/DTD/nzb/nzb-1.1.dtd">'
FILE = (
    '<file poster="Someone &lt;a@b.invalid&gt;" date="1760000000" subject="&quot;film.mkv&quot; yEnc (1/2)">'
    "<groups><group>alt.binaries.test</group><group>alt.binaries.films</group></groups>"
    '<segments><segment bytes="740000" number="1">one@x.invalid</segment>'
    '<segment bytes="340000" number="2">two@x.invalid</segment></segments></file>'
)


def nzb(inside: str = FILE, root: str = '<nzb xmlns="http://www.newzbin.com/DTD/2003/nzb">') -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{DOCTYPE}\n{root}{inside}</nzb>'.encode()


def with_segments(*segments: tuple[object, str]) -> bytes:
    listed = "".join(
        f'<segment bytes="1" number="{number}">{escape(message_id)}</segment>'
        for number, message_id in segments
    )
    return nzb(f'<file subject="x"><segments>{listed}</segments></file>')


@pytest.mark.parametrize(
    "root", ['<nzb xmlns="http://www.newzbin.com/DTD/2003/nzb">', "<nzb>", '<NZB x="1">']
)
def test_a_file_is_read_with_or_without_the_namespace(root: str):
    document = nzb(FILE, root).replace(b"</nzb>", b"</NZB>" if root.startswith("<NZB") else b"</nzb>")
    file = parse_nzb(document).files[0]
    assert file.subject == '"film.mkv" yEnc (1/2)'
    assert (file.poster, file.date) == ("Someone <a@b.invalid>", 1760000000)
    assert file.groups == ("alt.binaries.test", "alt.binaries.films")
    assert file.segments == (Segment(1, 740000, "one@x.invalid"), Segment(2, 340000, "two@x.invalid"))


@pytest.mark.parametrize(
    ("head", "title", "passwords"),
    [
        ("", "", ()),
        ('<head><meta type="title">A film</meta></head>', "A film", ()),
        ('<head><meta type="Title">A</meta><meta type="password">s3 &amp; t</meta></head>', "A", ("s3 & t",)),
        (
            '<head><meta type="title">A film {{open sesame}}</meta></head>',
            "A film {{open sesame}}",
            ("open sesame",),
        ),
        (
            '<head><meta type="title">A {{b}}</meta><meta type="password">a</meta>'
            '<meta type="password">b</meta></head>',
            "A {{b}}",
            ("a", "b"),
        ),
        (
            "<head>" + (9 * '<meta type="password">{}</meta>').format(*range(9)) + "</head>",
            "",
            tuple("01234"),
        ),
        ('<head><meta type="password"></meta></head>', "", ()),
    ],
)
def test_title_and_passwords(head: str, title: str, passwords: tuple[str, ...]):
    read = parse_nzb(nzb(head + FILE))
    assert (read.title, read.passwords) == (title, passwords)


@pytest.mark.parametrize(
    ("segments", "kept"),
    [
        ([(3, "c@x"), (1, "a@x"), (2, "b@x")], [(1, "a@x"), (2, "b@x"), (3, "c@x")]),
        ([(1, "a@x"), (1, "again@x")], [(1, "a@x")]),
        ([(0, "zero@x"), (-1, "minus@x"), ("one", "word@x"), (10**9, "far@x"), (5, "e@x")], [(5, "e@x")]),
        ([(1, "<a@x>"), (2, "  b@x\n")], [(1, "a@x"), (2, "b@x")]),
        (
            [(1, "a b@x"), (2, "a\r\nQUIT"), (3, "a>b"), (4, "ü@x"), (5, ""), (6, "x" * 251), (7, "x" * 250)],
            [(7, "x" * 250)],
        ),
    ],
)
def test_segments_are_put_in_order_and_impossible_ones_left_out(
    segments: list[tuple[object, str]], kept: list[tuple[int, str]]
):
    read = parse_nzb(with_segments(*segments)).files[0].segments
    assert [(segment.number, segment.message_id) for segment in read] == kept


def test_segments_of_one_number_are_kept_in_order_each_once_and_few():
    listed = ["a@x", "b@x", "a@x", "", "b@x", "c@x", "d@x", "e@x"]
    read = parse_nzb(with_segments(*((1, message_id) for message_id in listed), (2, "z@x")))
    first, second = read.files[0].segments
    assert (first.message_id, first.others) == ("a@x", ("b@x", "c@x", "d@x"))
    assert (second.message_id, second.others) == ("z@x", ())
    assert read.digest() != parse_nzb(with_segments((1, "a@x"), (2, "z@x"))).digest()


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"", "empty answer"),
        (b" \n ", "empty answer"),
        (b"<!DOCTYPE html><html><head><title>Log in</title></head><body><p>hi<br></body></html>", "web page"),
        (b"<html><body/></html>", "web page"),
        (b'<?xml version="1.0"?><error code="100" description="Incorrect\x09user"/>', "error .*Incorrect"),
        (b"<rss><channel/></rss>", "not an NZB"),
        (b"PK\x03\x04 zip", "not an NZB"),
        (b"\x1f\x8b\x08 gzip", "not an NZB"),
        (b"<nzb><file", "not an NZB"),
        (b'<?xml version="1.0" encoding="utf-7"?><nzb/>', "not an NZB"),
        (b'<?xml version="1.0" encoding="no-such"?><nzb/>', "not an NZB"),
        (nzb(""), "no articles"),
        (nzb('<file subject="x"><segments/></file>'), "no articles"),
        (nzb("<a>" * 100 + "</a>" * 100), "too deeply"),
        (b"x" * (64 * 1024**2 + 1), "larger than 64 MiB"),
        (nzb('<file subject="x"/>' * 1), "no articles"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else value,
)
def test_what_is_no_nzb_is_refused_with_the_reason(document: bytes, said: str):
    with pytest.raises(NzbRefused, match=said):
        parse_nzb(document)


@pytest.mark.parametrize(
    "subset",
    [
        '<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">',
        '<!ENTITY leak SYSTEM "file:///etc/passwd">',
        '<!ENTITY % remote SYSTEM "http://127.0.0.1/x.dtd">%remote;',
        '<!NOTATION n SYSTEM "n"><!ENTITY u SYSTEM "file:///x" NDATA n>',
    ],
)
def test_entities_are_refused(subset: str):
    document = f"<!DOCTYPE nzb [{subset}]><nzb>{FILE}</nzb>".encode()
    with pytest.raises(NzbRefused, match="entities"):
        parse_nzb(document)


def test_more_files_than_a_release_has_are_refused():
    segments = '<segments><segment bytes="1" number="1">a@x</segment></segments>'
    with pytest.raises(NzbRefused, match="more than 20000 files"):
        parse_nzb(nzb(f'<file subject="x">{segments}</file>' * 20_001))


def test_long_texts_are_cut():
    read = parse_nzb(nzb(FILE.replace("film.mkv", "film" * 10_000)))
    assert len(read.files[0].subject) == 1_000


_xml_text = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=40
)
_message_id = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="<>"), min_size=1)


@given(
    st.lists(
        st.tuples(_xml_text, st.dictionaries(st.integers(1, 10_000), _message_id, min_size=1, max_size=5)),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_is_written_is_read_back(files: list[tuple[str, dict[int, str]]]):
    written = "".join(
        f"<file subject={quoteattr(subject)}><segments>"
        + "".join(f'<segment number="{n}" bytes="9">{escape(mid)}</segment>' for n, mid in segments.items())
        + "</segments></file>"
        for subject, segments in files
    )
    read = parse_nzb(nzb(written))
    assert [file.subject for file in read.files] == [subject for subject, _ in files]
    assert [{s.number: s.message_id for s in file.segments} for file in read.files] == [s for _, s in files]


_FRAGMENTS = (
    b'<nzb> </nzb> <file </file> <file\tsubject="s"> <segments> </segments> <segment> </segment> a@b &x; &#0;'
    b' <segment\tnumber="1"\tbytes="1"> <groups><group> </group></groups> <head> </head>'
    b' <meta\ttype="password"> </meta> <!DOCTYPE\tnzb\t[ ]>'
    b' <!ENTITY\tx\t"y"> <![CDATA[ ]]> <!-- --> <?p?> \xff\xfe \x00'
    b" <?xml\tversion='1.0'\tencoding='utf-16'?>"
).split(b" ")


@given(st.lists(st.sampled_from(_FRAGMENTS) | st.binary(max_size=5), max_size=40).map(b"".join))
@example(b"<nzb>" + b"</file>" + b"</nzb>")
@example(b"<nzb><segment number='1'>a@b</segment></nzb>")
def test_rubbish_is_refused_and_nothing_else(document: bytes):
    try:
        read = parse_nzb(document)
    except NzbRefused:
        return
    assert_sound(read)


@given(st.data())
def test_a_damaged_nzb_is_refused_or_sound(data: st.DataObject):
    document = bytearray(nzb('<head><meta type="title">t</meta></head>' + FILE * 3))
    for _ in range(data.draw(st.integers(1, 6))):
        document[data.draw(st.integers(0, len(document) - 1))] = data.draw(st.integers(0, 255))
    test_rubbish_is_refused_and_nothing_else.hypothesis.inner_test(bytes(document))  # pyright: ignore


def assert_sound(read: Nzb) -> None:
    assert read.files
    for file in read.files:
        numbers = [segment.number for segment in file.segments]
        assert numbers
        assert numbers == sorted(set(numbers))
        assert all(segment.number >= 1 for segment in file.segments)
        assert all(
            segment.message_id.isascii() and segment.message_id.isprintable() for segment in file.segments
        )
        assert not any(set(segment.message_id) & set("<> \r\n") for segment in file.segments)
