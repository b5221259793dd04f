"""The words that come with a film: in files beside it, and in a film that is played as it was posted."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from libs.sandbox.club import content
from libs.sandbox.club.making import made
from libs.sandbox.club.reels import reel
from tests.e2e.premieres import BEST, Premieres
from tests.e2e.screen import Screen
from tests.e2e.test_beside import SHOWN, expect_words
from tests.e2e.visitor import PATIENCE_MS, Visitor
from tests.support.internet import FILMS, Internet

pytestmark = pytest.mark.parametrize("browser", ["chromium", "firefox"], indirect=True, scope="module")

BYTES_PER_S = 12_000
"""Of each of eight connections: these films have some 30,000 and 70,000 a second."""
AS_IT_IS = "h264-aac-words.mp4"


@pytest.fixture
def beside(tmp_path: Path) -> list[Path]:
    """The reel's words in German, and a program that says to be Spanish ones."""
    files = {
        "2_German.srt": content.subrip().encode(),
        "3_Spanish.srt": b"MZ\x90\0 This program cannot be run in DOS mode.",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return [tmp_path / name for name in files]


@pytest.mark.parametrize(
    ("name", "mode", "own"), [("h264-aac51.mkv", "hls", None), (AS_IT_IS, "file", "English")]
)
def test_words_are_shown_while_the_film_comes_and_after(
    name: str,
    mode: str,
    own: str | None,
    beside: list[Path],
    internet: Internet,
    premieres: Premieres,
    owner: Visitor,
    browser: object,
) -> None:
    film = premieres.give(
        f"Words of {name.partition('.')[2]}", BEST, film=made(reel(name), FILMS), beside=beside
    )
    internet.misbehave(nntp={"bytes_per_s": BYTES_PER_S})
    owner.goto(film.path)
    with owner.page.expect_response(re.compile("/v1/session/start")) as started:
        owner.watch_button.click()
        expect(owner.player).to_be_visible(timeout=PATIENCE_MS)
    assert started.value.ok
    screen = Screen(owner.player)
    screen.expect_moving()
    is_file = owner.player.evaluate("video => !video.currentSrc.startsWith('blob:')")
    assert is_file == (mode == "file")
    owner.expect_status(re.compile("^(?!ready)"))
    languages = ["German", own] if own else ["German"]
    owner.choose("captions-button", languages[-1])
    expect_words(owner)
    owner.choose("captions-button", languages[0])
    expect_words(owner)
    internet.misbehave()
    owner.expect_status("ready")
    for to_s in (14.2, 2.2):
        screen.seek(to_s)
        expect_words(owner)
    owner.choose("captions-button", "Off")
    assert owner.player.evaluate(SHOWN)[1] == []

    owner.page.reload()
    owner.watch_button.click()
    screen.expect_moving()
    for language in languages:
        owner.choose("captions-button", language)
        expect_words(owner)
    screen.seek(20.2)
    expect_words(owner)

    owner.expect_complaint("status of 404 .*/text-")
    owner.choose("captions-button", "Spanish")
    owner.page.get_by_test_id("captions-button").click()
    expect(owner.page.get_by_text("These captions could not be loaded.")).to_be_visible()
    screen.expect_moving()
