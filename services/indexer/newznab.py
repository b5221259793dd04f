"""One Newznab indexer: asked by IMDb id, answering with offers."""

import asyncio

import structlog

from libs.common.errors import ErrorCode, ServiceError
from libs.common.settings import IndexerSettings
from libs.common.upstream import Upstream, UpstreamError, origin
from services.indexer.feed import FEED_BYTES_MAX, ApiRefused, FeedRefused, Item, parse_feed
from services.indexer.offers import ItemRefused, Offer, offer

log = structlog.get_logger(__name__)

TIMEOUT_S = 15.0
RATE_PER_S = 2.0
ITEMS_ASKED = 100
"""What most indexers give at most."""
_KEY_REFUSED = range(100, 103)
_LIMIT_REACHED = (500, 501, 429)


class Newznab:
    """Kept for a process's life. Source: Newznab API specification, "movie-search"."""

    def __init__(self, settings: IndexerSettings, *, user_agent: str) -> None:
        self.name = settings.name
        self._url = settings.url.rstrip("/").removesuffix("/api")
        self._api_key = settings.api_key
        self._upstream = Upstream(
            settings.name,
            self._url,
            allowed=frozenset({origin(self._url)}),
            secrets=(settings.api_key,),
            timeout_s=TIMEOUT_S,
            rate_per_s=RATE_PER_S,
            user_agent=user_agent,
        )

    async def search(self, imdb_id: str) -> tuple[Offer, ...]:
        """The offers for the film with this id (`tt…`), each once. Raises ServiceError(NZBGEEK_ERROR)."""
        params: dict[str, str | int] = {
            "t": "movie",
            "imdbid": imdb_id.removeprefix("tt"),
            "extended": 1,
            "limit": ITEMS_ASKED,
            "apikey": self._api_key,
        }
        try:
            response = await self._upstream.get(
                "/api", params=params, max_bytes=FEED_BYTES_MAX, same_hosts_only=True
            )
            # Taking apart a long list of names is work of tens of milliseconds and more.
            return await asyncio.to_thread(self._offers, response.body)
        except UpstreamError as error:
            raise self._translated(error) from error
        except ApiRefused as error:
            raise self._refused(error) from error
        except FeedRefused as error:
            raise _failed(f"{self.name} {error}.") from error

    async def close(self) -> None:
        await self._upstream.close()

    def _offers(self, document: bytes) -> tuple[Offer, ...]:
        found: dict[str, Offer] = {}
        for item in parse_feed(document):
            try:
                made = self._offer(item)
            except ItemRefused as error:
                log.info("item_dropped", indexer=self.name, title=item.title[:100], reason=str(error))
            else:
                found.setdefault(made.release_id, made)
        return tuple(found.values())

    def _offer(self, item: Item) -> Offer:
        return offer(item, indexer=self.name, indexer_url=self._url, api_key=self._api_key)

    def _translated(self, error: UpstreamError) -> ServiceError:
        match error.kind:
            case "unauthorized":
                return self._key_refused()
            case "rate_limited":
                return self._limit_reached()
            case _:
                return _failed(f"{error.sentence}.")

    def _refused(self, error: ApiRefused) -> ServiceError:
        if error.code in _KEY_REFUSED:
            return self._key_refused()
        if error.code in _LIMIT_REACHED:
            return self._limit_reached()
        told = error.description.replace(self._api_key, "[hidden]") or "no reason given"
        return _failed(f"{self.name} refuses the search: {told} (its error {error.code}).")

    def _key_refused(self) -> ServiceError:
        return _failed(f"{self.name} does not accept the API key; check api_key of this indexer.")

    def _limit_reached(self) -> ServiceError:
        return _failed(f"{self.name} allows no more searches for now; try again later.")


def _failed(message: str) -> ServiceError:
    return ServiceError(ErrorCode.NZBGEEK_ERROR, message)
