import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs.common.release_languages import LANGUAGE_CODES, LANGUAGES
from libs.common.release_text import MAX_NAME_CHARS
from libs.common.release_words import CODEC, HDR, RESOLUTION, SHORT_SOURCE, SOURCE, VAGUE_RESOLUTION, Words
from libs.common.releases import Reading, Release, explain, parse, quality
from tests.support.release_names import ANIME, FILMS, SERIES

CORPUS = Path(__file__).parents[2] / "support" / "release_corpus.jsonl"
"""A name and what it says on each line; fields that aren't there the name doesn't say."""


def corpus() -> dict[str, Release]:
    lines = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]
    return {line.pop("name"): msgspec.convert(line, Release) for line in lines}


@pytest.mark.parametrize(("name", "says"), [*FILMS.items(), *SERIES.items(), *ANIME.items()])
def test_what_a_name_says_and_nothing_more(name: str, says: dict[str, Any]) -> None:
    assert parse(name) == Release(**says)


@pytest.mark.parametrize(("name", "release"), corpus().items(), ids=str)
def test_the_corpus(name: str, release: Release) -> None:
    assert parse(name) == release


def test_the_corpus_is_large_enough_to_mean_something() -> None:
    assert len(corpus()) >= 600


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


def test_each_field_has_its_place_in_the_name() -> None:
    name = "tv/[LampSubs] Cafe\u0301 Comet S2 - 05 (WEB 1080p HEVC 10bit AAC 2.0) [PROPER] [ITA ENG].mkv"
    words = {
        field: [name[start:end].strip() for start, end in places]
        for field, places in explain(name).spans.items()
    }
    assert words == {
        "title": ["Cafe\u0301 Comet"],
        "season": ["S2 - 05"],
        "episodes": ["S2 - 05"],
        "resolution": ["1080p"],
        "source": ["WEB"],
        "codec": ["HEVC"],
        "bit_depth": ["10bit"],
        "audio": ["AAC 2.0"],
        "channels": ["2.0"],
        "languages": ["ITA", "ENG"],
        "group": ["LampSubs"],
        "flags": ["PROPER"],
    }


def test_a_folder_tells_what_the_file_does_not() -> None:
    name = "Low.Tide.2017.1080p.BluRay.x264-MOTH/qpwoeirutyal.mkv"
    reading = explain(name)
    assert reading.release.title == "Low Tide"
    assert [name[start:end] for start, end in reading.spans["group"]] == ["MOTH"]


@pytest.mark.parametrize(
    ("name", "episodes"),
    [
        ("Tide.S01E01-E200.1080p", tuple(range(1, 201))),
        ("Tide.S01E01-E201.1080p", (1,)),
        ("Tide.S01E01-E9999.1080p", (1,)),
        ("[Lamp] Tide - 001-999 [720p]", ()),
    ],
)
def test_no_range_of_more_episodes_than_a_pack_has(name: str, episodes: tuple[int, ...]) -> None:
    assert parse(name).episodes == episodes


def test_what_stands_behind_the_bound_is_not_looked_at() -> None:
    assert parse("a" * MAX_NAME_CHARS + ".S01E01.1080p").season is None


WORDS = [
    *(
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
    ),
    *(
        "1080p",
        "WEB-",
        "season ",
        "extended ",
        "-4P",
        "[rartv]",
        "A.",
        "cap.101",
        "é",
        "\u202e",
        "٣",
        "/",
        "天",
    ),
    *(
        "e\u0301",
        "【a】",
        "第1話",
        " AKA ",
        "EN-",
        "dub",
        "[a.com]",
        "12 of ",
        "Jan 1 ",
        "\\",
        "a/b ",
        "v2 ",
        "全",
    ),
    *("\ud800", "２０２４", "²", "İ", "ß", "\u1100\u1161", "2160p", "GER", "HDR", ".mkv", "0x10ffff"),
]
NAMES = st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=400).map("".join) | st.text(
    max_size=10_000
)


@given(NAMES)
@example("Show.S01E01-E9999.1080p")
@example("Show.S01E01-S01E99999999999")
@example("x" * 10_000)
def test_no_name_makes_it_fail_or_swell(name: str) -> None:
    release = parse(name)
    assert len(release.episodes) <= 200
    assert len(release.seasons) <= 60
    assert len(release.title or "") <= 2 * MAX_NAME_CHARS


@given(NAMES)
@example("Low.Tide.[简\u032a].1080p")
def test_places_are_in_the_name_and_only_of_what_it_says(name: str) -> None:
    reading = explain(name)
    said = {field: getattr(reading.release, field) for field in Release.__struct_fields__}
    assert set(reading.spans) == {field for field, value in said.items() if value not in (None, ())}
    assert all(
        0 <= start < end <= min(len(name), MAX_NAME_CHARS)
        for places in reading.spans.values()
        for start, end in places
    )


def values(name: str, reading: Reading, field: str, *vocabularies: Words) -> list[set[str]]:
    """For each place of the field, what its words mean by the vocabularies."""
    said = [name[start:end].replace("_", " ") for start, end in reading.spans.get(field, ())]
    return [{found.value for words in vocabularies for found in words.find(text)} for text in said]


RELEASE_WORDS = [
    *("Low", "Tide", "2017", "S01E02", "1080p", "2160p", "720p", "WEB-DL", "BluRay", "HDTV", "x264", "HEVC"),
    *(
        "AV1",
        "DV",
        "HDR10",
        "HLG",
        "German",
        "ITA",
        "ENG",
        "multi",
        "EN",
        "PROPER",
        "EXTENDED",
        "DTS",
        "MOTH",
    ),
]


@given(
    st.lists(st.sampled_from(RELEASE_WORDS), min_size=1, max_size=12),
    st.sampled_from([".", " ", "_", "-", "]["]),
)
def test_the_words_at_a_place_mean_what_the_field_says(words: list[str], joint: str) -> None:
    name = joint.join(words)
    reading = explain(name)
    release = reading.release
    vocabularies = {
        "resolution": (RESOLUTION, VAGUE_RESOLUTION),
        "source": (SOURCE, SHORT_SOURCE),
        "codec": (CODEC,),
        "hdr": (HDR,),
        "languages": (LANGUAGES, LANGUAGE_CODES),
    }
    for field, of_field in vocabularies.items():
        value: str | tuple[str, ...] | None = getattr(release, field)
        told = value if isinstance(value, tuple) else (value,) if value else ()
        meant = values(name, reading, field, *of_field)
        assert all(one in all_of for one, all_of in zip(told, meant, strict=True))
    assert [name[start:end] for start, end in reading.spans.get("year", ())] == ["2017"] * bool(release.year)


HOSTILE = [
    *WORDS,
    *(
        "S01E01.",
        "a-",
        "DD5.1.",
        "-E2",
        "web-",
        "(a) ",
        "a b ",
        "S1",
        "0-",
        "-1",
        "$ ",
        "- 1 ",
        "01-",
        "Eng/",
    ),
    *("-rp", "[aaaaaaaa]", "(2024) ", "2024-", "S1-", "a a-b ", "\u0300", "1 2 ", "[1][", "1.2.", "a[b](c)"),
]


@pytest.mark.parametrize("word", HOSTILE)
def test_no_name_takes_long(word: str) -> None:
    """A few milliseconds, and here a wide margin: other parsers take seconds for some of these."""
    name = (word * 10_000)[:10_000]
    started = time.process_time()
    parse(name)
    assert time.process_time() - started < 0.25
