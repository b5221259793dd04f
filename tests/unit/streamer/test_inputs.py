"""Ids, pages and words: what is taken and what is refused."""

from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.errors import ServiceError
from services.streamer.api.inputs import LARGEST_ID, LAST_PAGE, job_id_of, movie_id_of, page_of, query_of


@given(st.integers(1, LARGEST_ID))
def test_a_movie_id_is_a_positive_integer(number: int) -> None:
    assert movie_id_of(str(number)) == number


@given(st.text(max_size=30))
def test_nothing_else_is_a_movie_id(text: str) -> None:
    is_one = text.isascii() and text.isdecimal() and len(text) <= 10 and 0 < int(text) <= LARGEST_ID
    with nullcontext() if is_one else pytest.raises(ServiceError, match="Invalid movie ID"):
        assert movie_id_of(text) == int(text)


@given(st.text(max_size=30) | st.none() | st.integers().map(str))
def test_a_page_is_always_one_that_exists(text: str | None) -> None:
    assert 1 <= page_of(text) <= LAST_PAGE


@pytest.mark.parametrize(
    "text", ["", "job_", "job_1", "job_1_", "job__a", "job_1_G", "job_1_a\n", "job_1_../x"]
)
def test_a_job_id_has_one_form(text: str) -> None:
    assert job_id_of("job_1767322445000_0123456789") == "job_1767322445000_0123456789"
    with pytest.raises(ServiceError):
        job_id_of(text)


def test_words_are_trimmed() -> None:
    assert query_of("  the matrix ") == "the matrix"
    with pytest.raises(ServiceError):
        query_of("\t ")
