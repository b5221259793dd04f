"""Newznab's answers: as they should be, as they shouldn't, and as an attacker makes them."""

import tracemalloc
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.indexer import feed, markup
from services.indexer.feed import ApiRefused, FeedRefused, Item, parse_feed

NAMESPACE = 'xmlns:newznab="http://www.newznab.com/DTD/2010/feeds/attributes/"'
WHOLE = (
    "<title>Salt.Road.2024.1080p.WEB-DL-GROUP</title>"
    '<guid isPermaLink="true">https://index.example/details/abc</guid>'
    "<link>https://index.example/link</link><pubDate>Sat, 01 Aug 2026 10:00:00 +0200</pubDate>"
    "<category>Movies &gt; HD</category>"
    '<enclosure url="https://index.example/api?t=get&amp;id=abc" length="4000" type="application/x-nzb"/>'
    '<newznab:attr name="category" value="2000"/><newznab:attr name="category" value="2040"/>'
    '<newznab:attr name="size" value="5000"/><newznab:attr name="grabs" value="12"/>'
    '<newznab:attr name="usenetdate" value="Fri, 31 Jul 2026 09:00:00 +0000"/>'
)


def rss(*items: str) -> bytes:
    inside = "".join(f"<item>{item}</item>" for item in items)
    return f'<?xml version="1.0"?><rss {NAMESPACE}><channel><title>I</title>{inside}</channel></rss>'.encode()


def only(item: str) -> Item:
    [found] = parse_feed(rss(item))
    return found


def test_a_whole_item() -> None:
    assert only(WHOLE) == Item(
        title="Salt.Road.2024.1080p.WEB-DL-GROUP",
        guid="https://index.example/details/abc",
        url="https://index.example/api?t=get&id=abc",
        size_bytes=4000,
        posted_at=datetime(2026, 7, 31, 9, tzinfo=UTC),
        grabs=12,
        categories=(2000, 2040),
    )


def test_an_empty_list() -> None:
    assert parse_feed(rss()) == ()


SHORT = "<title>T</title><link>https://i.example/1</link>"


@pytest.mark.parametrize(
    ("item", "field", "expected"),
    [
        (SHORT, "guid", "https://i.example/1"),
        (SHORT, "size_bytes", 0),
        (SHORT, "posted_at", None),
        (SHORT, "categories", ()),
        (f'{SHORT}<newznab:attr name="guid" value="g"/>', "guid", "g"),
        (f'{SHORT}<newznab:attr name="SIZE" value="70"/>', "size_bytes", 70),
        (f'{SHORT}<enclosure url="https://i.example/2" length="x"/>', "size_bytes", 0),
        (f'{SHORT}<enclosure url="https://i.example/2" length="-5"/>', "size_bytes", 0),
        (f'{SHORT}<enclosure url="https://i.example/2" length="{"9" * 16}"/>', "size_bytes", 0),
        (f'{SHORT}<enclosure length="5"/>', "url", "https://i.example/1"),
        (
            f"{SHORT}<pubDate>Sat, 01 Aug 2026 10:00:00</pubDate>",
            "posted_at",
            datetime(2026, 8, 1, 10, tzinfo=UTC),
        ),
        (f"{SHORT}<pubDate>soon</pubDate>", "posted_at", None),
        (f"{SHORT}<pubDate>Sat, 01 Aug 9999 23:59:59 -9999</pubDate>", "posted_at", None),
        (f'{SHORT}<newznab:attr name="category" value="films"/>', "categories", ()),
        (f'{SHORT}<newznab:attr name="grabs"/>', "grabs", 0),
        ("<title>a\n  b\u202e\u0085c</title><link>u</link>", "title", "a b c"),
    ],
)
def test_what_is_missing_or_odd(item: str, field: str, expected: object) -> None:
    assert getattr(only(item), field) == expected


@pytest.mark.parametrize(
    "item",
    [
        "",
        "<link>https://i.example/1</link>",
        "<title>T</title>",
        "<title>\u202e</title><link>u</link>",
        f"<title>{'T' * 2001}</title><link>u</link>",
        f"<title>T</title><link>{'u' * 2001}</link>",
        f"<title>T</title><link>u</link><guid>{'g' * 5000}</guid>",
    ],
    ids=range(7),
)
def test_items_that_are_left_out(item: str) -> None:
    assert [found.title for found in parse_feed(rss(item, WHOLE))] == ["Salt.Road.2024.1080p.WEB-DL-GROUP"]


def test_no_more_items_than_its_bound() -> None:
    assert len(parse_feed(rss(*[SHORT] * (feed.ITEMS_MAX + 5)))) == feed.ITEMS_MAX


@pytest.mark.parametrize(
    ("code", "description"), [(100, "Incorrect user credentials"), (500, "Request limit")]
)
def test_errors_of_the_indexers_own(code: int, description: str) -> None:
    with pytest.raises(ApiRefused) as raised:
        parse_feed(f'<?xml version="1.0"?><error code="{code}" description="{description}"/>'.encode())
    assert (raised.value.code, raised.value.description) == (code, description)


BOMB = (
    b'<!DOCTYPE rss [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a;" * 10) for n in range(9))
    + b"]><rss><channel><item><title>&a8;</title></item></channel></rss>"
)
LEAK = b'<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss><channel>&x;</channel></rss>'


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"", "can't be read as XML"),
        (b"hello", "can't be read as XML"),
        (rss(WHOLE)[:-30], "can't be read as XML"),
        (b"\xff\xfe\x00\x00", "can't be read as XML"),
        (b'<?xml version="1.0" encoding="no-such"?><rss/>', "can't be read as XML"),
        (b"<!DOCTYPE html><html><head><title>Log in</title>", "a web page"),
        (b"<html><body/></html>", "a web page"),
        (b"<feed xmlns='http://www.w3.org/2005/Atom'/>", "no list of releases"),
        (BOMB, "entities"),
        (LEAK, "entities"),
        (b"<rss>" * 100_000, "nested too deeply"),
        (b"<rss>" + b"<a/>" * (feed.ELEMENTS_MAX + 1) + b"</rss>", "too many elements"),
        (b" " * (markup.DOCUMENT_BYTES_MAX + 1), "more than 16 MiB"),
    ],
    ids=range(13),
)
def test_what_is_no_feed(document: bytes, words: str) -> None:
    with pytest.raises(FeedRefused, match=words):
        parse_feed(document)


def test_attributes_that_every_element_is_given_are_not_taken() -> None:
    given = b'<!DOCTYPE rss [<!ATTLIST attr value CDATA "%s">]>' % (b"x" * 1_000_000)
    attributes = b"".join(b'<attr name="a%d"/>' % number for number in range(2_000))
    document = rss(WHOLE).replace(b"</item>", attributes + b"</item>")
    head, end, rest = document.rpartition(b"<rss")
    document = head + given + end + rest
    tracemalloc.start()
    found = parse_feed(document)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 1
    assert most_bytes < 10_000_000


def _parsed_or_refused(document: bytes) -> tuple[Item, ...]:
    try:
        return parse_feed(document)
    except (FeedRefused, ApiRefused):
        return ()


@given(st.binary(max_size=2_000))
@example(b'<?xml version="1.0" encoding="utf-7"?><rss/>')
@example(b'<?xml version="1.0" encoding="hex"?><rss/>')
@example(b"<rss xmlns:a='x'><a:item/></rss>")
def test_any_bytes_are_a_feed_or_refused(document: bytes) -> None:
    _parsed_or_refused(document)


@given(st.data())
def test_any_damage_is_survived(data: st.DataObject) -> None:
    whole = rss(WHOLE, WHOLE)
    at = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, 40))
    damaged = whole[:at] + data.draw(st.binary(max_size=40)) + whole[at + length :]
    for item in _parsed_or_refused(damaged):
        assert item.title
        assert item.url
        assert item.size_bytes >= 0


texts = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=60)


@given(texts, texts, texts, texts, texts)
def test_any_texts_in_their_places(title: str, url: str, size: str, date: str, category: str) -> None:
    item = (
        f"<title>{escape(title)}</title><enclosure url={quoteattr(url)} length={quoteattr(size)}/>"
        f"<pubDate>{escape(date)}</pubDate><newznab:attr name='category' value={quoteattr(category)}/>"
    )
    for found in _parsed_or_refused(rss(item)):
        assert found.title.isprintable()
        assert found.url == url.strip()
        assert found.posted_at is None or found.posted_at.tzinfo is UTC


@given(st.integers(-30_000_000_000, 29_000_000_000))
@example(1_772_323_199)
def test_a_date_as_most_indexers_write_it(seconds: int) -> None:
    told = datetime.fromtimestamp(seconds, UTC)
    item = only(SHORT + f"<pubDate>{told:%a, %d} {told:%b} {told.year} {told:%H:%M:%S} +0000</pubDate>")
    assert item.posted_at == told


@pytest.mark.parametrize("date", ["Tue, 31 Feb 2026 10:00:00 +0000", "Tue, 28 Feb 2026 25:00:00 +0000"])
def test_a_day_that_is_none_is_no_date(date: str) -> None:
    assert only(SHORT + f"<pubDate>{date}</pubDate>").posted_at is None
