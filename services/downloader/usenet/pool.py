"""The engine: one thread, one selector, every connection of every server; and a keeper that stores.

What is said to it (`want`, `drop`), by whomever, goes through one queue.

Memory: an article of at most 10 MiB being received per connection, beside its buffer of 256 KiB.
Requests in the pipeline cost nothing until their answer comes.
"""

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import sabctools
import structlog

from services.downloader.errors import DownloaderError, ScratchFull
from services.downloader.source import Span, Urgency
from services.downloader.usenet.articles import PartRefused
from services.downloader.usenet.connection import (
    DEPTH_MAX,
    Address,
    Asked,
    Connection,
    ConnectionFault,
    Dropped,
    Garbled,
    Stalled,
    status_line,
)
from services.downloader.usenet.keeping import Keeper, Kept
from services.downloader.usenet.lanes import Article, Failed, Fetched, Inquiry, Outcome, Stage, Stopped
from services.downloader.usenet.lookup import look_up
from services.downloader.usenet.races import Races, late
from services.downloader.usenet.routing import Router
from services.downloader.usenet.servers import Server
from services.downloader.usenet.survey import (
    ABSENT,
    INQUIRIES_MAX,
    SURVEY_WITHIN_S,
    IsThere,
    Survey,
    Sweep,
    Tell,
    inquirers,
)
from services.downloader.usenet.upstreams import FOREVER, Upstream

BODY_FOLLOWS: Final = 222
IDLE_S: Final = 30.0
"""Then an unused connection is given back: accounts count them."""
TICK_S: Final = 1.0
"""How late a deadline may be noticed."""
RACE_TICK_S: Final = 0.1
"""The same for an article that takes too long."""
DROPS_MAX: Final = 5
"""Connections lost at the same article before the server counts as not having it: of a server that cuts every
third answer, fewer would condemn good articles by chance."""
PLAYER_MEMORY_S: Final = 5.0
"""For so long after a player's read, fill articles don't pile up in front of its next one."""
CLEAR_SHARE: Final = 4
"""They do where the server is far, for else the line is idle: but not on one connection of so many."""
CLOSE_WITHIN_S: Final = 2.0
Keep = Callable[[Article, sabctools.NNTPResponse], Span]
"""Checks and stores an answer, on the keeper's thread. Raises `PartRefused`, or `ScratchFull`."""
Deliver = Callable[[list[Outcome]], None]


class Engine:
    """Fetches articles until closed."""

    def __init__(self, servers: Sequence[Server]) -> None:
        """Starts its thread. Raises `ServerRefused` for a bad `ca_file`."""
        self.bytes_received = 0
        self.articles_fetched = 0
        self.articles_missed = 0
        self.articles_bad = 0
        self._keep: Keep = _not_asked_for
        self._deliver: Deliver = _told_nobody
        self._router = Router(servers)
        self._owners: dict[Connection, Upstream] = {}
        self._masks: dict[Connection, int] = {}
        self._unread: set[Connection] = set()
        self._commands: deque[Callable[[float], None]] = deque()
        self._selector = selectors.DefaultSelector()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)
        self._player_at = -PLAYER_MEMORY_S
        self._closing = False
        self._sweep: Sweep | None = None
        self._inquirers: set[Connection] = set()
        self._races = Races()
        self._races_due_at = 0.0
        self._keeper = Keeper()
        self._log = structlog.get_logger().bind(component="usenet")
        self._thread = threading.Thread(target=self._run, name="usenet", daemon=True)
        self._thread.start()

    def connect_ahead(self) -> None:
        """Open some connections to the first server: what for will be known in a moment. Any thread."""
        self._tell(lambda _: self._router.expect())

    def serve(self, keep: Keep, deliver: Deliver) -> None:
        """Whom it fetches for, once, before anything is wanted. `deliver` is called on its thread."""
        self._keep, self._deliver = keep, deliver
        if not self._thread.is_alive():
            deliver([Stopped(DownloaderError("the Usenet engine has stopped"))])

    def want(self, articles: Sequence[Article], urgency: Urgency, reader: int) -> None:
        """Fetch these. One that is on its way already only becomes as urgent as this. Any thread.

        Readers (any numbers) of the same urgency take turns.
        """
        self._tell(lambda now: self._wanted(articles, urgency, reader, now))

    def drop(self, articles: Sequence[Article]) -> None:
        """Forget those that haven't been asked for. Any thread."""
        self._tell(lambda _: self._forget(articles))

    def survey(self, inquiries: Sequence[Inquiry], is_there: IsThere, tell: Tell) -> None:
        """Ask the servers which of these they have. Once in the engine's life; any thread.

        It takes at most a quarter of the connections from the fill, and waits for whatever is more urgent.
        They stay free of the fill until `end_survey`, so that what is asked for in doubt comes at once.
        """
        self._tell(lambda now: self._begin_survey(inquiries, is_there, tell, now))

    def end_survey(self) -> None:
        """The fill may have all connections again. Any thread."""
        self._tell(lambda _: self._inquirers.clear())

    def close(self) -> None:
        """Stop at once; nothing more is delivered. Blocks until the thread and its sockets are gone."""
        self._closing = True
        self._wake()
        self._thread.join(CLOSE_WITHIN_S)

    def _tell(self, command: Callable[[float], None]) -> None:
        self._commands.append(command)
        self._wake()

    def _wake(self) -> None:
        # A full pipe wakes as well as one byte does; a closed one has nobody left to wake.
        with suppress(OSError):
            self._wake_sender.send(b"\0")

    # Everything below runs on the engine's thread.

    def _run(self) -> None:
        self._selector.register(self._wake_receiver, selectors.EVENT_READ)
        try:
            while not self._closing:
                self._turn()
        except Exception as error:
            self._log.exception("usenet engine stopped")
            self._deliver([Stopped(DownloaderError(f"the Usenet engine stopped: {type(error).__name__}"))])
        finally:
            for connection in list(self._owners):
                self._release(connection)
            self._keeper.close()
            self._selector.close()
            self._wake_receiver.close()
            self._wake_sender.close()

    def _turn(self) -> None:
        events = self._selector.select(0 if self._unread else self._pause_s(time.monotonic()))
        now = time.monotonic()
        unread, self._unread = self._unread, set()
        for key, mask in events:
            if key.data is None:
                self._wake_receiver.recv(4096)
            else:
                unread.discard(key.data)
                self._serve(key.data, mask, now)
        for connection in unread:
            self._serve(connection, selectors.EVENT_READ, now)
        while self._commands:
            self._commands.popleft()(now)
        self._check_deadlines(now)
        for upstream in self._router.upstreams:
            self._dispatch(upstream, now)
            self._inquire(upstream, now)
            self._open_connections(upstream, now)
        self._end_survey(now)
        self._race(now)
        if self._router.outcomes:
            outcomes, self._router.outcomes = self._router.outcomes, []
            self._deliver(outcomes)

    def _pause_s(self, now: float) -> float | None:
        """Until something is due; None if only an event can bring news."""
        in_flight = any(connection.bodies for connection in self._owners)
        pauses = [RACE_TICK_S if in_flight else TICK_S] if self._owners else []
        waiting = [upstream for upstream in self._router.upstreams if upstream.waiting]
        pauses.extend(u.retry_at - now for u in waiting if u.usable(now) and u.retry_at > now)
        pauses.extend(u.down_until - now for u in waiting if not u.usable(now) and u.down_until < FOREVER)
        return min(pauses, default=None)

    def _wanted(self, articles: Sequence[Article], urgency: Urgency, reader: int, now: float) -> None:
        if urgency is Urgency.PLAYER:
            self._player_at = now
        for article in articles:
            self._router.want(article, urgency, now, reader)

    def _forget(self, articles: Sequence[Article]) -> None:
        for article in articles:
            self._router.forget(article)

    def _begin_survey(self, inquiries: Sequence[Inquiry], is_there: IsThere, tell: Tell, now: float) -> None:
        survey = Survey(self._router.upstreams, inquiries, is_there)
        self._sweep = Sweep(survey, tell, now + SURVEY_WITHIN_S)

    def _inquire(self, upstream: Upstream, now: float) -> None:
        """Keep inquiries in flight, on the connections that have the fewest articles to bring."""
        urgency = upstream.urgency()
        if self._sweep is None or (urgency is not None and urgency < Urgency.FILL):
            return
        survey = self._sweep.survey
        if not upstream.usable(now):
            survey.silenced(upstream)
        ready = [connection for connection in upstream.connections if connection.ready]
        ready.sort(key=lambda connection: (not connection.inquiries, connection.bodies))
        for connection in ready[: inquirers(upstream)]:
            if connection.inquiries > INQUIRIES_MAX // 2:
                continue
            inquiries = survey.take(upstream, INQUIRIES_MAX - connection.inquiries)
            if not inquiries:
                return
            self._inquirers.add(connection)
            try:
                connection.inquire(inquiries, now)
            except ConnectionFault as fault:
                self._lost(upstream, connection, fault, now)
            else:
                self._watch(connection)

    def _end_survey(self, now: float) -> None:
        sweep = self._sweep
        if sweep is not None and (sweep.survey.done or now >= sweep.until):
            self._sweep = None
            sweep.tell(sweep.survey.result())

    def _dispatch(self, upstream: Upstream, now: float) -> None:
        """Give waiting articles to ready connections, each time to one with the fewest in flight."""
        if not upstream.waiting or not upstream.usable(now):
            return
        connections = [connection for connection in upstream.connections if connection.ready]
        player_near = now - self._player_at < PLAYER_MEMORY_S
        clear = connections[: -(-len(connections) // CLEAR_SHARE)]
        connections.sort(key=lambda connection: connection in self._inquirers)
        alone = len(connections) == 1
        self._hurry_past_the_fill(upstream, now)
        for depth in range(DEPTH_MAX):
            for connection in connections:
                if connection.bodies != depth or depth >= connection.depth or not connection.ready:
                    continue
                near = player_near and (connection in clear or not connection.is_far)
                busy = (near and depth) or (connection in self._inquirers and not alone)
                article = upstream.next_article(Urgency.DESCRIBE if busy else Urgency.FILL)
                if article is None:
                    if busy and upstream.waiting:
                        continue
                    return
                self._ask(upstream, connection, article, now)

    def _hurry_past_the_fill(self, upstream: Upstream, now: float) -> None:
        """What is urgent goes first where no fill article is ahead of it."""
        for connection in [c for c in upstream.connections if c in self._inquirers and not c.inquiries]:
            while connection.ready and connection.bodies < connection.depth:
                article = upstream.next_article(Urgency.DESCRIBE)
                if article is None:
                    return
                self._ask(upstream, connection, article, now)

    def _ask(self, upstream: Upstream, connection: Connection, article: Article, now: float) -> None:
        article.stage = Stage.IN_FLIGHT
        if not article.under_way:
            article.asked_at = now
        article.under_way += 1
        try:
            connection.ask(article, now)
        except ConnectionFault as fault:
            self._lost(upstream, connection, fault, now)
        else:
            self._watch(connection)

    def _race(self, now: float) -> None:
        """Ask a second connection for articles that somebody waits for and that don't come."""
        if now < self._races_due_at:
            return
        self._races_due_at = now + RACE_TICK_S
        flying = {
            asked: connection
            for connection in self._owners
            for asked in connection.in_flight
            if isinstance(asked, Article) and asked.stage is Stage.IN_FLIGHT
        }
        ending = not any(upstream.waiting for upstream in self._router.upstreams)
        left = self._races.left(sum(article.under_way > 1 for article in flying))
        for article, connection in flying.items():
            if left and late(article, now, self._races, ending=ending):
                left -= self._raced(article, connection, now)

    def _raced(self, article: Article, slow: Connection, now: float) -> bool:
        home = self._owners[slow]
        deaf = not home.heard_since(article.asked_at)
        rivals = [
            (deaf and upstream is home, other.bodies + other.inquiries, number, other, upstream)
            for number, (other, upstream) in enumerate(self._owners.items())
            if other is not slow and other.ready and not article.refused_by & upstream.bit
        ]
        _, depth, _, rival, upstream = min(rivals, default=(True, DEPTH_MAX, 0, slow, None))
        if upstream is None or (depth and article.urgency is Urgency.FILL):
            return False
        self._races.begin()
        self._ask(upstream, rival, article, now)
        return True

    def _open_connections(self, upstream: Upstream, now: float) -> None:
        while upstream.may_open(now, self._inquirers_wanted(upstream)):
            if not upstream.addresses:
                self._resolve(upstream)
                return
            address = upstream.addresses[upstream.address_turn % len(upstream.addresses)]
            try:
                connection = Connection(upstream.server, address, upstream.trust, now)
            except OSError as error:
                self._lost(upstream, None, Dropped(error.strerror or "no connection"), now)
                return
            except ConnectionFault as fault:
                self._lost(upstream, None, fault, now)
                return
            upstream.connections.append(connection)
            self._owners[connection] = upstream
            self._watch(connection)

    def _inquirers_wanted(self, upstream: Upstream) -> int:
        waiting = self._sweep.survey.waiting(upstream) if self._sweep else 0
        return min(inquirers(upstream), -(-waiting // INQUIRIES_MAX))

    def _resolve(self, upstream: Upstream) -> None:
        if upstream.resolving:
            return
        upstream.resolving = True
        look_up(
            upstream.server.host,
            upstream.server.port,
            lambda found, fault: self._tell(lambda now: self._resolved(upstream, found, fault, now)),
        )

    def _resolved(self, upstream: Upstream, found: list[Address], fault: Dropped | None, now: float) -> None:
        upstream.resolving = False
        upstream.addresses = found
        if fault is not None:
            self._lost(upstream, None, fault, now)

    def _serve(self, connection: Connection, mask: int, now: float) -> None:
        upstream = self._owners.get(connection)
        if upstream is None:
            return
        try:
            if mask & selectors.EVENT_WRITE:
                connection.on_writable(now)
            if mask & selectors.EVENT_READ:
                for asked, response in connection.on_readable(now):
                    self._answered(upstream, asked, response, now)
                if connection.has_unread:
                    self._unread.add(connection)
        except ConnectionFault as fault:
            self._lost(upstream, connection, fault, now)
        else:
            self._watch(connection)

    def _answered(
        self, upstream: Upstream, asked: Asked, response: sabctools.NNTPResponse, now: float
    ) -> None:
        if isinstance(asked, Inquiry):
            if self._sweep is not None:
                self._sweep.survey.answered(asked, upstream, response.status_code)
            return
        upstream.worked()
        asked.under_way -= 1
        if asked.stage in {Stage.KEEPING, Stage.DONE}:
            # It lost the race; so that the figures are honest, it counts as fetched too.
            self.articles_fetched += response.status_code == BODY_FOLLOWS
            return
        if response.status_code == BODY_FOLLOWS:
            self._came(upstream, asked, response, now)
            return
        self.articles_missed += 1
        told = upstream.server.without_secrets(status_line(response)) or "no answer"
        if response.status_code in ABSENT:
            self._router.missed(asked, upstream, told, now)
        else:
            self._router.refused(asked, upstream, told, now)

    def _came(
        self, upstream: Upstream, article: Article, response: sabctools.NNTPResponse, now: float
    ) -> None:
        self._races.came(now - article.asked_at)
        self._router.keep(article)
        self._keeper.keep(
            lambda: self._keep(article, response),
            lambda kept: self._tell(lambda at: self._kept(upstream, article, kept, at)),
        )

    def _kept(self, upstream: Upstream, article: Article, kept: Kept, now: float) -> None:
        match kept:
            case Span():
                self.articles_fetched += 1
                self.bytes_received += kept.length
                self._router.finish(Fetched(article, kept))
            case PartRefused():
                self.articles_bad += 1
                article.stage = Stage.IN_FLIGHT
                self._router.bad(article, upstream, str(kept), now)
            case ScratchFull():
                self._router.finish(Failed(article, kept))
            case _:
                raise kept

    def _check_deadlines(self, now: float) -> None:
        for connection, upstream in list(self._owners.items()):
            fault = connection.overdue(now)
            if fault is not None:
                self._lost(upstream, connection, fault, now)
            elif connection.ready and not connection.in_flight and now - connection.idle_since > IDLE_S:
                upstream.connections.remove(connection)
                self._release(connection)

        for upstream in self._router.upstreams:
            if upstream.usable(now) and upstream.silent(now) and self._router.has_another(upstream, now):
                self._log.info("server fell silent", host=upstream.server.host)
                self._router.desert(upstream, now)

    def _lost(
        self, upstream: Upstream, connection: Connection | None, fault: ConnectionFault, now: float
    ) -> None:
        """A connection is over, or came to nothing: no article in flight is lost with it."""
        in_flight: list[Article] = []
        if connection is not None:
            in_flight = [asked for asked in connection.in_flight if isinstance(asked, Article)]
            self._lost_inquiries(upstream, connection, fault)
            upstream.connections.remove(connection)
            self._release(connection)
        upstream.lost_connection(connection, fault, self._router.tries(upstream, now), now)
        self._log.info(
            "connection lost", host=upstream.server.host, reason=str(fault), in_flight=len(in_flight)
        )
        for article in in_flight:
            article.under_way -= 1
        in_flight = [a for a in in_flight if a.stage is Stage.IN_FLIGHT and not a.under_way]
        if in_flight:
            head = in_flight[0]
            head.drops += 1
            if head.drops >= DROPS_MAX or isinstance(fault, Garbled):
                del in_flight[0]
                self.articles_bad += 1
                self._router.bad(head, upstream, str(fault), now)
        self._router.put_back(in_flight, upstream, now)
        if not upstream.usable(now):
            self._router.evacuate(upstream, now)

    def _lost_inquiries(self, upstream: Upstream, connection: Connection, fault: ConnectionFault) -> None:
        inquiries = [asked for asked in connection.in_flight if isinstance(asked, Inquiry)]
        if not inquiries or self._sweep is None:
            return
        silent = isinstance(connection.in_flight[0], Inquiry) and isinstance(fault, Garbled | Stalled)
        self._sweep.survey.lost(inquiries, upstream, silent=silent)

    def _watch(self, connection: Connection) -> None:
        events, known = connection.events, self._masks.get(connection)
        if events == known:
            return
        if known is None:
            self._selector.register(connection.fileno, events, connection)
        else:
            self._selector.modify(connection.fileno, events, connection)
        self._masks[connection] = events

    def _release(self, connection: Connection) -> None:
        if self._masks.pop(connection, None) is not None:
            self._selector.unregister(connection.fileno)
        self._owners.pop(connection, None)
        self._unread.discard(connection)
        self._inquirers.discard(connection)
        connection.close()


def _not_asked_for(article: Article, _: sabctools.NNTPResponse) -> Span:
    raise PartRefused(f"nobody has asked for part {article.slot + 1}")


def _told_nobody(_: list[Outcome]) -> None:
    """Nothing is wanted yet, so that nothing can have become of it."""
