"""A film plays while it is still on its way, and goes on when its download has to begin anew."""

import pytest
from playwright.sync_api import expect

from tests.e2e.premieres import BEST, Premieres
from tests.e2e.visitor import Visitor
from tests.support.box import RunningBox, wait_for
from tests.support.internet import Internet

SLOW_BYTES_PER_S = 8_000
"""Of each of eight connections: about as fast as the film plays, so it is long on its way."""


@pytest.mark.parametrize("packing", ["plain", "rar5-volumes+par2"])
def test_a_film_plays_before_it_is_there(
    internet: Internet, box: RunningBox, premieres: Premieres, owner: Visitor, packing: str
) -> None:
    film = premieres.give(f"Early Bird {packing.split('-')[0]}", BEST, packing=packing)
    internet.misbehave(nntp={"bytes_per_s": SLOW_BYTES_PER_S})
    owner.goto(film.path)
    owner.watch_button.click()
    owner.expect_playing()
    expect(owner.ticket).to_have_attribute("data-status", "downloading")
    internet.misbehave(nntp={"bytes_per_s": 5 * SLOW_BYTES_PER_S})
    owner.seek(owner.duration_s() * 0.8)
    internet.misbehave()
    owner.expect_status("ready")
    # What was not read yet comes from the store.
    owner.seek(owner.duration_s() * 0.4)


def test_a_film_goes_on_where_it_stopped_when_its_instance_dies(
    internet: Internet, box: RunningBox, premieres: Premieres, owner: Visitor
) -> None:
    film = premieres.give("Torn Ticket", BEST)
    internet.misbehave(nntp={"bytes_per_s": SLOW_BYTES_PER_S})
    owner.goto(film.path)
    owner.watch_button.click()
    owner.expect_playing()
    owner.player.evaluate("video => { video.currentTime = 3 }")
    for instance in box.instances():
        instance.kill()
    internet.misbehave()
    # The broker gives the job to another instance once the dead one's lease is over.
    owner.expect_status("ready")
    wait_for(lambda: float(owner.player.evaluate("video => video.currentTime")) > 12, 30)
