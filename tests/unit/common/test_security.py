import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.security import load_or_create_secret, same, scrub, sign

SECRET = "p@ss w/rd+é="


@pytest.mark.parametrize(
    "form",
    [SECRET, quote(SECRET), quote(SECRET, safe=""), quote_plus(SECRET), quote(SECRET, safe="").lower()],
)
def test_a_secret_is_hidden_however_it_is_quoted(form: str) -> None:
    assert scrub(f"GET /x?key={form}&y=1", [SECRET]) == "GET /x?key=[hidden]&y=1"


def test_a_secret_within_another_leaves_no_rest() -> None:
    assert scrub("abcdefgh abcd", ["abcd", "abcdefgh"]) == "[hidden] [hidden]"


@pytest.mark.parametrize("secrets", [[], [""], ["a"]])
def test_nothing_is_hidden_for_no_secret(secrets: list[str]) -> None:
    assert scrub("a plain sentence", secrets) == "a plain sentence"


UNLIKE_THE_MASK = st.text("0123456789/ +%=&é")


@given(UNLIKE_THE_MASK.filter(lambda text: len(text) >= 8), UNLIKE_THE_MASK)
def test_no_secret_survives(secret: str, around: str) -> None:
    assert secret not in scrub(around + secret + around, [secret])


def test_a_secret_is_made_once_and_only_ours_to_read(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "url.key"
    first = load_or_create_secret(path)
    assert (len(first), load_or_create_secret(path)) == (32, first)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_many_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as threads:
        made = list(threads.map(load_or_create_secret, [tmp_path / "url.key"] * 64))
    assert len(set(made)) == 1


def test_a_file_that_is_no_secret_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "url.key"
    path.write_bytes(b"short")
    with pytest.raises(ValueError, match=r"url\.key"):
        load_or_create_secret(path)


def test_a_signature_depends_on_secret_and_every_part() -> None:
    signed = {
        sign(b"k" * 32, "ab", "c"),
        sign(b"k" * 32, "a", "bc"),
        sign(b"k" * 32, "abc"),
        sign(b"k" * 32, "ab", "c", ""),
        sign(b"l" * 32, "ab", "c"),
    }
    assert len(signed) == 5
    assert sign(b"k" * 32, "ab", "c") in signed


@given(st.text(), st.text())
def test_same(a: str, b: str) -> None:
    assert same(a, a)
    assert same(a, b) == (a == b)
