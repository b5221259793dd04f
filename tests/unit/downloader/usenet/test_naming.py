"""Names out of subject lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.downloader.usenet.naming import NAME_LENGTH_MAX, clean_name, name_in_subject


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ('[01/10] - "A.Film.2020.mkv" yEnc (1/20) 12345', "A.Film.2020.mkv"),
        ('"a film with spaces.part01.rar" yEnc (1/3)', "a film with spaces.part01.rar"),
        ('(Posted by "someone") [2/9] "film.r00" (1/50)', "film.r00"),
        ('[PRiVATE]-[1/5]-"abcdef0123" yEnc (1/2)', "abcdef0123"),
        ("film.mkv yEnc (1/20)", "film.mkv"),
        ("A release here [03/12] - film.part3.rar yEnc (1/20)", "film.part3.rar"),
        ("A release here [03/12] - my film.part3.rar (01/20)", "my film.part3.rar"),
        ("some words film.par2 (1/1)", "film.par2"),
        ("kqzj1x8w9v", ""),
        ("", ""),
        ('"" yEnc (1/1)', ""),
        ('"../../etc/passwd.txt" yEnc (1/1)', "passwd.txt"),
        ('"C:\\Windows\\evil.exe" yEnc (1/1)', "evil.exe"),
    ],
)
def test_the_name_is_found(subject: str, name: str):
    assert name_in_subject(subject) == name


@pytest.mark.parametrize(
    ("name", "clean"), [("..", ""), (".", ""), ("a/", ""), ("a\0b\x1b[2J.mkv", "ab[2J.mkv")]
)
def test_names_are_made_harmless(name: str, clean: str):
    assert clean_name(name) == clean


@given(st.text(max_size=600))
def test_no_name_is_a_path_or_too_long(subject: str):
    for name in (name_in_subject(subject), clean_name(subject)):
        assert not set(name) & set("/\\\0\r\n")
        assert name not in {".", ".."}
        assert len(name) <= NAME_LENGTH_MAX
