"""What the indexer is asked, and what it answers: releases of a title, and how the indexers are."""

from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from libs.common.events import Candidate, Quality, Query, TitleRef, Wire


class ListIndexers(Query, frozen=True, kw_only=True, tag="indexers"):
    """How each indexer is."""

    service: ClassVar[str] = "indexer"


class FindReleases(Query, frozen=True, kw_only=True, tag="releases"):
    service: ClassVar[str] = "indexer"
    title: TitleRef
    quality: Quality | None = None


class FollowReleases(FindReleases, frozen=True, kw_only=True, tag="releases_so_far"):
    """The same, answered several times: with what is known at once, and whenever an indexer has answered."""


class IndexerHealth(Wire, frozen=True, kw_only=True):
    """How one indexer is, and what of its budget is used. No secrets."""

    name: str
    kind: str
    last_success: datetime | None = None
    last_error: str | None = None
    last_error_at: datetime | None = None
    resting_until: datetime | None = None
    """Not asked before, after what went wrong or because it said so."""
    queries_today: int = 0
    """Searches of the last 24 hours."""
    queries_per_day: int = 0
    """0: no limit."""
    grabs_today: int = 0
    """NZBs fetched in the last 24 hours."""
    grabs_per_day: int = 0
    dropped: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    """Of the last search: what was left out, by reason."""


class Indexers(Wire, frozen=True, kw_only=True):
    indexers: tuple[IndexerHealth, ...]


class Releases(Wire, frozen=True, kw_only=True):
    releases: tuple[Candidate, ...]
    indexers: tuple[IndexerHealth, ...] = ()


class IndexerAnswer(Wire, frozen=True, kw_only=True):
    """How far the question to one indexer is: it has so many releases, or `message` says why it failed."""

    name: str
    state: Literal["asked", "answered", "failed"]
    found: int = 0
    message: str = ""


class ReleasesSoFar(Wire, frozen=True, kw_only=True):
    releases: tuple[Candidate, ...]
    indexers: tuple[IndexerAnswer, ...]
