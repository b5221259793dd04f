"""The sandbox's indexer over HTTP, with releases of a few bytes."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from defusedxml import DefusedXmlException, ElementTree

from libs.sandbox.faults import Counters, Faults, FaultSwitch, NewznabFaults
from libs.sandbox.newznab import Newznab
from libs.sandbox.posts import ArticleIndex
from libs.sandbox.prowlarr import Prowlarr
from libs.sandbox.releases import ReleaseIndex, recipes_of
from libs.sandbox.studio import Studio
from libs.sandbox.titles import FEW, load_titles
from libs.sandbox.web import WebServer

NZB = "{http://www.newzbin.com/DTD/2003/nzb}"
ATTRIBUTE = "{http://www.newznab.com/DTD/2010/feeds/attributes/}attr"
LISTENER = ("127.0.0.1", 0)


class Index:
    """A running indexer: where it is, and its faults."""

    def __init__(self, url: str, faults: FaultSwitch) -> None:
        self.url = url
        self.faults = faults


def few_releases(articles: ArticleIndex, film: Path) -> ReleaseIndex:
    releases = ReleaseIndex()
    for recipe in (recipe for title in load_titles() if title.id in FEW for recipe in recipes_of(title)):
        posted_at = datetime.now(UTC) - timedelta(days=recipe.age_days)
        post = articles.post([film], title=recipe.name, article_bytes=1000, posted_at=posted_at)
        releases.add(recipe, post, posted_at)
    return releases


@pytest.fixture
async def index(tmp_path: Path) -> AsyncIterator[Index]:
    film = tmp_path / "film.mkv"
    film.write_bytes(bytes(4500))
    articles, faults = ArticleIndex(), FaultSwitch()
    releases = few_releases(articles, film)
    served = Newznab(releases, Studio([], tmp_path, articles, releases), faults, Counters(), api_key="key")
    with socket.create_server(LISTENER) as listener:
        server = WebServer(served.handle, listener)
        served.base_url = server.url
        serving = asyncio.create_task(server.serve())
        yield Index(server.url, faults)
        server.close()
        await serving


@pytest.fixture
async def prowlarr(tmp_path: Path) -> AsyncIterator[Index]:
    film = tmp_path / "film.mkv"
    film.write_bytes(bytes(4500))
    articles, faults = ArticleIndex(), FaultSwitch()
    releases = few_releases(articles, film)
    served = Prowlarr(releases, Studio([], tmp_path, articles, releases), faults, Counters(), api_key="key")
    with socket.create_server(LISTENER) as listener:
        server = WebServer(served.handle, listener)
        served.base_url = server.url
        serving = asyncio.create_task(server.serve())
        yield Index(f"{server.url}/prowlarr", faults)
        server.close()
        await serving


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


async def search(http: httpx.AsyncClient, index: Index, **query: str) -> ElementTree:
    answer = await http.get(f"{index.url}/api", params={"apikey": "key", **query})
    assert answer.status_code == 200
    return ElementTree.fromstring(answer.content)


def attributes(item) -> dict[str, str]:
    return {attribute.get("name"): attribute.get("value") for attribute in item.iter(ATTRIBUTE)}


async def test_caps_say_what_can_be_searched(index: Index, http: httpx.AsyncClient) -> None:
    caps = ElementTree.fromstring((await http.get(f"{index.url}/api?t=caps")).content)
    assert caps.find("searching/movie-search").get("supportedParams") == "q,imdbid"
    assert {category.get("id") for category in caps.iter("subcat")} >= {"2040", "2045"}


async def test_an_item_tells_size_age_and_where_the_nzb_is(index: Index, http: httpx.AsyncClient) -> None:
    with_tt = await search(http, index, t="movie", imdbid="tt9000001")
    without = await search(http, index, t="movie", imdbid="9000001")
    items = list(with_tt.iter("item"))
    assert [item.findtext("guid") for item in without.iter("item")] == [
        item.findtext("guid") for item in items
    ]
    for item in items:
        facts, nzb = attributes(item), await http.get(item.findtext("link"))
        assert nzb.headers["content-type"] == "application/x-nzb"
        sizes = [int(s.get("bytes")) for s in ElementTree.fromstring(nzb.content).iter(f"{NZB}segment")]
        assert int(facts["size"]) == sum(sizes) == int(item.find("enclosure").get("length"))
        assert facts["imdb"] == "9000001"
        assert facts["usenetdate"] == item.findtext("pubDate")
        assert int(facts["grabs"]) >= 0


@pytest.mark.parametrize(
    ("caps", "params", "available"), [(None, "q,imdbid", "yes"), ("words", "q", "yes"), ("nothing", "", "no")]
)
async def test_caps_can_be_less(
    index: Index, http: httpx.AsyncClient, caps, params: str, available: str
) -> None:
    index.faults.set(Faults(newznab=NewznabFaults(caps=caps)))
    told = (await search(http, index, t="caps")).find("searching/movie-search")
    assert (told.get("supportedParams"), told.get("available")) == (params, available)


async def test_it_speaks_torznab(index: Index, http: httpx.AsyncClient) -> None:
    index.faults.set(Faults(newznab=NewznabFaults(torrents=True)))
    query = {"t": "movie", "imdbid": "9000001", "apikey": "key"}
    feed = ElementTree.fromstring((await http.get(f"{index.url}/torznab/api", params=query)).content)
    names = {a.get("name") for a in feed.iter("{http://torznab.com/schemas/2015/feed}attr")}
    assert {"size", "imdb", "seeders", "infohash"} <= names
    assert {item.get("type") for item in feed.iter("enclosure")} == {"application/x-bittorrent"}


async def test_it_can_ignore_what_it_is_asked(index: Index, http: httpx.AsyncClient) -> None:
    index.faults.set(Faults(newznab=NewznabFaults(ignores_parameters=True, says_no_ids=True)))
    everything = list((await search(http, index, t="movie", imdbid="9000001")).iter("item"))
    assert len(everything) == 24
    assert not any("imdb" in attributes(item) for item in everything)


@pytest.mark.parametrize(
    ("query", "count"),
    [("{imdbid:tt9000001}", 6), ("long intermission", 6), ("{imdbid:tt9000001} hdcam", 1), ("nothing", 0)],
)
async def test_prowlarr_searches_by_tokens_and_words(
    prowlarr: Index, http: httpx.AsyncClient, query: str, count: int
) -> None:
    answer = await http.get(
        f"{prowlarr.url}/api/v1/search", params={"query": query}, headers={"X-Api-Key": "key"}
    )
    results = answer.json()
    assert len(results) == count
    assert all(result["protocol"] == "usenet" and result["size"] > 4500 for result in results)
    assert all(
        result["downloadUrl"].startswith(f"{prowlarr.url}/1/download?apikey=key") for result in results
    )


async def test_prowlarr_leads_to_the_indexer(prowlarr: Index, http: httpx.AsyncClient) -> None:
    answer = await http.get(f"{prowlarr.url}/1/download?apikey=key&link=abc&file=f")
    assert (answer.status_code, "/api?t=get&id=abc" in answer.headers["location"]) == (301, True)


async def test_prowlarr_wants_its_key(prowlarr: Index, http: httpx.AsyncClient) -> None:
    assert (await http.get(f"{prowlarr.url}/api/v1/search?query=x")).status_code == 401


async def test_it_can_say_when_to_come_again(prowlarr: Index, index: Index, http: httpx.AsyncClient) -> None:
    for asked, path in ((prowlarr, "/api/v1/search"), (index, "/api")):
        asked.faults.set(Faults(newznab=NewznabFaults(status=429, retry_after_s=30)))
        answer = await http.get(f"{asked.url}{path}")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")


async def test_pages_of_a_search_do_not_overlap(index: Index, http: httpx.AsyncClient) -> None:
    pages = [
        await search(http, index, t="search", offset=str(offset), limit="10") for offset in (0, 10, 20, 30)
    ]
    names = [item.findtext("title") for page in pages for item in page.iter("item")]
    assert len(names) == len(set(names)) == 24


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"t": "search", "apikey": "wrong"}, "100"),
        ({"t": "search", "apikey": ""}, "200"),
        ({"t": "movie"}, "200"),
        ({"t": "get"}, "200"),
        ({}, "200"),
        ({"t": "movie", "imdbid": "nonsense"}, "201"),
        ({"t": "search", "limit": "-1"}, "201"),
        ({"t": "tvsearch"}, "202"),
        ({"t": "get", "id": "unknown"}, "300"),
    ],
)
async def test_errors_are_xml_with_status_200(
    index: Index, http: httpx.AsyncClient, query: dict[str, str], code: str
) -> None:
    error = await search(http, index, **query)
    assert (error.tag, error.get("code")) == ("error", code)


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        (NewznabFaults(wrong_key=True), "100"),
        (NewznabFaults(limit_reached=True), "500"),
    ],
)
async def test_the_indexer_can_refuse(
    index: Index, http: httpx.AsyncClient, faults: NewznabFaults, code: str
) -> None:
    index.faults.set(Faults(newznab=faults))
    assert (await search(http, index, t="search")).get("code") == code


@pytest.mark.parametrize(
    ("faults", "status", "content"),
    [
        (NewznabFaults(status=403), 403, b"<h1>"),
        (NewznabFaults(status=429), 429, b"<h1>"),
        (NewznabFaults(html=True), 200, b"<!DOCTYPE html>"),
    ],
)
async def test_the_indexer_can_talk_nonsense(
    index: Index, http: httpx.AsyncClient, faults: NewznabFaults, status: int, content: bytes
) -> None:
    index.faults.set(Faults(newznab=faults))
    answer = await http.get(f"{index.url}/api?t=search&apikey=key")
    assert (answer.status_code, answer.content.startswith(content)) == (status, True)


async def test_the_indexer_can_break_off_in_the_middle(index: Index, http: httpx.AsyncClient) -> None:
    index.faults.set(Faults(newznab=NewznabFaults(malformed=True)))
    with pytest.raises(ElementTree.ParseError):
        await search(http, index, t="search")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("external_entity", DefusedXmlException),
        ("billion_laughs", DefusedXmlException),
        ("html", ElementTree.ParseError),
        ("truncated", ElementTree.ParseError),
    ],
)
async def test_an_nzb_can_be_a_trap(index: Index, http: httpx.AsyncClient, fault, error) -> None:
    (item,) = (await search(http, index, t="search", q="salt road hdcam")).iter("item")
    index.faults.set(Faults(nzb={attributes(item)["guid"]: fault}))
    nzb = await http.get(item.findtext("link"))
    assert nzb.status_code == 200
    with pytest.raises(error):
        ElementTree.fromstring(nzb.content)
