"""TMDB's API version 3: films and series, search, lists, genres, details, changes, images
(developer.themoviedb.org)."""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b

from libs.sandbox import tmdb_series
from libs.sandbox.faults import HANG_S, Counters, FaultSwitch
from libs.sandbox.posters import draw_backdrop, draw_poster
from libs.sandbox.series import Broadcasts
from libs.sandbox.titles import GENRE_IDS, GENRES_IN, Programme, Title
from libs.sandbox.web import Request, Response, json_response

PAGE_SIZE = 20
PAGE_MAX = 500
CHANGES_PAGE_SIZE = 100
CHANGES_DAYS_MAX = 14
LATELY_MAX = 2_000
RETRY_AFTER_S = 2
IMAGE_CACHE_MAX = 400
POSTER_SIZES = ("w92", "w154", "w185", "w342", "w500", "w780", "original")
BACKDROP_SIZES = ("w300", "w780", "w1280", "original")
_ERRORS = {
    401: (7, "Invalid API key: You must be granted a valid key."),
    404: (34, "The resource you requested could not be found."),
    429: (25, "Your request count (#) is over the allowed limit of (40)."),
    500: (11, "Internal error: Something went wrong, contact TMDb."),
    400: (22, "Invalid page: Pages start at 1 and max at 500. They are expected to be an integer."),
}
_IMAGE = re.compile(r"/t/p/(w\d+|original)/([pb])(\d+)\.jpg")
_MOVIE = re.compile(r"/3/movie/(\d+)(?:/(\w+))?")
_SERIES = re.compile(r"/3/tv/(\d+)(?:/season/(\d+)|/(external_ids))?")


class Tmdb:
    """Answers requests from the programme; image base URLs point at `base_url`, set once it is known."""

    def __init__(
        self,
        programme: Programme,
        faults: FaultSwitch,
        counters: Counters,
        *,
        token: str,
        broadcasts: Broadcasts | None = None,
    ) -> None:
        self.base_url = ""
        self._programme = programme
        self._broadcasts = broadcasts or Broadcasts((), ())
        self._faults = faults
        self._counters = counters
        self._token = token
        self._images: dict[tuple[Title, str, int], bytes] = {}
        self._lately: deque[float] = deque(maxlen=LATELY_MAX)

    async def handle(self, request: Request) -> Response:
        if image := _IMAGE.fullmatch(request.path):
            self._counters.http["tmdb /t/p"] += 1
            return await self._image(image[1], image[2], int(image[3]))
        self._counters.http[f"tmdb {request.path}"] += 1
        faults = self._faults.current.tmdb
        if faults.hang:
            await asyncio.sleep(HANG_S)
        if faults.status is not None:
            return _error(faults.status, retry_after_s=faults.retry_after_s)
        if faults.requests_per_s is not None and not self._is_within(faults.requests_per_s):
            return _error(429, retry_after_s=faults.retry_after_s)
        if request.headers.get("authorization") != f"Bearer {self._token}":
            return _error(401)
        return self._route(request)

    def _is_within(self, requests_per_s: int) -> bool:
        now = time.monotonic()
        while self._lately and now - self._lately[0] >= 1.0:
            self._lately.popleft()
        self._lately.append(now)
        return len(self._lately) <= requests_per_s

    def _route(self, request: Request) -> Response:
        match request.path:
            case "/3/configuration":
                return json_response(self._configuration())
            case "/3/authentication":
                return json_response({"success": True, "status_code": 1, "status_message": "Success."})
            case "/3/genre/movie/list":
                return json_response({"genres": _genres_in(request.query.get("language", "en"))})
            case "/3/discover/movie":
                return self._discover(request)
            case "/3/trending/movie/day" | "/3/trending/movie/week":
                return _page(request, self._sorted(lambda title: title.votes))
            case "/3/movie/changes":
                return self._changes(request)
            case "/3/search/movie":
                return self._search(request)
            case "/3/movie/popular":
                return _page(request, self._sorted(lambda title: title.popularity))
            case "/3/movie/top_rated":
                return _page(request, self._sorted(lambda title: title.rating))
            case path if match := _SERIES.fullmatch(path):
                return self._series(request, int(match[1]), match[2], is_of_ids=bool(match[3]))
            case _:
                return self._movie(request)

    def _series(self, request: Request, number: int, season: str | None, *, is_of_ids: bool) -> Response:
        series = self._broadcasts.series.get(number)
        appended = [name for name in request.query.get("append_to_response", "").split(",") if name]
        if len(appended) > tmdb_series.APPENDED_MAX:
            return json_response(tmdb_series.TOO_MANY_APPENDED, status=400)
        if series is None:
            return _error(404)
        if season is not None:
            found = tmdb_series.season(series, int(season))
            return json_response(found) if found else _error(404)
        if is_of_ids:
            return json_response({"id": number, **tmdb_series.external_ids(series)})
        return json_response(tmdb_series.details(series, appended))

    def _sorted(self, key: Callable[[Title], float]) -> list[Title]:
        return sorted(self._programme, key=key, reverse=True)

    def _search(self, request: Request) -> Response:
        """Each word of the query begins a word of the title; a year narrows it down."""
        if "query" not in request.query:
            return json_response({"errors": ["query must be provided"]}, status=422)
        words = _words(request.query["query"])
        year = request.query.get("primary_release_year") or request.query.get("year") or ""
        found = [
            title
            for title in self._sorted(lambda title: title.popularity)
            if words and _begin_words_of(words, title.title) and title.release_date.startswith(year)
        ]
        return _page(request, found)

    def _discover(self, request: Request) -> Response:
        """Films that are of every genre that is named."""
        wanted = {word for word in request.query.get("with_genres", "").split(",") if word}
        found = [
            title
            for title in self._sorted(lambda title: title.popularity)
            if wanted <= {str(GENRE_IDS[name]) for name in title.genres}
        ]
        return _page(request, found)

    def _changes(self, request: Request) -> Response:
        today = datetime.now(UTC).date().isoformat()
        number = request.query.get("page", "1")
        try:
            first = date.fromisoformat(request.query.get("start_date", today))
            last = date.fromisoformat(request.query.get("end_date", today))
        except ValueError:
            return _error(400)
        if not number.isdecimal() or not 1 <= int(number) <= PAGE_MAX:
            return _error(400)
        if not timedelta(0) <= last - first <= timedelta(days=CHANGES_DAYS_MAX):
            return json_response(
                {"success": False, "status_code": 20, "status_message": "Invalid date range."}, status=400
            )
        changed = [title_id for title_id, day in self._programme.changes.items() if first <= day <= last]
        end = int(number) * CHANGES_PAGE_SIZE
        return json_response(
            {
                "results": [{"id": i, "adult": False} for i in changed[end - CHANGES_PAGE_SIZE : end]],
                "page": int(number),
                "total_pages": max(1, -(-len(changed) // CHANGES_PAGE_SIZE)),
                "total_results": len(changed),
            }
        )

    def _movie(self, request: Request) -> Response:
        match = _MOVIE.fullmatch(request.path)
        title = self._programme.get(int(match[1])) if match else None
        if match is None or title is None:
            return _error(404)
        part = match[2]
        if part is None:
            wanted = request.query.get("append_to_response", "").split(",")
            details = _details(title)
            details.update({name: self._parts(title, name) for name in wanted if name in _PARTS})
            return json_response(details)
        if part in ("similar", "recommendations"):
            return _page(request, self._similar(title))
        return json_response({"id": title.id, **self._parts(title, part)}) if part in _PARTS else _error(404)

    def _parts(self, title: Title, name: str) -> dict[str, object]:
        match name:
            case "credits":
                return _credits(title)
            case "external_ids":
                return _external_ids(title)
            case "videos":
                return {"results": []}
            case _:
                return _listing(self._similar(title), 1)

    def _similar(self, title: Title) -> list[Title]:
        genres = set(title.genres)
        others = [other for other in self._programme if other.id != title.id and genres & set(other.genres)]
        return sorted(others, key=lambda other: (-len(genres & set(other.genres)), -other.popularity))

    def _configuration(self) -> dict[str, object]:
        base = f"{self.base_url}/t/p/"
        return {
            "images": {
                "base_url": base,
                "secure_base_url": base,
                "backdrop_sizes": BACKDROP_SIZES,
                "logo_sizes": ["w45", "w92", "original"],
                "poster_sizes": POSTER_SIZES,
                "profile_sizes": ["w45", "w185", "h632", "original"],
                "still_sizes": ["w92", "w185", "w300", "original"],
            },
            "change_keys": ["title", "overview", "release_date"],
        }

    async def _image(self, size: str, kind: str, title_id: int) -> Response:
        title = self._programme.get(title_id)
        if title is None or size not in (POSTER_SIZES if kind == "p" else BACKDROP_SIZES):
            return Response(status=404, content_type="text/html", body=b"<h1>File not Found</h1>")
        default = 500 if kind == "p" else 1280
        width = default if size == "original" else int(size[1:])
        key = (title, kind, width)
        if key not in self._images:
            if len(self._images) >= IMAGE_CACHE_MAX:
                self._images.clear()
            draw = draw_poster if kind == "p" else draw_backdrop
            self._images[key] = await asyncio.to_thread(draw, title, width)
        return Response(
            content_type="image/jpeg",
            body=self._images[key],
            headers={"cache-control": "public, max-age=31536000", "access-control-allow-origin": "*"},
        )


_PARTS = ("credits", "external_ids", "similar", "recommendations", "videos")


def _error(status: int, *, retry_after_s: int | None = None) -> Response:
    code, message = _ERRORS[status]
    wait_s = RETRY_AFTER_S if retry_after_s is None else retry_after_s
    headers = {"retry-after": str(wait_s)} if status == 429 else {}
    body = {"success": False, "status_code": code, "status_message": message}
    return json_response(body, status=status, headers=headers)


def _page(request: Request, titles: Sequence[Title]) -> Response:
    number = request.query.get("page", "1")
    if not number.isdecimal() or not 1 <= int(number) <= PAGE_MAX:
        return _error(400)
    return json_response(_listing(titles, int(number)))


def _listing(titles: Sequence[Title], page: int) -> dict[str, object]:
    shown = titles[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    return {
        "page": page,
        "results": [
            {**_summary(title), "genre_ids": [GENRE_IDS[name] for name in title.genres]} for title in shown
        ],
        "total_pages": -(-len(titles) // PAGE_SIZE),
        "total_results": len(titles),
    }


def _summary(title: Title) -> dict[str, object]:
    return {
        "adult": False,
        "backdrop_path": f"/b{title.id}.jpg",
        "id": title.id,
        "original_language": "en",
        "original_title": title.title,
        "overview": title.overview,
        "popularity": title.popularity,
        "poster_path": f"/p{title.id}.jpg",
        "release_date": title.release_date,
        "title": title.title,
        "video": False,
        "vote_average": title.rating,
        "vote_count": title.votes,
    }


def _details(title: Title) -> dict[str, object]:
    return {
        **_summary(title),
        "belongs_to_collection": None,
        "budget": 0,
        "genres": _genres(title.genres),
        "homepage": "",
        "imdb_id": title.imdb_id,
        "origin_country": ["GB"],
        "production_companies": [],
        "production_countries": [{"iso_3166_1": "GB", "name": "United Kingdom"}],
        "revenue": 0,
        "runtime": title.runtime_min,
        "spoken_languages": [{"english_name": "English", "iso_639_1": "en", "name": "English"}],
        "status": "Released",
        "tagline": title.tagline,
    }


def _genres(names: Iterable[str]) -> list[dict[str, object]]:
    return [{"id": GENRE_IDS[name], "name": name} for name in names]


def _genres_in(language: str) -> list[dict[str, object]]:
    words = GENRES_IN.get(language.partition("-")[0], {})
    return [{"id": number, "name": words.get(name, name)} for name, number in GENRE_IDS.items()]


def _external_ids(title: Title) -> dict[str, object]:
    return {
        "imdb_id": title.imdb_id,
        "wikidata_id": None,
        "facebook_id": None,
        "instagram_id": None,
        "twitter_id": None,
    }


def _credits(title: Title) -> dict[str, object]:
    cast = [
        {**_person(name, "Acting"), "cast_id": order + 1, "character": character, "order": order}
        for order, (name, character) in enumerate(title.cast)
    ]
    crew = [
        {**_person(name, department), "department": department, "job": job}
        for name, job, department in title.crew
    ]
    return {"cast": cast, "crew": crew}


def _person(name: str, department: str) -> dict[str, object]:
    digest = blake2b(name.encode(), digest_size=12).hexdigest()
    return {
        "adult": False,
        "gender": 0,
        "id": 9_000_000 + int(digest[:5], 16),
        "known_for_department": department,
        "name": name,
        "original_name": name,
        "popularity": 1.0,
        "profile_path": None,
        "credit_id": digest,
    }


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold().replace("'", ""))


def _begin_words_of(words: Iterable[str], title: str) -> bool:
    own = _words(title)
    return all(any(word.startswith(wanted) for word in own) for wanted in words)
