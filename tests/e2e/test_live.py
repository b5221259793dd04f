"""The page shows the present: after a reload, in another browser, and when the gateway was away."""

import re

from playwright.sync_api import expect

from tests.e2e.premieres import BEST, Premieres
from tests.e2e.visitor import Visitor
from tests.e2e.visitors import Visitors
from tests.support.box import RunningBox, wait_for
from tests.support.internet import Internet

SLOW_BYTES_PER_S = 10_000
"""Of each of eight connections: these films would take some twenty seconds."""

ON_ITS_WAY = re.compile("downloading|preparing")


def expect_progress(visitor: Visitor, at_least_percent: float) -> None:
    wait_for(lambda: visitor.progress() >= at_least_percent, 20, visitor.progress)


def test_a_reload_and_another_browser_see_the_same(
    internet: Internet, box: RunningBox, premieres: Premieres, visitors: Visitors, owner: Visitor
) -> None:
    film = premieres.give("Slow Boat", BEST)
    internet.misbehave(nntp={"bytes_per_s": SLOW_BYTES_PER_S})
    owner.goto(film.path)
    owner.watch_button.click()
    owner.expect_status("downloading")
    expect_progress(owner, 5)

    before = owner.progress()
    owner.page.reload()
    owner.expect_status("downloading")
    assert owner.progress() >= before

    guest = visitors.come_in(box, path=film.path)
    guest.expect_status("downloading")
    expect_progress(guest, owner.progress())
    expect_progress(owner, guest.progress())
    expect(owner.ticket).to_contain_text(film.releases[0])
    expect(guest.ticket).to_contain_text(film.releases[0])

    internet.misbehave()
    for visitor in (owner, guest):
        visitor.expect_playing()
        visitor.expect_status("ready")


def test_the_queue_and_the_front_page_follow_a_film(
    internet: Internet, box: RunningBox, premieres: Premieres, visitors: Visitors, owner: Visitor
) -> None:
    film = premieres.give("Queue Jumper", BEST)
    internet.misbehave(nntp={"bytes_per_s": SLOW_BYTES_PER_S})
    box.fetch(film.movie_id)
    queue = visitors.come_in(box, path="/queue")
    owner.goto()
    for visitor in (owner, queue):
        shown = visitor.ticket.filter(has_text=film.title)
        expect(shown).to_have_attribute("data-status", "downloading")
        visitor.expect_fits()
    internet.misbehave()
    for visitor in (owner, queue):
        shown = visitor.ticket.filter(has_text=film.title)
        expect(shown).to_have_attribute("data-status", "ready", timeout=45_000)


def test_a_gateway_that_comes_back_shows_what_happened_meanwhile(
    internet: Internet, box: RunningBox, premieres: Premieres, owner: Visitor
) -> None:
    owner.expect_complaint(r"net::ERR_(CONNECTION_REFUSED|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE)")
    film = premieres.give("Power Cut", BEST)
    internet.misbehave(nntp={"bytes_per_s": SLOW_BYTES_PER_S})
    owner.goto(film.path)
    owner.watch_button.click()
    owner.expect_status("downloading")
    expect_progress(owner, 5)

    box.kill("streamer")
    internet.misbehave()
    reconnecting = owner.page.get_by_text("Reconnecting to live updates")
    wait_for(reconnecting.is_visible, 10)
    owner.expect_playing()
    owner.expect_status("ready")
    expect(reconnecting).to_have_count(0)
