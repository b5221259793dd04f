"""When a film's time is over it goes, and the page says so."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.premieres import BEST, Premieres
from tests.e2e.visitors import Visitors
from tests.support.box import RunningBox, wait_for
from tests.support.internet import Internet

STAY_H = 8 / 3600


@pytest.fixture
def brief_box(internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBox]:
    """Keeps a film for eight seconds."""
    environment = internet.environment() | {"MATINEE_RETENTION_AFTER_READY_H": str(STAY_H)}
    box = RunningBox(tmp_path_factory.mktemp("brief"), environment)
    try:
        box.start()
        box.sign_in()
        yield box
    finally:
        box.close()


def test_a_film_whose_time_is_over_is_gone(
    brief_box: RunningBox, premieres: Premieres, visitors: Visitors
) -> None:
    film = premieres.give("Brief Encore", BEST)
    owner = visitors.come_in(brief_box, path=film.path)
    owner.watch_button.click()
    owner.expect_playing()

    expect(owner.player).to_have_count(0, timeout=30_000)
    expect(owner.page.get_by_test_id("gone-at")).to_have_count(0)
    expect(owner.watch_button).to_be_enabled()
    expect(owner.page.get_by_test_id("gone")).to_contain_text("Tidied away")
    wait_for(lambda: not brief_box.stored(), 10, brief_box.stored)

    owner.goto("/queue")
    owner.expect_status("deleted")
    expect(owner.ticket).to_contain_text("Tidied away")
    owner.goto("/")
    watched = owner.page.locator("section").filter(
        has=owner.page.get_by_role("heading", name="Recently watched")
    )
    expect(watched.get_by_role("link", name=film.title)).to_be_visible()
