import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs.common.releases import MAX_NAME_CHARS, Release, parse, quality
from tests.support.release_names import ANIME, FILMS, SERIES


@pytest.mark.parametrize(("name", "says"), [*FILMS.items(), *SERIES.items(), *ANIME.items()])
def test_what_a_name_says_and_nothing_more(name: str, says: dict[str, Any]) -> None:
    assert parse(name) == Release(**says)


@pytest.mark.parametrize(
    ("resolution", "tier"),
    [
        ("2160p", "4K"),
        ("1080p", "1080p"),
        ("1080i", "1080p"),
        ("720p", "720p"),
        ("480p", "other"),
        ("4320p", "other"),
        (None, "other"),
    ],
)
def test_quality(resolution: str | None, tier: str) -> None:
    assert quality(Release(resolution=resolution)) == tier


@pytest.mark.parametrize("name", ["", " ", "-", "...", "[]", "[x]", "()", "S01", "2024", "-GRP", "1x1", "\0"])
def test_names_that_say_next_to_nothing(name: str) -> None:
    assert len(parse(name).title or "") <= len(name)


WORDS = [
    "S01E01",
    "-E9999",
    "1x01",
    "[",
    "]",
    "(",
    ")",
    ".",
    " ",
    "-",
    "_",
    "x264",
    "DTS-HD",
    "www.",
    "E1",
    "2024",
]
WORDS += ["1080p", "WEB-", "season ", "extended ", "-4P", "[rartv]", "A.", "cap.101", "é", "\u202e", "٣", "/"]


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=400).map("".join))
@example("Show.S01E01-E9999.1080p")
@example("Show.S01E01-S01E99999999999")
def test_no_name_makes_it_fail_or_swell(name: str) -> None:
    release = parse(name)
    assert len(release.episodes) <= 200
    assert len(release.title or "") <= 2 * MAX_NAME_CHARS


@pytest.mark.parametrize(
    "word", [*WORDS, "S01E01.", "a-", "DD5.1.", "-E2", "web-", "(a) ", "a b ", "S1", "["]
)
def test_no_name_takes_long(word: str) -> None:
    """A few milliseconds, and here a wide margin: other parsers take seconds for some of these."""
    name = (word * MAX_NAME_CHARS)[: 4 * MAX_NAME_CHARS]
    started = time.process_time()
    parse(name)
    assert time.process_time() - started < 0.25
