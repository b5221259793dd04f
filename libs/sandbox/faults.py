"""What the sandbox does wrong on demand, and what it counts."""

from collections import Counter
from typing import Annotated, Literal

import msgspec

from libs.sandbox.nzb_faults import NzbFault

HANG_S = 600
"""How long a hanging answer hangs before it gives up."""

_Positive = Annotated[int, msgspec.Meta(gt=0)]
_Natural = Annotated[int, msgspec.Meta(ge=0)]


class NntpFaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The news server's. Releases are named by their titles, articles by message-ids without brackets."""

    missing: frozenset[str] = frozenset()
    missing_every: dict[str, _Positive] = {}
    """Release → n: each n-th article of every file of the release is not there."""
    corrupt: frozenset[str] = frozenset()
    corrupt_every: dict[str, _Positive] = {}
    bytes_per_s: _Positive | None = None
    """Per connection."""
    delay_ms: _Natural = 0
    """Before each answer: a slow server, which does one thing after the other."""
    rtt_ms: _Natural = 0
    """A long way: each answer leaves so long after its command came; commands on their way overlap."""
    refuse_stat: bool = False
    """STAT is no command here."""
    stat_lies: frozenset[str] = frozenset()
    """Message-ids that STAT denies and BODY has."""
    drop_every: _Positive | None = None
    """Cuts the connection in the middle of its n-th body."""
    refuse_credentials: bool = False
    max_connections: _Natural | None = None
    """Greets the ones above with 502."""


class TmdbFaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    status: Literal[401, 404, 429, 500] | None = None
    hang: bool = False
    retry_after_s: _Natural | None = None
    """Sent with 429 (default: 2)."""
    requests_per_s: _Positive | None = None
    """Beyond so many within a second it answers with 429; at most 2,000."""


class OpenSubtitlesFaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    status: Literal[401, 403, 429, 500, 503] | None = None
    quota_used_up: bool = False
    """Every download is answered with 406."""
    hang: bool = False


class JikanFaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    status: Literal[404, 429, 500, 503] | None = None
    hang: bool = False


class NewznabFaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The indexer's, whichever API it is asked by."""

    wrong_key: bool = False
    """Every key is answered with error 100."""
    limit_reached: bool = False
    """Every request is answered with error 500."""
    status: Literal[401, 403, 429, 500, 503] | None = None
    html: bool = False
    """A log-in page with status 200."""
    malformed: bool = False
    """RSS that is cut off in the middle of an element."""
    hang: bool = False
    error: _Natural | None = None
    """Every request with a key is answered with this error, with status 200."""
    retry_after_s: _Natural | None = None
    """Sent with `status`."""
    delay_ms: _Natural = 0
    """Before each answer."""
    ignores_parameters: bool = False
    """Lists everything it has, whatever it is asked for."""
    says_no_ids: bool = False
    """Its lists don't say whose films they are."""
    caps: Literal["words", "nothing", "refused"] | None = None
    """It takes words but no ids, has no search for films at all, or doesn't know the question."""
    torrents: bool = False
    """Everything in its lists is a torrent."""


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that is wrong at the moment; the default is healthy."""

    nntp: NntpFaults = NntpFaults()
    tmdb: TmdbFaults = TmdbFaults()
    newznab: NewznabFaults = NewznabFaults()
    opensubtitles: OpenSubtitlesFaults = OpenSubtitlesFaults()
    jikan: JikanFaults = JikanFaults()
    nzb: dict[str, NzbFault] = {}
    """Release id → what is wrong with its NZB."""


class FaultSwitch:
    """Holds the faults in force. Every part reads `current` for each request it answers."""

    def __init__(self) -> None:
        self.current = Faults()

    def set(self, faults: Faults) -> None:
        """Replaces all faults at once."""
        self.current = faults

    def clear(self) -> None:
        """Everything is healthy again."""
        self.current = Faults()


class Counters:
    """What was asked of the sandbox since it started."""

    def __init__(self) -> None:
        self.articles: Counter[str] = Counter()
        """Bodies served, by message-id"""
        self.http: Counter[str] = Counter()
        """Requests, by endpoint"""
        self.nntp: Counter[str] = Counter()
        """Commands, by their first word; `connections`, `bytes`, `refused`"""

    def snapshot(self) -> dict[str, object]:
        return {
            "articles_total": self.articles.total(),
            "articles": dict(self.articles),
            "http": dict(self.http),
            "nntp": dict(self.nntp),
        }
