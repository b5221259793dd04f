"""The list of releases grows as indexers answer, names who is silent, and says why each stands there."""

import json
import re
import socket
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.premieres import BEST, SECOND, Premieres
from tests.e2e.visitor import Visitor
from tests.support.box import RunningBox
from tests.support.internet import Internet

INDEXER_TIMEOUT_MS = 15_000
CAM = "HDCAM.x264-THIRD"


@pytest.fixture(scope="module")
def silent() -> Iterator[str]:
    """The address of an indexer that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(scope="module")
def box(
    own_internet: Internet, silent: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningBox]:
    """Has two indexers: the sandbox's, and a silent one."""
    environment = own_internet.environment()
    indexers = [
        *json.loads(environment["MATINEE_INDEXERS"]),
        {"name": "Silent", "url": silent, "api_key": "key-of-silent"},
    ]
    box = RunningBox(tmp_path_factory.mktemp("box"), environment | {"MATINEE_INDEXERS": json.dumps(indexers)})
    try:
        box.start()
        box.sign_in()
        yield box
    finally:
        box.close()


def indexer(visitor: Visitor, name: str) -> Locator:
    return visitor.page.get_by_test_id("indexer").filter(has_text=name)


def test_releases_are_there_before_the_last_indexer_has_failed(premieres: Premieres, owner: Visitor) -> None:
    film = premieres.give("Slow Post", BEST, SECOND, CAM)
    owner.goto(film.path)
    owner.page.get_by_test_id("choose-release").click()
    expect(owner.release_rows).to_have_count(3)
    expect(indexer(owner, "Sandbox")).to_have_text("Sandbox has 3 releases")
    expect(indexer(owner, "Silent")).to_have_text("Silent is being asked")
    owner.expect_fits()

    best, worst = owner.release_rows.first, owner.release_rows.last
    expect(best).to_contain_text(film.releases[0])
    best.get_by_text("Why this score").click()
    expect(best.get_by_text("1080p, as wanted")).to_be_visible()
    expect(best.get_by_text(re.compile(r"^Stands before .+: 1080p rather than 720p$"))).to_be_visible()
    expect(best.get_by_label("Rules").get_by_role("listitem")).to_have_count(10)
    worst.get_by_text("Why this score").click()
    expect(worst.locator('[data-passed="false"]')).to_contain_text("source: CAM")

    expect(indexer(owner, "Silent")).to_have_attribute(
        "data-state", "failed", timeout=INDEXER_TIMEOUT_MS + 5_000
    )
    expect(indexer(owner, "Silent")).to_contain_text(re.compile(r"Silent (didn't finish|stopped sending)"))
    # What was opened stays open when the list is told anew.
    expect(best.get_by_text("1080p, as wanted")).to_be_visible()
    expect(owner.release_rows).to_have_count(3)


def test_a_list_that_all_indexers_refuse_says_why(
    internet: Internet, premieres: Premieres, owner: Visitor
) -> None:
    film = premieres.give("Locked Door", BEST)
    owner.goto(film.path)
    internet.misbehave(newznab={"wrong_key": True})
    owner.page.get_by_test_id("choose-release").click()
    sheet = owner.page.get_by_role("dialog")
    expect(sheet.get_by_role("alert")).to_contain_text("does not accept the API key", timeout=20_000)
    expect(indexer(owner, "Sandbox")).to_have_attribute("data-state", "failed")
