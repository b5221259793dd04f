"""Vocabularies: the quick way of looking for words finds what the plain one finds."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common import release_languages, release_words
from libs.common.release_words import Words

CORPUS = Path(__file__).parents[2] / "support" / "release_corpus.jsonl"
NAMES = [json.loads(line)["name"] for line in CORPUS.read_text(encoding="utf-8").splitlines()]
VOCABULARIES = {
    name: words
    for module in (release_words, release_languages)
    for name, words in vars(module).items()
    if isinstance(words, Words)
}
PIECES = st.sampled_from(
    ["dub", "lek", "PL", "en", "2x", "ukr", "Web", "-DL", "1080p", ".", " ", "BD", "x264", "dv", "HDR", "it"]
)


def test_all_vocabularies_are_here() -> None:
    assert len(VOCABULARIES) == 14


@pytest.mark.parametrize("words", VOCABULARIES.values(), ids=VOCABULARIES)
def test_small_letters_say_the_same_in_every_known_name(words: Words) -> None:
    names = [name for name in NAMES if name.isascii()]
    assert [words.find(name, name.lower()) for name in names] == [words.find(name) for name in names]


@pytest.mark.parametrize("words", VOCABULARIES.values(), ids=VOCABULARIES)
@given(name=st.lists(PIECES, max_size=12).map("".join))
def test_small_letters_say_the_same(words: Words, name: str) -> None:
    assert words.find(name, name.lower()) == words.find(name)


@pytest.mark.parametrize(
    ("pattern", "values"),
    [
        (r"a|b", ["a", "b"]),
        (r"(?:a|b)c|d", ["ac", "bc", "d"]),
        (r"[|a]b|\|c", ["|b", "ab", "|c"]),
        (r"re~mux", ["re.mux", "remux"]),
    ],
)
def test_bars_part_a_pattern_only_where_they_are_bars(pattern: str, values: list[str]) -> None:
    words = Words({pattern: "found", "other": "not"})
    assert [[found.value for found in words.find(value)] for value in values] == [["found"]] * len(values)
