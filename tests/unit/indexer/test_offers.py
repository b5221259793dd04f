"""From an indexer's item to an offer: whose film it is, where its NZB is, and that no key goes with it."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Score, TitleRef
from services.indexer.feed import Item
from services.indexer.offers import ItemRefused, Offer, Origin, offer, without_key

INDEX = "https://api.index.example"
KEY = "k3y/with+odd=chars"

ITEM = Item(
    title="Salt.Road.2024.1080p.BluRay.x264-SPARKS",
    guid="https://index.example/details/abc",
    url=f"{INDEX}/api?t=get&id=abc&apikey={quote(KEY, safe='')}",
    size_bytes=4000,
    posted_at=datetime(2026, 7, 31, 9, tzinfo=UTC),
    grabs=12,
    categories=(2000, 2040),
)


ORIGIN = Origin(
    indexer="Index",
    url=INDEX,
    api_key=KEY,
    title=TitleRef(key="tmdb:movie:7", movie_id=7, name="Salt Road", year=2024, imdb_id="tt0000007"),
    form="id",
)


def made(**changes: object) -> Offer:
    return offer(msgspec.structs.replace(ITEM, **changes), ORIGIN)


def test_a_whole_offer() -> None:
    assert made() == Offer(
        release_id=made().release_id,
        title="Salt.Road.2024.1080p.BluRay.x264-SPARKS",
        indexer="Index",
        nzb_url=f"{INDEX}/api?t=get&id=abc&apikey={{api_key}}",
        size_bytes=4000,
        posted_at=datetime(2026, 7, 31, 9, tzinfo=UTC),
        grabs=12,
        quality="1080p",
        source="BluRay",
        codec=made().codec,
        group="SPARKS",
        identity="its name has the title and the year",
    )


def test_its_id_is_made_of_the_indexer_and_the_guid_alone() -> None:
    first = made()
    other_indexer = offer(ITEM, msgspec.structs.replace(ORIGIN, indexer="Other"))
    assert first.release_id == made(title="Another.Name", url=f"{INDEX}/2", size_bytes=1).release_id
    assert first.release_id != made(guid="another").release_id
    assert first.release_id != other_indexer.release_id
    assert len(first.release_id) == len("rel_") + 16


@pytest.mark.parametrize(
    ("name", "quality", "source", "group"),
    [
        ("Salt.Road.2024.1080p.WEB-DL.DDP5.1.H.264-LANTERNA", "1080p", "WEB-DL", "LANTERNA"),
        ("Salt.Road.2024.1080p.WEBRip.x264-USHER", "1080p", "WEBRip", "USHER"),
        ("Salt.Road.2024.720p.HDTV.x264-BALCONY", "720p", "HDTV", "BALCONY"),
        ("Salt.Road.2024.2160p.UHD.BluRay.HDR.x265.10bit-GRANDLOGE", "4K", "BluRay", "GRANDLOGE"),
        ("Salt.Road.2024.480p.DVDRip.XviD-MATINEUR", "480p", "DVD", "MATINEUR"),
        ("Salt.Road.2024.HDCAM.x264-POPKORN", "other", "CAM", "POPKORN"),
    ],
)
def test_names_are_taken_apart(name: str, quality: str, source: str, group: str) -> None:
    parsed = made(title=name)
    assert (parsed.quality, parsed.source, parsed.group) == (quality, source, group)


@pytest.mark.parametrize("categories", [(), (2000,), (2045,), (5000, 2040)])
def test_films_are_offered(categories: tuple[int, ...]) -> None:
    assert made(categories=categories).title


def test_a_torrent_is_not() -> None:
    with pytest.raises(ItemRefused, match="a torrent"):
        made(torrent=True)


def test_another_film_is_not() -> None:
    with pytest.raises(ItemRefused, match="another film: the indexer has it under another film's id"):
        made(title="Paper.Lanterns.2021.1080p.WEB-DL-X", imdb_id="tt0000008")


@pytest.mark.parametrize("categories", [(5040,), (3000, 7000), (1999,)])
def test_anything_else_is_not(categories: tuple[int, ...]) -> None:
    with pytest.raises(ItemRefused):
        made(categories=categories)


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/get?id=1",
        "http://api.index.example/get?id=1",
        "https://api.index.example:8443/get?id=1",
        "https://user:pass@api.index.example/get?id=1",
        "https://api.index.example@elsewhere.example/get",
        "//api.index.example/get",
        "/get?id=1",
        "file:///etc/passwd",
        "ftp://api.index.example/1",
        "https://api.index.example:port/get",
        "https://[::1/get",
        "",
        f"{INDEX}/get?key={quote(KEY, safe='').replace('k3y', '%6b3y')}",
    ],
)
def test_an_nzb_that_is_not_at_the_indexer_is_refused(url: str) -> None:
    with pytest.raises(ItemRefused):
        without_key(url, indexer_url=INDEX, api_key=KEY)


@pytest.mark.parametrize(
    "form", [KEY, quote(KEY), quote(KEY, safe=""), quote_plus(KEY), quote(KEY, safe="").lower()]
)
def test_every_form_of_the_key_is_replaced(form: str) -> None:
    url = f"{INDEX}/{form}/get?apikey={form}&again={form}"
    shown = without_key(url, indexer_url=INDEX, api_key=KEY)
    assert shown == f"{INDEX}/{{api_key}}/get?apikey={{api_key}}&again={{api_key}}"


def test_default_ports_are_the_same_place() -> None:
    assert without_key("https://API.index.example:443/x", indexer_url=INDEX, api_key=KEY).endswith("/x")


@given(st.text(min_size=4, max_size=20), st.text(max_size=40), st.text(max_size=40))
def test_no_key_is_ever_left(key: str, before: str, after: str) -> None:
    url = f"{INDEX}/x?{quote(before)}={quote_plus(key)}{after}&{key}"
    try:
        shown = without_key(url, indexer_url=INDEX, api_key=key)
    except ItemRefused:
        return
    assert quote_plus(key) not in shown.replace(INDEX, "").replace("{api_key}", "\n")


@pytest.mark.parametrize(
    ("posted_at", "days"),
    [
        (None, 0),
        (datetime(2026, 8, 1, tzinfo=UTC), 0),
        (datetime(2026, 7, 30, 23, tzinfo=UTC), 1),
        (datetime(1, 1, 1, tzinfo=UTC), 36_500),
    ],
)
def test_ages(posted_at: datetime | None, days: int) -> None:
    candidate = made(posted_at=posted_at).candidate(Score(total=1.0), datetime(2026, 8, 1, tzinfo=UTC))
    assert candidate.age_days == days


def test_a_candidate_has_what_its_offer_has() -> None:
    now = datetime(2026, 7, 31, 9, tzinfo=UTC) + timedelta(days=3)
    told = made()
    candidate = told.candidate(Score(total=7.0), now)
    shared = (
        "release_id",
        "title",
        "indexer",
        "nzb_url",
        "size_bytes",
        "quality",
        "source",
        "codec",
        "group",
    )
    assert [getattr(candidate, name) for name in shared] == [getattr(told, name) for name in shared]
    assert (candidate.age_days, candidate.score.total) == (3, 7.0)
