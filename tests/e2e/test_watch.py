"""What Watch gives: every kind of film and post plays, found by Matinee or chosen by hand."""

import pytest
from playwright.sync_api import expect

from tests.e2e.premieres import BEST, SECOND, Premieres
from tests.e2e.visitor import Visitor
from tests.support.box import RunningBox
from tests.support.internet import Internet

FILMS = [
    pytest.param(900002, ".mp4", id="plain MKV"),
    pytest.param(900003, ".mp4", id="MP4 in RAR5 with par2"),
]


@pytest.mark.parametrize(("movie_id", "ending"), FILMS)
def test_a_film_plays_from_everywhere(
    internet: Internet, box: RunningBox, owner: Visitor, movie_id: int, ending: str
) -> None:
    owner.goto(f"/title/{movie_id}")
    owner.watch_button.click()
    owner.expect_playing()
    for share in (0.6, 0.9, 0.2):
        owner.seek(owner.duration_s() * share)
    assert any(name.endswith(f"movie{ending}") for name in box.stored())


def test_a_damaged_post_is_mended_and_plays(internet: Internet, premieres: Premieres, owner: Visitor) -> None:
    film = premieres.give("Sewing Circle", BEST, SECOND, packing="rar5-volumes+par2")
    internet.misbehave(nntp={"missing_every": {film.releases[0]: 15}})
    owner.goto(film.path)
    owner.watch_button.click()
    owner.expect_playing()
    expect(owner.ticket).to_contain_text(film.releases[0])


def test_the_release_that_is_chosen_is_fetched(
    internet: Internet, premieres: Premieres, owner: Visitor
) -> None:
    film = premieres.give("Picky Eaters", BEST, SECOND)
    owner.goto(film.path)
    owner.page.get_by_test_id("choose-release").click()
    expect(owner.release_rows).to_have_count(2)
    owner.expect_fits()
    second = owner.release_rows.filter(has_text=film.releases[1])
    second.get_by_role("button", name="Watch").click()
    owner.expect_playing()
    expect(owner.ticket).to_contain_text(film.releases[1])


def test_the_film_of_the_day_is_one_press_away(internet: Internet, box: RunningBox, owner: Visitor) -> None:
    bill = [movie["id"] for movie in box.get("/popular").json()["results"] if movie["backdrop_url"]]
    day_s = 86_400
    # The days go round the bill.
    owner.page.clock.set_fixed_time((20_000 // len(bill) * len(bill) + bill.index(900004) + 0.5) * day_s)
    owner.goto()
    owner.page.get_by_test_id("hero-watch").click()
    expect(owner.page.get_by_role("heading", name="Eleven Quiet Machines", level=1)).to_be_visible()
    owner.expect_playing()
