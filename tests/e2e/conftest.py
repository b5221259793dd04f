"""A whole Matinee and a real browser. Every visitor has a browser profile of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, StorageState, expect, sync_playwright

from tests.e2e import browsers
from tests.e2e.premieres import Premieres
from tests.e2e.visitor import Visitor
from tests.e2e.visitors import Visitors
from tests.support.box import PASSWORD, RunningBox
from tests.support.internet import Internet

expect.set_options(timeout=15_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


# Browsers -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium, or what a module asks for by an indirect parameter."""
    name: browsers.BrowserName = getattr(request, "param", "chromium")
    with sync_playwright() as playwright:
        browser = browsers.start(playwright, name, tmp_path_factory.mktemp(name))
        yield browser
        browser.close()


@pytest.fixture
def visitors(browser: Browser) -> Iterator[Visitors]:
    visitors = Visitors(browser)
    yield visitors
    visitors.leave()
    assert visitors.complaints() == []


# Matinee ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="package")
def own_internet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Internet]:
    """An internet for this folder alone: its titles would be in the way of tests that count."""
    internet = Internet(tmp_path_factory.mktemp("internet"), "--films", "few")
    yield internet
    internet.close()


@pytest.fixture
def internet(own_internet: Internet) -> Iterator[Internet]:
    own_internet.misbehave()
    yield own_internet
    own_internet.misbehave()


@pytest.fixture(scope="module")
def box(own_internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBox]:
    """Runs, and has an owner."""
    box = RunningBox(tmp_path_factory.mktemp("box"), own_internet.environment())
    try:
        box.start()
        box.sign_in()
        yield box
    finally:
        box.close()


@pytest.fixture(scope="module")
def membership(browser: Browser, box: RunningBox) -> StorageState:
    """The cookies of somebody who has signed in."""
    context = browser.new_context(base_url=box.url)
    answer = context.request.post("/auth/login", data={"password": PASSWORD})
    assert answer.ok, answer.text()
    cookies = context.storage_state()
    context.close()
    return cookies


@pytest.fixture
def owner(visitors: Visitors, box: RunningBox, membership: StorageState) -> Visitor:
    """At a desk, signed in, with an empty window."""
    return visitors.come(box, membership=membership)


@pytest.fixture(scope="package")
def premieres(own_internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> Premieres:
    return Premieres(own_internet, tmp_path_factory.mktemp("premieres"))
