import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.downloader.archives.names import MAX_NAME_BYTES, base_name, extension


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("film.mkv", "film.mkv"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\windows\\film.avi", "film.avi"),
        ("a/../..", ""),
        (".", ""),
        ("dir/", "dir"),
        ("film\u202evkm.exe", "filmvkm.exe"),
        ("film\x00.mkv\r\n", "film.mkv"),
        ("C:\\film.mkv", "film.mkv"),
        (" film.mkv ", "film.mkv"),
        ("", ""),
    ],
)
def test_only_the_last_component_is_shown(foreign: str, shown: str):
    assert base_name(foreign) == shown


def test_a_long_name_keeps_its_extension():
    shown = base_name("é" * 10_000 + ".mkv")
    assert shown.endswith("é.mkv")
    assert len(shown.encode()) <= MAX_NAME_BYTES


@given(st.text())
def test_no_name_is_a_path(foreign: str):
    shown = base_name(foreign)
    assert shown not in {".", ".."}
    assert not set(shown) & set("/\\\0\n")
    assert len(shown.encode()) <= MAX_NAME_BYTES
    assert base_name(shown) == shown


@pytest.mark.parametrize(
    ("name", "found"),
    [("a.MKV", "mkv"), ("a.b.c", "c"), ("noext", ""), (".hidden", ""), ("a.", ""), ("", "")],
)
def test_extension(name: str, found: str):
    assert extension(name) == found
