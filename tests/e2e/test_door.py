"""Who gets in, and who doesn't."""

import pytest
from playwright.sync_api import ViewportSize, expect

from tests.e2e.visitor import DESK, PHONE, Visitor
from tests.e2e.visitors import Visitors
from tests.support.box import PASSWORD, RunningBox
from tests.support.internet import Internet

PLACES = [("/", PHONE), ("/", DESK), ("/queue", DESK), ("/title/900001", DESK), ("/?q=paper", DESK)]


def expect_door(visitor: Visitor) -> None:
    """Sign-in, and nothing of what is behind it."""
    expect(visitor.page.get_by_test_id("login-password")).to_be_visible()
    expect(visitor.page.get_by_role("banner")).to_have_count(0)
    expect(visitor.search_box).to_have_count(0)


@pytest.mark.parametrize(("path", "screen"), PLACES)
def test_a_stranger_sees_the_door_only(
    internet: Internet, box: RunningBox, visitors: Visitors, path: str, screen: ViewportSize
) -> None:
    stranger = visitors.come(box, screen)
    stranger.goto(path)
    expect_door(stranger)
    stranger.expect_fits()


def test_a_wrong_password_is_said_and_the_right_one_still_works(
    internet: Internet, box: RunningBox, visitors: Visitors
) -> None:
    owner = visitors.come(box)
    owner.expect_complaint(r"status of 401 .*/auth/login$")
    owner.goto()
    owner.sign_in("open sesame")
    expect(owner.page.get_by_role("alert")).to_have_text("This is not the password.")
    expect_door(owner)
    owner.sign_in(PASSWORD)
    owner.expect_inside()


def test_a_deep_link_leads_to_its_film_after_sign_in(
    internet: Internet, box: RunningBox, visitors: Visitors
) -> None:
    owner = visitors.come_in(box, path="/title/900001")
    expect(owner.page.get_by_role("heading", name="The Long Intermission", level=1)).to_be_visible()
    assert owner.page.url.endswith("/title/900001")


def test_signing_out_closes_the_door(internet: Internet, box: RunningBox, visitors: Visitors) -> None:
    owner = visitors.come_in(box)
    owner.page.get_by_role("button", name="Sign out").click()
    expect_door(owner)
    owner.page.reload()
    expect_door(owner)
    refused = owner.page.request.get("/api/movies-on-demand/jobs")
    assert refused.status == 401
