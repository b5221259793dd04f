"""When something is wrong the page says what, in words, and what can be done."""

from playwright.sync_api import expect

from tests.e2e.premieres import BEST, SECOND, Premieres
from tests.e2e.visitor import Visitor
from tests.support.internet import Internet

BEYOND_MENDING = 3
"""Each third article is gone."""

NO_RELEASES_ID = 900014


def test_a_bad_release_gives_way_to_the_next(
    internet: Internet, premieres: Premieres, owner: Visitor
) -> None:
    film = premieres.give("Second Best", BEST, SECOND)
    internet.misbehave(nntp={"missing_every": {film.releases[0]: BEYOND_MENDING}})
    owner.goto(film.path)
    owner.watch_button.click()
    owner.expect_playing()
    expect(owner.ticket).to_contain_text(film.releases[1])


def test_when_all_releases_are_bad_trying_again_later_works(
    internet: Internet, premieres: Premieres, owner: Visitor
) -> None:
    film = premieres.give("Lost and Found", BEST, SECOND)
    internet.misbehave(nntp={"missing_every": dict.fromkeys(film.releases, BEYOND_MENDING)})
    owner.goto(film.path)
    owner.watch_button.click()
    owner.expect_status("error")
    expect(owner.ticket).to_contain_text("1 other release failed before.")
    owner.expect_fits()

    internet.misbehave()
    owner.page.get_by_test_id("try-again").click()
    owner.expect_playing()
    owner.expect_status("ready")


def test_wrong_news_credentials_are_said(internet: Internet, premieres: Premieres, owner: Visitor) -> None:
    film = premieres.give("Papers Please", BEST)
    internet.misbehave(nntp={"refuse_credentials": True})
    owner.goto(film.path)
    owner.watch_button.click()
    owner.expect_status("error")
    expect(owner.ticket).to_contain_text("refuses the user name and password")

    internet.misbehave()
    owner.page.get_by_test_id("try-again").click()
    owner.expect_playing()


def test_another_release_can_be_chosen_after_a_failure(
    internet: Internet, premieres: Premieres, owner: Visitor
) -> None:
    film = premieres.give("Plan B", BEST)
    internet.misbehave(nntp={"missing_every": {film.releases[0]: BEYOND_MENDING}})
    owner.goto(film.path)
    owner.watch_button.click()
    owner.expect_status("error")
    internet.misbehave()
    owner.page.get_by_test_id("choose-release").click()
    owner.release_rows.get_by_role("button", name="Watch").click()
    owner.expect_playing()


def test_a_search_that_finds_nothing_says_so(internet: Internet, owner: Visitor) -> None:
    owner.goto()
    owner.type_search("zzyzx")
    expect(owner.page.get_by_text("Nothing on the bill for “zzyzx”.")).to_be_visible()
    expect(owner.results).to_have_count(0)
    owner.type_search("paper l")
    expect(owner.results.filter(has_text="Paper Lanterns")).to_have_count(1)


def test_a_title_without_releases_says_so(internet: Internet, owner: Visitor) -> None:
    owner.expect_complaint(r"status of 404 .*/fetch$")
    owner.goto(f"/title/{NO_RELEASES_ID}")
    owner.watch_button.click()
    owner.expect_status("error")
    expect(
        owner.page.get_by_text("No indexer has a release of 'The Last Ferryman' yet.").first
    ).to_be_visible()
    owner.page.get_by_role("button", name="Choose another release").click()
    expect(owner.page.get_by_role("dialog")).to_contain_text("No release of this film was found.")


def test_a_film_database_that_is_down_is_said_and_tried_again(internet: Internet, owner: Visitor) -> None:
    owner.expect_complaint(r"status of 50\d ")
    owner.goto()
    internet.misbehave(tmdb={"status": 500})
    owner.type_search("harbour")
    expect(owner.page.get_by_role("alert").first).to_be_visible()
    internet.misbehave()
    owner.page.get_by_role("button", name="Try again").first.click()
    expect(owner.results.filter(has_text="Harbour of Glass")).to_have_count(1)


def test_an_address_that_leads_nowhere_says_so(internet: Internet, owner: Visitor) -> None:
    owner.expect_complaint(r"status of 404 .*/(nowhere|movies/\d+(/similar)?)$")
    owner.goto("/title/999999")
    expect(owner.page.get_by_role("heading", name="This film isn't showing")).to_be_visible()
    owner.goto("/title/0")
    expect(owner.page.get_by_role("heading", name="That page isn't on the bill.")).to_be_visible()
