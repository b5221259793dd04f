"""Which server is asked for an article next, and when it counts as lost. No sockets, no clock."""

from collections.abc import Sequence
from itertools import groupby

from services.downloader.errors import DownloaderError, ServerUnreachable
from services.downloader.source import Urgency
from services.downloader.usenet.lanes import Article, Failed, Fetched, Lanes, Missing, Outcome, Stage
from services.downloader.usenet.servers import Server
from services.downloader.usenet.upstreams import FOREVER, OPENING_MAX, TRIES, TRIES_PATIENT, Upstream


class Router:
    """Servers in order of priority; equals share the work. What became of articles is in `outcomes`."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self.upstreams = _upstreams(servers)
        self.outcomes: list[Outcome] = []
        self._misses: dict[str, int] = {}

    def expect(self) -> None:
        """Articles will be wanted in a moment."""
        for upstream in self.upstreams[:1]:
            upstream.ahead = OPENING_MAX

    def want(self, article: Article, urgency: Urgency, now: float, reader: int = 0) -> None:
        """Get it. One that is on its way only becomes as urgent as this; one that is done stays so."""
        for upstream in self.upstreams[:1]:
            upstream.ahead = 0
        if article.stage is Stage.IDLE:
            article.urgency, article.reader = urgency, reader
            self._exclude(article)
            self._assign(article, now)
        elif article.home is not None and urgency < article.urgency:
            article.reader = reader
            article.home.hurry(article, urgency)
        else:
            article.urgency = min(article.urgency, urgency)

    def forget(self, article: Article) -> None:
        """Nobody wants it any more; if it is in flight already, it is kept all the same."""
        if article.home is not None:
            article.home.discard(article)

    def keep(self, article: Article) -> None:
        """It has come: nobody else is asked for it unless it turns out bad."""
        self.forget(article)
        article.stage = Stage.KEEPING

    def finish(self, outcome: Fetched | Missing | Failed) -> None:
        self.forget(outcome.article)
        outcome.article.stage = Stage.DONE
        self.outcomes.append(outcome)

    def missed(self, article: Article, upstream: Upstream, reason: str, now: float) -> None:
        """This server hasn't got it, and won't be asked for it again."""
        self._misses[article.message_id] = self._misses.get(article.message_id, 0) | upstream.bit
        self.refused(article, upstream, reason, now)

    def refused(self, article: Article, upstream: Upstream, reason: str, now: float) -> None:
        """This server doesn't give it; it goes to the next one."""
        article.refused_by |= upstream.bit
        article.reasons.append(f"{upstream.server.host}: {reason}")
        article.drops = 0
        # It was raced and is queued again already, if it has a home.
        if article.home is None:
            self._assign(article, now)

    def bad(self, article: Article, upstream: Upstream, reason: str, now: float) -> None:
        """What this server has of it is no good: fetched elsewhere, or here once more, then lost."""
        article.bad_from = upstream.bit
        if article.under_way:
            # Raced: the other connection may bring it in good order.
            return
        self.refused(article, upstream, reason, now)

    def tries(self, upstream: Upstream, now: float) -> int:
        """How many failed connections in a row to bear before giving this server up."""
        return TRIES_PATIENT if upstream.proven and not self.has_another(upstream, now) else TRIES

    def has_another(self, upstream: Upstream, now: float) -> bool:
        """Whether there is a usable server beside this one."""
        return any(other is not upstream and other.usable(now) for other in self.upstreams)

    def desert(self, upstream: Upstream, now: float) -> None:
        """The server has fallen silent: what it owes is asked for elsewhere, and what waits for it too."""
        upstream.fell_silent(now)
        for article in upstream.owed():
            if any(other.usable(now) and not article.refused_by & other.bit for other in self.upstreams):
                self._assign(article, now)
        self.evacuate(upstream, now)

    def put_back(self, articles: Sequence[Article], upstream: Upstream, now: float) -> None:
        """These were asked for on a connection that was lost; they keep their places in the queue."""
        for article in reversed(articles):
            if upstream.usable(now):
                upstream.queue(article, first=True)
            else:
                self._assign(article, now)

    def evacuate(self, upstream: Upstream, now: float) -> None:
        """The server is down: what waits for it goes elsewhere."""
        waiting = upstream.own.drain()
        if not any(other.shared is upstream.shared and other.usable(now) for other in self.upstreams):
            waiting += upstream.shared.drain()
        for article in waiting:
            self._assign(article, now)

    def _exclude(self, article: Article) -> None:
        """Leave out the servers that can't have it."""
        missed = self._misses.get(article.message_id, 0)
        for upstream in self.upstreams:
            if missed & upstream.bit:
                reason = "hadn't got it before"
            elif not upstream.keeps(article.posted_at):
                reason = f"keeps no posts older than {upstream.server.retention_days} days"
            else:
                continue
            article.refused_by |= upstream.bit
            article.reasons.append(f"{upstream.server.host}: {reason}")

    def _assign(self, article: Article, now: float) -> None:
        """Queue it at the first usable server that hasn't refused it; without one it is lost."""
        unasked = [upstream for upstream in self.upstreams if not article.refused_by & upstream.bit]
        again = [upstream for upstream in self.upstreams if article.bad_from == upstream.bit]
        for upstream in unasked:
            if upstream.usable(now):
                upstream.queue(article)
                return
        if again and again[0].usable(now) and not article.retried:
            article.retried = True
            again[0].queue(article)
        elif article.refused_by and (late := _awaitable(article, unasked)):
            article.waited_for |= late.bit
            late.queue(article)
        elif article.refused_by:
            down = [f"{upstream.server.host}: could not be asked" for upstream in unasked]
            self.finish(Missing(article, "; ".join(article.reasons + down)))
        else:
            self.finish(Failed(article, self._error()))

    def _error(self) -> DownloaderError:
        for upstream in self.upstreams:
            if upstream.down is not None:
                return upstream.down
        return ServerUnreachable("no news server is configured; add one in the settings")


def _awaitable(article: Article, unasked: Sequence[Upstream]) -> Upstream | None:
    """One that is down for a while only and may still have it: it is waited for once."""
    return next((u for u in unasked if u.down_until < FOREVER and not article.waited_for & u.bit), None)


def _upstreams(servers: Sequence[Server]) -> list[Upstream]:
    ordered = sorted(servers, key=lambda server: server.priority)
    upstreams: list[Upstream] = []
    for _, equals in groupby(ordered, key=lambda server: server.priority):
        shared = Lanes()
        group = [
            Upstream(server, number, shared, server.trust())
            for number, server in enumerate(equals, len(upstreams))
        ]
        for upstream in group:
            upstream.peers = sum(peer.bit for peer in group)
        upstreams += group
    return upstreams
