"""One server's standing during a job: its connections, its troubles, and what waits for it."""

import ssl
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from services.downloader.errors import DownloaderError, ServerRefused, ServerUnreachable
from services.downloader.source import Urgency
from services.downloader.usenet.connection import Address, Connection, ConnectionFault, Refused, Untrusted
from services.downloader.usenet.lanes import Article, Lanes, Stage
from services.downloader.usenet.servers import Server

TRIES: Final = 4
"""Failed connections in a row before a server counts as down: about 2 s if it refuses at once."""
TRIES_PATIENT: Final = 8
"""The same for one that has worked and has no substitute: about 24 s, so that a job outlives a hiccup."""
BACKOFF_S: Final = 0.25
"""Before the second try; doubles with each."""
BACKOFF_MAX_S: Final = 8.0
DOWN_S: Final = 30.0
"""How long a server that was down is left alone; also when a lowered limit is raised by one."""
SILENT_S: Final = 5.0
"""A server that owes articles and sends nothing for so long, on any connection, counts as down if another one
can be asked: its connections are only given up much later, as the last one may be slow like this."""
OPENING_MAX: Final = 8
"""Connections being opened at once until the first article has come: handshakes would hold it up."""
FOREVER: Final = float("inf")
DAY_S: Final = 86_400
POSTS_SINCE: Final = 946_684_800
"""Dates before the year 2000 are made up: yEnc is younger."""

_CREDENTIALS: Final = frozenset({452, 480, 481, 482, 483})
_TOO_MANY: Final = ("too many", "limit", "simultaneous", "exceed", "maximum")


@dataclass(eq=False)
class Upstream:
    """Belongs to the engine's thread."""

    server: Server
    number: int
    """Its place among all servers, by priority."""
    shared: Lanes
    """What any server of the same priority may fetch."""
    trust: ssl.SSLContext | None
    peers: int = 0
    """The bits of all servers of the same priority, with its own."""
    ahead: int = 0
    """How many connections to open before it is known what for."""
    own: Lanes = field(default_factory=Lanes)
    """What only this one is asked for."""
    connections: list[Connection] = field(default_factory=list[Connection])
    addresses: list[Address] = field(default_factory=list[Address])
    address_turn: int = 0
    resolving: bool = False
    oldest: float = 0.0
    """When the oldest post it keeps was posted."""
    limit: int = 0
    limit_rises_at: float = FOREVER
    failures: int = 0
    retry_at: float = 0.0
    down: DownloaderError | None = None
    down_until: float = 0.0
    proven: bool = False
    """It has answered for an article."""

    def __post_init__(self) -> None:
        self.limit = self.server.connections
        if self.server.retention_days:
            self.oldest = time.time() - self.server.retention_days * DAY_S

    @property
    def bit(self) -> int:
        """Marks this server in `Article.refused_by`."""
        return 1 << self.number

    @property
    def waiting(self) -> int:
        return len(self.own) + len(self.shared)

    def usable(self, now: float) -> bool:
        return self.down is None or now >= self.down_until

    def keeps(self, posted_at: int) -> bool:
        """Whether something posted then can still be there, by the retention in the settings."""
        return posted_at >= self.oldest or posted_at < POSTS_SINCE

    def silent(self, now: float) -> bool:
        """Whether it owes an article that is still wanted, and nothing has come from it for long."""
        return not self.heard_since(now - SILENT_S) and bool(self.owed())

    def owed(self) -> list[Article]:
        """The articles it has been asked for that are still wanted, and are on their way from no other."""
        asked = Counter(
            asked
            for connection in self.connections
            for asked in connection.in_flight
            if isinstance(asked, Article) and asked.stage is Stage.IN_FLIGHT
        )
        return [article for article, times in asked.items() if times == article.under_way]

    def heard_since(self, moment: float) -> bool:
        return any(connection.heard_at > moment for connection in self.connections)

    def fell_silent(self, now: float) -> None:
        """Leave it alone for a while; any article it brings after all ends that."""
        self.down = ServerUnreachable(
            f"the news server {self.server.host}:{self.server.port} has stopped answering; "
            "check your network, or try again later"
        )
        self.down_until = now + DOWN_S

    def queue(self, article: Article, *, first: bool = False) -> None:
        lanes = self.own if article.refused_by & self.peers else self.shared
        lanes.push(article, first=first)

    def urgency(self) -> Urgency | None:
        """That of the next article."""
        return min((u for u in (self.own.urgency(), self.shared.urgency()) if u is not None), default=None)

    def next_article(self, least: Urgency) -> Article | None:
        """Take the most urgent one that waits, if it is as urgent as `least` or more."""
        best: tuple[Urgency, Lanes] | None = None
        for lanes in (self.own, self.shared):
            urgency = lanes.urgency()
            if urgency is not None and urgency <= least and (best is None or urgency < best[0]):
                best = urgency, lanes
        return best[1].pop() if best else None

    def may_open(self, now: float, inquirers: int) -> bool:
        """Whether there is work for one more connection, and leave to open it.

        `inquirers`: how many connections a survey would like beside those that fetch.
        """
        inquirers = max(inquirers, self.ahead)
        if now >= self.limit_rises_at:
            self.limit = min(self.limit + 1, self.server.connections)
            self.limit_rises_at = now + DOWN_S if self.limit < self.server.connections else FOREVER
        opening = sum(not connection.ready for connection in self.connections)
        in_flight = sum(connection.bodies for connection in self.connections)
        return (
            self.waiting + inquirers > 0
            and self.usable(now)
            and now >= self.retry_at
            and len(self.connections) < min(self.limit, self.waiting + in_flight + inquirers)
            and opening < self._opening_max()
        )

    def _opening_max(self) -> int:
        if self.failures:
            return 1
        return self.limit if self.proven else OPENING_MAX

    def worked(self) -> None:
        """It has answered for an article."""
        self.failures = 0
        self.down = None
        self.proven = True

    def lost_connection(
        self, connection: Connection | None, fault: ConnectionFault, tries: int, now: float
    ) -> None:
        """Draw the consequences for this server; `down` is set if there is no more hope for now.

        `connection` has been taken out of `connections`; None if it came to none. `tries`: how many failures
        in a row are borne.
        """
        if _is_final(fault) and not any(other.ready for other in self.connections):
            self._give_up(self._error(fault), FOREVER)
            return
        if isinstance(fault, Refused) and self.connections:
            self.limit = len(self.connections)
            self.limit_rises_at = now + DOWN_S
            return
        if connection is not None and connection.answered > 0:
            return
        self.retry_at = now + min(BACKOFF_S * 2**self.failures, BACKOFF_MAX_S)
        if self.connections:
            return
        self.failures += 1
        self.address_turn += 1
        self.addresses.clear()
        if self.failures >= tries:
            self._give_up(self._error(fault), now + DOWN_S)

    def _give_up(self, error: DownloaderError, until: float) -> None:
        self.down = error
        self.down_until = until
        self.failures = TRIES - 1

    def _error(self, fault: ConnectionFault) -> DownloaderError:
        name = f"the news server {self.server.host}:{self.server.port}"
        if isinstance(fault, Untrusted):
            return ServerRefused(
                f"{name} shows a certificate that can't be trusted ({fault}); check the host name, or name "
                "the file with its certificate authority in the settings"
            )
        if isinstance(fault, Refused) and _is_final(fault):
            return ServerRefused(
                f"{name} refuses the user name and password ({fault}); check the account in the settings"
            )
        if isinstance(fault, Refused):
            return ServerRefused(
                f"{name} refuses the connection ({fault}); check that the account is active and not in "
                "use elsewhere"
            )
        return ServerUnreachable(
            f"{name} can't be reached ({fault}); check its address, port and your network"
        )


def _is_final(fault: ConnectionFault) -> bool:
    """Wrong credentials stay wrong; but some servers report too many connections by the same codes."""
    if not isinstance(fault, Refused):
        return isinstance(fault, Untrusted)
    told = str(fault).lower()
    return fault.code in _CREDENTIALS and not any(sign in told for sign in _TOO_MANY)
