"""Which server is asked: by retention, by what it missed before, and not while it is down."""

import time

import pytest

from services.downloader.errors import ServerUnreachable
from services.downloader.source import Span, Urgency
from services.downloader.usenet.connection import Dropped
from services.downloader.usenet.lanes import Article, Fetched, Missing
from services.downloader.usenet.routing import Router
from services.downloader.usenet.servers import Server
from services.downloader.usenet.upstreams import DAY_S, DOWN_S, TRIES

OLD = int(time.time()) - 2_000 * DAY_S


def server(name: str, priority: int = 0, retention_days: int = 0) -> Server:
    return Server(host=name, tls=False, priority=priority, retention_days=retention_days)


def wanted(router: Router, posted_at: int = 0) -> Article:
    article = Article(0, 0, "a@b", Urgency.FILL, posted_at)
    router.want(article, Urgency.FILL, now=0.0)
    return article


def waits_at(router: Router) -> list[str]:
    return [upstream.server.host for upstream in router.upstreams if upstream.waiting]


@pytest.mark.parametrize(
    ("posted_at", "expected"),
    [
        (OLD, ["keeps"]),
        (int(time.time()), ["forgets"]),
        # Not told, or made up: then it may be anywhere.
        (0, ["forgets"]),
        (1, ["forgets"]),
        (int(time.time()) + 10 * DAY_S, ["forgets"]),
    ],
)
def test_older_posts_are_not_asked_for_where_they_are_gone(posted_at: int, expected: list[str]):
    router = Router([server("forgets", retention_days=1_000), server("keeps", 1, retention_days=3_000)])
    wanted(router, posted_at)
    assert waits_at(router) == expected


def test_what_is_older_than_every_retention_is_missing():
    router = Router([server("forgets", retention_days=1_000)])
    wanted(router, OLD)
    [outcome] = router.outcomes
    assert isinstance(outcome, Missing)
    assert outcome.reason == "forgets: keeps no posts older than 1000 days"


def test_retention_leaves_equal_servers_equal():
    router = Router([server("forgets", retention_days=1_000), server("one", 1), server("two", 1)])
    wanted(router, OLD)
    assert waits_at(router) == ["one", "two"]


def test_a_miss_is_remembered():
    router = Router([server("first"), server("second", 1)])
    first, second = router.upstreams
    article = first.next_article(Urgency.FILL) or wanted(router)
    taken = first.next_article(Urgency.FILL)
    assert taken is article
    router.missed(article, first, "430 no", now=0.0)
    assert second.next_article(Urgency.FILL) is article
    router.finish(Fetched(article, Span(0, 1)))
    # Asked for again, for whatever reason: only where it may be.
    wanted(router)
    assert waits_at(router) == ["second"]


def test_what_only_a_silent_server_may_have_is_waited_for_once():
    router = Router([server("main"), server("backup", 1)])
    main, backup = router.upstreams
    article = wanted(router)
    main.worked()
    router.desert(main, now=5.0)
    assert backup.next_article(Urgency.FILL) is article
    router.missed(article, backup, "430 no", now=6.0)
    assert router.outcomes == []
    assert waits_at(router) == ["main"]
    assert main.usable(5.0 + DOWN_S)
    router.desert(main, now=6.0 + DOWN_S)
    [outcome] = router.outcomes
    assert isinstance(outcome, Missing)
    assert outcome.reason.endswith("main: could not be asked")


def test_a_server_that_fails_is_left_alone_and_tried_by_one_connection_then():
    router = Router([server("only")])
    [only] = router.upstreams
    for _ in range(TRIES):
        only.lost_connection(None, Dropped("refused"), TRIES, now=100.0)
    assert isinstance(only.down, ServerUnreachable)
    assert not only.usable(100.0 + DOWN_S - 1)
    now = 100.0 + DOWN_S
    assert only.usable(now)
    wanted(router)
    assert only.may_open(now, inquirers=8)
    # One more failure and it is left alone again, at once.
    only.lost_connection(None, Dropped("refused"), TRIES, now=now)
    assert not only.usable(now + 1)
    only.worked()
    assert only.usable(now + 1)
