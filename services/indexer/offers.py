"""An indexer's items become offers: what is known of a release before anyone asks for a quality. Pure."""

import hashlib
from datetime import datetime
from functools import lru_cache
from urllib.parse import unquote, unquote_plus, urlsplit

from libs.common import releases
from libs.common.events import Candidate, OtherSource, Score, TitleRef, Wire
from libs.common.security import HIDDEN, scrub
from libs.common.upstream import origin as host_of
from services.indexer.caps import Form
from services.indexer.feed import Item
from services.indexer.identity import Certainty, identify

API_KEY = "{api_key}"
"""Stands for the indexer's key in addresses that others get to see."""
TITLE_CHARS_MAX = 300
PARSED_CHARS_MAX = 500
AGE_DAYS_MAX = 36_500
UNKNOWN = "other"
"""The quality of a release whose name tells none."""
MOVIES = range(2000, 3000)
"""Newznab's categories of films."""


class Offer(Wire, frozen=True, kw_only=True):
    """One release at one indexer, its name taken apart."""

    release_id: str
    title: str
    indexer: str
    nzb_url: str
    """With `{api_key}` in place of the key."""
    size_bytes: int
    posted_at: datetime | None
    grabs: int
    quality: str
    """720p, 1080p or 4K; else the resolution that the name tells, or "other"."""
    source: str | None
    codec: str | None
    group: str | None
    flags: tuple[str, ...] = ()
    """3D, REMUX, PROPER … as the name has them."""
    certainty: Certainty = "sure"
    identity: str = ""
    """Why it is, or may not be, the film that was asked for."""
    passworded: bool = False
    also_at: tuple[OtherSource, ...] = ()
    """The same release at other indexers."""

    def age_days(self, now: datetime) -> int:
        """Whole days since it was posted; 0 if nobody said when."""
        return min(max((now - self.posted_at).days, 0), AGE_DAYS_MAX) if self.posted_at else 0

    def candidate(self, score: Score, now: datetime) -> Candidate:
        return Candidate(
            release_id=self.release_id,
            title=self.title,
            indexer=self.indexer,
            nzb_url=self.nzb_url,
            size_bytes=self.size_bytes,
            age_days=self.age_days(now),
            quality=self.quality,
            source=self.source,
            codec=self.codec,
            group=self.group,
            score=score,
            also_at=self.also_at,
        )


class ItemRefused(Exception):
    """Why an item is not offered."""


class Origin(Wire, frozen=True, kw_only=True):
    """Whose items they are, and what was asked to get them."""

    indexer: str
    url: str
    api_key: str
    title: TitleRef
    form: Form


def offer(item: Item, origin: Origin) -> Offer:
    """The item as an offer.

    Raises ItemRefused: no NZB, no film, another film, or its NZB is not at the indexer itself.
    """
    if item.torrent:
        raise ItemRefused("a torrent: only Usenet is fetched from so far")
    if item.categories and not any(number in MOVIES for number in item.categories):
        raise ItemRefused("not a film")
    parsed = _parsed(item.title[:PARSED_CHARS_MAX])
    identity = identify(origin.title, item, parsed, origin.form)
    if identity.certainty == "other":
        raise ItemRefused(f"another film: {identity.reason}")
    digest = hashlib.sha256(f"{origin.indexer}\n{item.guid}".encode(errors="surrogatepass")).hexdigest()
    return Offer(
        release_id=f"rel_{digest[:16]}",
        title=item.title[:TITLE_CHARS_MAX],
        indexer=origin.indexer,
        nzb_url=without_key(item.url, indexer_url=origin.url, api_key=origin.api_key),
        size_bytes=item.size_bytes,
        posted_at=item.posted_at,
        grabs=item.grabs,
        quality=_quality(parsed),
        source=parsed.source,
        codec=parsed.codec,
        group=parsed.group,
        flags=parsed.flags,
        certainty=identity.certainty,
        identity=identity.reason,
        passworded=item.passworded,
    )


_host_of = lru_cache(maxsize=64)(host_of)
"""Of indexers, which are few."""


@lru_cache(maxsize=2048)
def _parsed(name: str) -> releases.Release:
    """Several indexers have the same names, and films are searched for again: 3 MB save most of the work."""
    return releases.parse(name)


def _quality(parsed: releases.Release) -> str:
    tier = releases.quality(parsed)
    return parsed.resolution or UNKNOWN if tier == "other" else tier


def without_key(url: str, *, indexer_url: str, api_key: str) -> str:
    """The NZB's address with `{api_key}` for the key. Raises ItemRefused if it leads anywhere else."""
    try:
        own = host_of(url) == _host_of(indexer_url) and "@" not in urlsplit(url).netloc
    except ValueError as error:
        raise ItemRefused("its NZB has no proper address") from error
    if not own:
        raise ItemRefused("its NZB is on another host")
    shown = scrub(url, (api_key,)).replace(HIDDEN, API_KEY)
    if api_key in unquote(shown) or api_key in unquote_plus(shown):
        raise ItemRefused("the key in its NZB's address can't be hidden")
    return shown
