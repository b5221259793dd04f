"""A Prowlarr: its API v1's search over the sandbox's releases, and the links by which it hands them on.

API: github.com/Prowlarr/Prowlarr, `SearchController`. Ids are tokens within the query, downloads are links to
itself that carry its key, and lead (301) to the indexer.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from libs.sandbox.faults import Counters, FaultSwitch
from libs.sandbox.newznab import trouble_of
from libs.sandbox.releases import Release, ReleaseIndex, matches
from libs.sandbox.studio import Studio
from libs.sandbox.web import Request, Response, json_response

PREFIX = "/prowlarr"
_TOKEN = re.compile(r"\{(\w+):([^}]*)\}")
_LIMIT_MAX = 100


class Prowlarr:
    """Answers below `/prowlarr`; links point at `base_url`."""

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
        path = request.path.removeprefix(PREFIX)
        self._counters.http[f"prowlarr {path}"] += 1
        faults = self._faults.current.newznab
        if trouble := await trouble_of(faults):
            return trouble
        key = request.headers.get("x-api-key") or request.query.get("apikey")
        if faults.wrong_key or key != self._api_key:
            return json_response({"error": "Unauthorized"}, status=401)
        match path:
            case "/api/v1/search":
                return await self._search(request.query)
            case "/1/download":
                return self._download(request.query)
            case _:
                return json_response({"message": "NotFound"}, status=404)

    async def _search(self, query: Mapping[str, str]) -> Response:
        text = query.get("query", "")
        tokens = {name.lower(): value for name, value in _TOKEN.findall(text)}
        imdb_id, words = tokens.get("imdbid"), _TOKEN.sub(" ", text)
        if self._faults.current.newznab.ignores_parameters:
            imdb_id, words = None, ""
        await self._studio.until_posted(lambda recipe: matches(recipe, imdb_id, words))
        found = self._releases.find(imdb_id=imdb_id, words=words)
        return json_response([self._result(release) for release in found[:_LIMIT_MAX]])

    def _result(self, release: Release) -> dict[str, object]:
        recipe, faults = release.recipe, self._faults.current.newznab
        link = {"apikey": self._api_key, "link": release.id, "file": recipe.name}
        imdb = "" if faults.says_no_ids else (recipe.imdb_id or "").removeprefix("tt")
        return {
            "guid": f"{self.base_url}/details/{release.id}",
            "age": int(recipe.age_days),
            "size": release.size_bytes,
            "files": None,
            "grabs": recipe.grabs,
            "indexerId": 1,
            "indexer": "Sandbox Index",
            "title": recipe.name,
            "imdbId": int(imdb or 0),
            "tmdbId": 0,
            "publishDate": release.posted_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "downloadUrl": f"{self.base_url}{PREFIX}/1/download?{urlencode(link)}",
            "protocol": "torrent" if faults.torrents else "usenet",
            "categories": [{"id": 2000, "name": "Movies"}, {"id": recipe.category, "name": "Movies/HD"}],
        }

    def _download(self, query: Mapping[str, str]) -> Response:
        get = {"t": "get", "id": query.get("link", ""), "apikey": self._api_key}
        return Response(status=301, headers={"location": f"{self.base_url}/api?{urlencode(get)}"})
