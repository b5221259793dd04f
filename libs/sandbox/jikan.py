"""Jikan's API version 4 as far as anime and their episodes go, with its limits (docs.api.jikan.moe)."""

import asyncio
import re
import time
from collections import deque
from datetime import timedelta

from libs.sandbox.faults import HANG_S, Counters, FaultSwitch
from libs.sandbox.series import Anime, Broadcasts, episode_name
from libs.sandbox.web import Request, Response, json_response

PREFIX = "/jikan"
PAGE_SIZE = 100
PER_S, PER_MIN = 3, 60
_ANIME = re.compile(r"/v4/anime/(\d+)(/full|/episodes)?")
_ERRORS = {
    400: ("ValidationException", "Invalid or incomplete request. Make sure your request is correct."),
    404: ("BadResponseException", "Resource does not exist"),
    429: ("RateLimitException", "You are being rate-limited. Please follow Rate Limiting guidelines."),
    500: ("InternalException", "Exception at line 1"),
    503: ("UpstreamException", "MyAnimeList is down for maintenance"),
}


class Jikan:
    """Three requests a second and sixty a minute are answered, the others with 429."""

    def __init__(self, broadcasts: Broadcasts, faults: FaultSwitch, counters: Counters) -> None:
        self._broadcasts = broadcasts
        self._faults = faults
        self._counters = counters
        self._asked: deque[float] = deque(maxlen=PER_MIN)

    async def handle(self, request: Request) -> Response:
        path = request.path.removeprefix(PREFIX)
        self._counters.http[f"jikan {path}"] += 1
        faults = self._faults.current.jikan
        if faults.hang:
            await asyncio.sleep(HANG_S)
        if faults.status is not None:
            return _error(faults.status)
        if self._is_too_much(time.monotonic()):
            self._counters.http["jikan 429"] += 1
            return _error(429)
        match = _ANIME.fullmatch(path)
        anime = self._broadcasts.anime.get(int(match[1])) if match else None
        if match is None or anime is None:
            return _error(404)
        if match[2] == "/episodes":
            return _episodes(anime, request.query.get("page", "1"))
        data = _details(anime)
        if match[2]:
            data |= {"relations": self._relations(anime), "external": [], "streaming": []}
        return json_response({"data": data})

    def _is_too_much(self, now: float) -> bool:
        asked = self._asked
        if (len(asked) >= PER_S and now - asked[-PER_S] < 1) or (
            len(asked) >= PER_MIN and now - asked[0] < 60
        ):
            return True
        asked.append(now)
        return False

    def _relations(self, anime: Anime) -> list[dict[str, object]]:
        sequels = [other.id for other in self._broadcasts.anime.values() if anime.id in other.prequels]
        related = {"Prequel": list(anime.prequels), "Sequel": sequels}
        return [
            {"relation": relation, "entry": [self._entry(number) for number in numbers]}
            for relation, numbers in related.items()
            if numbers
        ]

    def _entry(self, number: int) -> dict[str, object]:
        return {
            "mal_id": number,
            "type": "anime",
            "name": self._broadcasts.anime[number].title,
            "url": f"https://myanimelist.net/anime/{number}",
        }


def _error(status: int) -> Response:
    kind, message = _ERRORS[status]
    return json_response({"status": status, "type": kind, "message": message, "error": None}, status=status)


def _details(anime: Anime) -> dict[str, object]:
    is_over = anime.episodes is not None and anime.list_length == anime.episodes
    return {
        "mal_id": anime.id,
        "url": f"https://myanimelist.net/anime/{anime.id}",
        "approved": True,
        "titles": [
            {"type": "Default", "title": anime.title},
            {"type": "English", "title": anime.title_english},
        ],
        "title": anime.title,
        "title_english": anime.title_english,
        "title_japanese": None,
        "type": anime.kind,
        "source": "Original",
        "episodes": anime.episodes,
        "status": "Finished Airing" if is_over else "Not yet aired",
        "airing": False,
        "aired": {"from": f"{anime.first}T00:00:00+00:00", "to": None, "string": str(anime.first)},
        "duration": "24 min per ep" if anime.kind == "TV" else "31 min",
        "score": None,
        "synopsis": None,
    }


def _episodes(anime: Anime, page: str) -> Response:
    if not page.isdecimal() or int(page) < 1:
        return _error(400)
    first = (int(page) - 1) * PAGE_SIZE + 1
    last = min(anime.list_length, int(page) * PAGE_SIZE)
    pages = max(1, -(-anime.list_length // PAGE_SIZE))
    data = [_episode(anime, number) for number in range(first, last + 1)]
    pagination = {"last_visible_page": pages, "has_next_page": int(page) < pages}
    return json_response({"pagination": pagination, "data": data})


def _episode(anime: Anime, number: int) -> dict[str, object]:
    day = anime.first + timedelta(days=7 * (number - 1))
    return {
        "mal_id": number,
        "url": f"https://myanimelist.net/anime/{anime.id}/_/episode/{number}",
        "title": episode_name(1, number),
        "title_japanese": None,
        "title_romanji": None,
        "aired": f"{day}T00:00:00+00:00",
        "score": None,
        "filler": False,
        "recap": False,
        "forum_url": None,
    }
