"""A Newznab indexer: caps, movie, search and get, with RSS answers and errors as real ones give them.

API: github.com/nZEDb/nZEDb "newznab_api_specification". Errors are XML with HTTP status 200. Under `/torznab`
the same in Torznab's words (torznab.github.io/spec-1.3-draft).
"""

import asyncio
import re
from collections.abc import Sequence
from email.utils import format_datetime
from html import escape
from urllib.parse import urlencode

from libs.sandbox.faults import HANG_S, Counters, FaultSwitch, NewznabFaults
from libs.sandbox.nzb_faults import broken_nzb
from libs.sandbox.releases import Release, ReleaseIndex, matches
from libs.sandbox.studio import Studio
from libs.sandbox.web import Request, Response

LIMIT_DEFAULT, LIMIT_MAX = 50, 100
XML = "text/xml; charset=utf-8"
CATEGORIES = {2030: "SD", 2040: "HD", 2045: "UHD", 2050: "BluRay", 2080: "WEB-DL"}
_DESCRIPTIONS = {
    100: "Incorrect user credentials",
    200: "Missing parameter",
    201: "Incorrect parameter",
    202: "No such function",
    300: "No such item",
    500: "Request limit reached",
}
_LOGIN_PAGE = (
    b"<!DOCTYPE html><html><head><title>Log in</title></head><body><h1>Please log in</h1>"
    b'<form method="post"><input name="user"><input name="password" type="password"></form></body></html>'
)


class _ApiError(Exception):
    def __init__(self, code: int, detail: str = "") -> None:
        self.code = code
        description = _DESCRIPTIONS.get(code, "Unknown error")
        self.description = f"{description} ({detail})" if detail else description
        super().__init__(self.description)


class Newznab:
    """Answers `/api` and `/torznab/api`, after a film that is still being made; links point at `base_url`."""

    def __init__(
        self, releases: ReleaseIndex, studio: Studio, faults: FaultSwitch, counters: Counters, *, api_key: str
    ) -> None:
        self.base_url = ""
        self._releases = releases
        self._studio = studio
        self._faults = faults
        self._counters = counters
        self._api_key = api_key

    async def handle(self, request: Request) -> Response:
        dialect = {"/api": "newznab", "/torznab/api": "torznab"}.get(request.path.rstrip("/"))
        if dialect is None:
            return Response(status=404, content_type="text/html", body=b"<h1>Not Found</h1>")
        function = request.query.get("t", "")
        self._counters.http[f"{dialect} t={function}"] += 1
        faults = self._faults.current.newznab
        if trouble := await trouble_of(faults):
            return trouble
        try:
            response = await self._answer(function, request)
        except _ApiError as error:
            return _xml(f'<error code="{error.code}" description="{escape(error.description)}"/>')
        if faults.malformed:
            return Response(content_type=XML, body=response.body[: len(response.body) * 2 // 3])
        return response

    async def _answer(self, function: str, request: Request) -> Response:
        if not function:
            raise _ApiError(200, "t")
        if function == "caps":
            return self._caps()
        self._check_key(request)
        match function:
            case "search":
                return await self._search(request, imdb_id=None, words=request.query.get("q", ""))
            case "movie":
                return await self._movie(request)
            case "get":
                return await self._get(request)
            case _:
                raise _ApiError(202, function)

    def _check_key(self, request: Request) -> None:
        faults = self._faults.current.newznab
        key = request.query.get("apikey")
        if not key:
            raise _ApiError(200, "apikey")
        if faults.wrong_key or key != self._api_key:
            raise _ApiError(100)
        if faults.limit_reached:
            raise _ApiError(500)
        if faults.error is not None:
            raise _ApiError(faults.error)

    async def _movie(self, request: Request) -> Response:
        imdb, words = request.query.get("imdbid"), request.query.get("q", "")
        if imdb is None and not words:
            raise _ApiError(200, "imdbid or q")
        if imdb is None:
            return await self._search(request, imdb_id=None, words=words)
        digits = re.fullmatch(r"(?:tt)?(\d{1,10})", imdb)
        if digits is None:
            raise _ApiError(201, "imdbid")
        return await self._search(request, imdb_id=f"tt{digits[1].zfill(7)}", words=words)

    async def _search(self, request: Request, *, imdb_id: str | None, words: str) -> Response:
        offset, limit = _number(request, "offset", 0), _number(request, "limit", LIMIT_DEFAULT)
        categories = _categories(request.query.get("cat", ""))
        if self._faults.current.newznab.ignores_parameters:
            imdb_id, words = None, ""
        await self._studio.until_posted(lambda recipe: matches(recipe, imdb_id, words))
        found = [
            release
            for release in self._releases.find(imdb_id=imdb_id, words=words)
            if not categories or categories & {release.recipe.category, 2000}
        ]
        shown = found[offset : offset + min(limit, LIMIT_MAX)]
        torznab = request.path.startswith("/torznab")
        return _xml(self._rss(shown, offset, len(found), "torznab" if torznab else "newznab"))

    async def _get(self, request: Request) -> Response:
        release_id = request.query.get("id")
        if not release_id:
            raise _ApiError(200, "id")
        await self._studio.until_posted(lambda recipe: recipe.id == release_id)
        release = self._releases.get(release_id)
        if release is None:
            raise _ApiError(300)
        fault = self._faults.current.nzb.get(release_id)
        return Response(
            content_type="text/html" if fault == "html" else "application/x-nzb",
            body=broken_nzb(fault, release.post.nzb) if fault else release.post.nzb,
            headers={"content-disposition": f'attachment; filename="{release.recipe.name}.nzb"'},
        )

    def _caps(self) -> Response:
        state = self._faults.current.newznab.caps
        if state == "refused":
            raise _ApiError(202, "caps")
        params = {None: "q,imdbid", "words": "q", "nothing": ""}[state]
        available = "yes" if params else "no"
        names = CATEGORIES.items()
        subcategories = "".join(f'<subcat id="{number}" name="{name}"/>' for number, name in names)
        return _xml(
            '<caps><server version="0.1" title="Sandbox Index" strapline="Invented films only"/>'
            f'<limits max="{LIMIT_MAX}" default="{LIMIT_DEFAULT}"/><registration available="no" open="no"/>'
            '<searching><search available="yes" supportedParams="q"/>'
            '<tv-search available="no" supportedParams=""/>'
            f'<movie-search available="{available}" supportedParams="{params}"/>'
            '<audio-search available="no" supportedParams=""/></searching>'
            f'<categories><category id="2000" name="Movies">{subcategories}</category></categories></caps>'
        )

    def _rss(self, releases: Sequence[Release], offset: int, total: int, dialect: str) -> str:
        items = "".join(self._item(release, dialect) for release in releases)
        return (
            '<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"'
            ' xmlns:newznab="http://www.newznab.com/DTD/2010/feeds/attributes/"'
            ' xmlns:torznab="http://torznab.com/schemas/2015/feed"><channel>'
            f"<title>Sandbox Index</title><link>{self.base_url}/</link><description>API results</description>"
            f'<newznab:response offset="{offset}" total="{total}"/>{items}</channel></rss>'
        )

    def _item(self, release: Release, dialect: str) -> str:
        recipe, faults = release.recipe, self._faults.current.newznab
        get = f"{self.base_url}/api?" + urlencode({"t": "get", "id": release.id, "apikey": self._api_key})
        date, size, link = format_datetime(release.posted_at), release.size_bytes, escape(get)
        category = f"Movies > {CATEGORIES.get(recipe.category, 'Other')}"
        attributes: list[tuple[str, object]] = [
            ("category", 2000),
            ("category", recipe.category),
            ("size", size),
            ("guid", release.id),
            ("grabs", recipe.grabs),
            ("usenetdate", date),
        ]
        if recipe.imdb_id and not faults.says_no_ids:
            attributes.append(("imdb", recipe.imdb_id.removeprefix("tt")))
        if faults.torrents:
            attributes += [("seeders", 5), ("infohash", release.id.ljust(40, "0"))]
        kind = "application/x-bittorrent" if faults.torrents else "application/x-nzb"
        return (
            f"<item><title>{escape(recipe.name)}</title>"
            f'<guid isPermaLink="true">{self.base_url}/details/{release.id}</guid><link>{link}</link>'
            f"<pubDate>{date}</pubDate><category>{escape(category)}</category>"
            f'<enclosure url="{link}" length="{size}" type="{kind}"/>'
            + "".join(f'<{dialect}:attr name="{name}" value="{value}"/>' for name, value in attributes)
            + "</item>"
        )


async def trouble_of(faults: NewznabFaults) -> Response | None:
    """What is answered instead of anything else."""
    if faults.hang:
        await asyncio.sleep(HANG_S)
    await asyncio.sleep(faults.delay_ms / 1000)
    if faults.status is not None:
        headers = {} if faults.retry_after_s is None else {"retry-after": str(faults.retry_after_s)}
        return Response(
            status=faults.status, content_type="text/html", body=b"<h1>Sorry</h1>", headers=headers
        )
    if faults.html:
        return Response(content_type="text/html; charset=utf-8", body=_LOGIN_PAGE)
    return None


def _xml(body: str) -> Response:
    return Response(content_type=XML, body=f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'.encode())


def _number(request: Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise _ApiError(201, name)
    return int(text)


def _categories(text: str) -> set[int]:
    return {int(part) for part in text.split(",") if re.fullmatch(r"[0-9]{1,6}", part)}
