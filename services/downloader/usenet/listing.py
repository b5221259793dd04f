"""Fetches the NZB of a picked release from the indexer that offered it."""

import re
from collections.abc import Sequence
from urllib.parse import quote

from libs.common.events import Candidate
from libs.common.settings import IndexerSettings
from libs.common.upstream import Upstream, UpstreamError, origin
from services.downloader.errors import DownloaderError, IndexerFailed, IndexerRefused, NzbRefused

from .nzb import NZB_BYTES_MAX

TIMEOUT_S = 30.0
KEY_PLACEHOLDER = "{api_key}"
_NEWZNAB_ERROR = re.compile(rb"<error\s+code=\"(\d{1,4})\"(?:\s+description=\"([^\"]{0,300})\")?")
_LOOKED_AT_BYTES = 1024
_KEY_CODES = range(100, 104)
"""Newznab: incorrect credentials, account suspended, not enough rights, registration denied."""


async def fetch_nzb(pick: Candidate, indexers: Sequence[IndexerSettings], user_agent: str) -> bytes:
    """The NZB as the indexer sends it. Only that indexer's own host is asked, redirects included.

    A Prowlarr leads on to the indexers that are set up there, which these settings don't name: its redirects
    may lead to any public host, and never into a network.

    Raises IndexerRefused, IndexerFailed or NzbRefused.
    """
    indexer = next((i for i in indexers if i.name == pick.indexer), None)
    if indexer is None:
        raise IndexerRefused(f"The indexer {pick.indexer!r} of this release is not in the settings any more.")
    upstream = Upstream(
        indexer.name,
        indexer.url,
        allowed=frozenset({origin(indexer.url)}),
        secrets=(indexer.api_key,),
        timeout_s=TIMEOUT_S,
        rate_per_s=None,
        user_agent=user_agent,
    )
    url = pick.nzb_url.replace(KEY_PLACEHOLDER, quote(indexer.api_key, safe=""))
    try:
        passed_on = indexer.kind == "prowlarr" and _begins_at(url, indexer.url)
        response = await upstream.get(url, max_bytes=NZB_BYTES_MAX, same_hosts_only=not passed_on)
    except UpstreamError as error:
        raise _translated(error, indexer.name) from error
    finally:
        await upstream.close()
    _check_for_error(response.body, indexer.name)
    return response.body


def _begins_at(url: str, indexer_url: str) -> bool:
    try:
        return origin(url) == origin(indexer_url)
    except ValueError:
        return False


def _translated(error: UpstreamError, name: str) -> DownloaderError:
    match error.kind:
        case "unauthorized":
            return IndexerRefused(f"{name} does not accept the API key; check it in the settings.")
        case "not_found":
            return NzbRefused(f"{name} does not have this release any more.")
        case "refused" | "too_large":
            return NzbRefused(error.sentence)
        case _:
            return IndexerFailed(error.sentence)


def _check_for_error(body: bytes, name: str) -> None:
    """Newznab tells its errors with status 200."""
    found = _NEWZNAB_ERROR.search(body[:_LOOKED_AT_BYTES])
    if not found:
        return
    code = int(found[1])
    if code in _KEY_CODES:
        raise IndexerRefused(f"{name} does not accept the API key; check it in the settings.")
    raise IndexerFailed(f"{name} did not give the NZB: {(found[2] or b'').decode(errors='replace') or code}.")
