"""Where every request to one indexer goes through: its budget, its rests, its errors in our words."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime

import structlog

from libs.common.settings import IndexerSettings
from libs.common.upstream import Response, Upstream, UpstreamError, origin
from services.indexer.errors import IndexerFailed, IndexerRests
from services.indexer.markup import DOCUMENT_BYTES_MAX, ApiRefused
from services.indexer.metrics import QUERIES_TODAY, RESTING_UNTIL
from services.indexer.standing import HOUR_S, MINUTE_S, Standing
from services.indexer.store import Kept

log = structlog.get_logger(__name__)

TIMEOUT_S = 15.0
RATE_PER_S = 2.0
LIMIT_REST_S = 5 * MINUTE_S
"""After a limit is reached or the key refused, for nothing changes within a minute."""
_KEY_REFUSED = range(100, 103)
_LIMIT_REACHED = (429, 500, 501)


class Desk:
    """Kept for a process's life; what it remembers is kept for longer, as well as that goes."""

    def __init__(
        self, settings: IndexerSettings, kept: Kept, *, user_agent: str, now: Callable[[], datetime]
    ) -> None:
        self.settings = settings
        self.name = settings.name
        self.url = settings.url.rstrip("/").removesuffix("/api")
        self.kept = kept
        self._now = now
        self._standing: Standing | None = None
        known = f"{settings.kind}\n{self.url}\n{settings.api_key}"
        self.fingerprint = hashlib.sha256(known.encode()).hexdigest()[:16]
        self._upstream = Upstream(
            settings.name,
            self.url,
            allowed=frozenset({origin(self.url)}),
            secrets=(settings.api_key,),
            timeout_s=TIMEOUT_S,
            rate_per_s=RATE_PER_S,
            user_agent=user_agent,
        )

    async def close(self) -> None:
        await self._upstream.close()

    async def standing(self) -> Standing:
        if self._standing is None:
            kept = await self.kept.get(self._key, Standing)
            same = kept is not None and kept.fingerprint == self.fingerprint
            # Another search may have been counted while this one waited for the file.
            if self._standing is None:
                self._standing = kept if kept and same else Standing(fingerprint=self.fingerprint)
        return self._standing

    async def open(self) -> None:
        """Raises IndexerRests if it must not be asked now."""
        standing, now = await self.standing(), self._now()
        if standing.rests(now):
            until = f"{standing.resting_until:%H:%M} UTC"
            raise IndexerRests(f"{standing.last_error} It is not asked again before {until}.")

    async def get(
        self, path: str, *, params: Mapping[str, str | int], headers: Mapping[str, str] | None = None
    ) -> Response:
        """One query, counted before it is sent. Raises IndexerFailed; IndexerRests if none is left."""
        await self._count()
        try:
            return await self._upstream.get(
                path, params=params, headers=headers, max_bytes=DOCUMENT_BYTES_MAX, same_hosts_only=True
            )
        except UpstreamError as error:
            raise self._translated(error) from error

    async def succeeded(self) -> None:
        await self._remember((await self.standing()).succeeded(self._now()))

    async def failed(self, failure: IndexerFailed) -> None:
        if not isinstance(failure, IndexerRests):
            await self._remember((await self.standing()).failed(self._now(), str(failure), failure.rest_s))

    def refused(self, error: ApiRefused) -> IndexerFailed:
        """An error of the indexer's own, which came with status 200."""
        if error.code in _KEY_REFUSED:
            return self._key_refused()
        if error.code in _LIMIT_REACHED:
            return self._limit_reached(None)
        told = error.description.replace(self.settings.api_key, "[hidden]") or "no reason given"
        return IndexerFailed(f"{self.name} refuses the search: {told} (its error {error.code}).")

    async def _count(self) -> None:
        standing, now, most = await self.standing(), self._now(), self.settings.queries_per_day
        used = standing.queries_today(now)
        if most and used >= most:
            raise IndexerRests(
                f"{self.name} has had its {most} searches of 24 hours (queries_per_day in the settings)."
            )
        await self._remember(standing.asked(now))

    async def _remember(self, standing: Standing) -> None:
        now = self._now()
        self._standing = standing
        until = standing.resting_until
        RESTING_UNTIL.labels(indexer=self.name).set(until.timestamp() if until else 0)
        QUERIES_TODAY.labels(indexer=self.name).set(standing.queries_today(now))
        await self.kept.put(self._key, standing)

    @property
    def _key(self) -> str:
        return f"standing {self.name}"

    def _translated(self, error: UpstreamError) -> IndexerFailed:
        match error.kind:
            case "unauthorized":
                return self._key_refused()
            case "rate_limited":
                return self._limit_reached(error.retry_after_s)
            case _:
                return IndexerFailed(f"{error.sentence}.", error.retry_after_s or 0.0)

    def _key_refused(self) -> IndexerFailed:
        return IndexerFailed(
            f"{self.name} does not accept the API key; check api_key of this indexer.", LIMIT_REST_S
        )

    def _limit_reached(self, retry_after_s: float | None) -> IndexerFailed:
        rest_s = LIMIT_REST_S if retry_after_s is None else min(retry_after_s, 24 * HOUR_S)
        return IndexerFailed(f"{self.name} allows no more searches for now; try again later.", rest_s)
