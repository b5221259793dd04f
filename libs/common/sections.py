"""Base of the settings' sections, and some of them: how releases are scored, where else is asked."""

import msgspec

BANDS = ("mb_per_min_720p", "mb_per_min_1080p", "mb_per_min_4k", "mb_per_min_other")
"""The scoring's bands, of three numbers each."""
BAND_KEYS = frozenset(("scoring", band) for band in BANDS)


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every section: unknown keys are errors."""


class Scoring(Section, frozen=True, kw_only=True):
    """What a release's score is made of. Weights are shares of a hundred points together.

    Bands are megabytes a minute: from the first on it is not too small, the second is best, and from the
    third on larger brings nothing.
    """

    health: float = 45.0
    quality: float = 35.0
    size: float = 15.0
    consistency: float = 5.0
    mb_per_min_720p: tuple[float, float, float] = (3.0, 10.0, 100.0)
    mb_per_min_1080p: tuple[float, float, float] = (5.0, 20.0, 250.0)
    mb_per_min_4k: tuple[float, float, float] = (15.0, 60.0, 700.0)
    mb_per_min_other: tuple[float, float, float] = (1.5, 6.0, 80.0)
    dead_for_days: float = 30.0
    """How long a release that failed is not picked again by itself; 0: never kept from it."""


def scoring_numbers(scoring: Scoring) -> list[tuple[str, float, float, float]]:
    """Each number by its name, with the least and the most that it may be."""
    weights = {name: getattr(scoring, name) for name in ("health", "quality", "size", "consistency")}
    numbers: list[tuple[str, float, float, float]] = [
        (f"scoring.{name}", weight, 0, 1000) for name, weight in weights.items()
    ]
    numbers.append(("The sum of scoring's four weights", sum(weights.values()), 1, 4000))
    numbers.append(("scoring.dead_for_days (0: never)", scoring.dead_for_days, 0, 3650))
    for band in BANDS:
        least, best, most = getattr(scoring, band)
        numbers += [
            (f"scoring.{band}[0]", least, 0.001, 100_000),
            (f"scoring.{band}[1] (more than the one before)", best, least * 1.001, 100_000),
            (f"scoring.{band}[2] (more than the one before)", most, best * 1.001, 100_000),
        ]
    return numbers


class OpenSubtitles(Section, frozen=True, kw_only=True):
    """Without a key it isn't asked; with an account, the account's quota of downloads counts."""

    url: str = "https://api.opensubtitles.com/api/v1"
    api_key: str = "env:OPENSUBTITLES_API_KEY"
    username: str = ""
    password: str = ""
    languages: tuple[str, ...] = ("en",)
    """As OpenSubtitles has them (`en`, `pt-br`): searched for when nobody names one."""


class Jikan(Section, frozen=True, kw_only=True):
    """What MyAnimeList knows of anime; it needs no key."""

    url: str = "https://api.jikan.moe"


class Tmdb(Section, frozen=True, kw_only=True):
    url: str = "https://api.themoviedb.org"
    token: str = "env:TMDB_API_KEY"  # noqa: S105  (says where it is, not what it is)
    requests_per_s: float = 35.0
    """TMDB slows down those who ask more than about 40 times a second."""
    sync_requests_per_s: float = 10.0
    """Of these, what lists and titles are kept up to date with; 0: they aren't, only what is asked for is."""
    list_pages: int = 5
    """Of each list, what is kept up to date; a page has 20 titles."""
