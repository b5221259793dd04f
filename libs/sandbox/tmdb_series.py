"""TMDB's API version 3 as far as series go: details with parts appended, and seasons."""

import re

from libs.sandbox.series import Season, Series, episode_name

APPENDED_MAX = 20
TOO_MANY_APPENDED = {
    "success": False,
    "status_code": 27,
    "status_message": "Too many append to response objects: The maximum number of remote calls is 20.",
}
_SEASON = re.compile(r"season/(\d+)")


def details(series: Series, appended: list[str]) -> dict[str, object]:
    """`appended`: what `append_to_response` names; what there isn't is passed over, as TMDB does."""
    answer = _details(series)
    for name in appended:
        if name == "external_ids":
            answer[name] = external_ids(series)
        elif (match := _SEASON.fullmatch(name)) and (found := season(series, int(match[1]))):
            answer[name] = found
    return answer


def season(series: Series, number: int) -> dict[str, object] | None:
    found = next((season for season in series.seasons if season.number == number), None)
    if found is None:
        return None
    numbers = range(1, found.episodes + 1)
    return {
        **_season_head(series, found),
        "_id": f"{series.id:012x}{number:012x}",
        "episodes": [_episode(series, found, episode) for episode in numbers],
    }


def external_ids(series: Series) -> dict[str, object]:
    return {
        "imdb_id": series.imdb_id,
        "freebase_mid": None,
        "freebase_id": None,
        "tvdb_id": series.tvdb_id,
        "tvrage_id": None,
        "wikidata_id": None,
    }


def _details(series: Series) -> dict[str, object]:
    regular = [season for season in series.seasons if season.number > 0]
    return {
        "adult": False,
        "episode_run_time": [],
        "first_air_date": regular[0].first.isoformat(),
        "genres": [{"id": number, "name": ""} for number in series.genres],
        "homepage": "",
        "id": series.id,
        "in_production": False,
        "name": series.name,
        "number_of_episodes": sum(season.episodes for season in regular),
        "number_of_seasons": len(regular),
        "origin_country": ["JP" if series.original_language == "ja" else "GB"],
        "original_language": series.original_language,
        "original_name": series.original_name or series.name,
        "overview": series.overview,
        "poster_path": None,
        "backdrop_path": None,
        "seasons": [_season_head(series, season) for season in series.seasons],
        "status": "Returning Series",
        "type": "Scripted",
        "vote_average": 7.5,
        "vote_count": 120,
    }


def _season_head(series: Series, season: Season) -> dict[str, object]:
    return {
        "air_date": season.first.isoformat(),
        "episode_count": season.episodes,
        "id": series.id * 100 + season.number,
        "name": season.name or f"Season {season.number}",
        "overview": "",
        "poster_path": None,
        "season_number": season.number,
        "vote_average": 7.5,
    }


def _episode(series: Series, season: Season, number: int) -> dict[str, object]:
    day = season.day(number)
    return {
        "air_date": day.isoformat() if day else None,
        "crew": [],
        "episode_number": number,
        "episode_type": "standard",
        "guest_stars": [],
        "id": series.id * 10_000 + season.number * 1000 + number,
        "name": episode_name(season.number, number),
        "overview": "",
        "production_code": "",
        "runtime": series.runtime_min,
        "season_number": season.number,
        "show_id": series.id,
        "still_path": None,
        "vote_average": 7.5,
        "vote_count": 12,
    }
