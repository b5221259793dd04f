"""A whole Matinee and a real Chromium. Every visitor has a browser profile of their own."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, StorageState, expect, sync_playwright

from tests.e2e.premieres import Premieres
from tests.e2e.visitor import Visitor
from tests.e2e.visitors import Visitors
from tests.support.box import PASSWORD, RunningBox
from tests.support.internet import Internet

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--disable-gpu",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
]

expect.set_options(timeout=15_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


# Chromium -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    # Chromium's own sandbox doesn't start for root.
    arguments = [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=program, args=arguments)
        except Error as error:
            name = program or "playwright's own Chromium"
            pytest.fail(
                f"{name} did not start. Install Chromium or Chrome so that one of {', '.join(PROGRAMS)} "
                f"is on the PATH. It said: {error.message[:500]}"
            )
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
