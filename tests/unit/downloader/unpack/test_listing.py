"""What 7-Zip says of an archive: which lines are believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.downloader.archives.reading import MAX_ENTRIES
from services.downloader.errors import ArchiveRefused
from services.downloader.unpack.listing import Entry, entries

FILM = "Path = dir/film.mkv\nFolder = -\nSize = 5\nAttributes = A -rw-r--r--\nCRC = 0\n\n"


def block(**facts: str) -> str:
    return "".join(f"{name.replace('_', ' ')} = {value}\n" for name, value in facts.items()) + "\n"


@pytest.mark.parametrize(
    ("said", "paths"),
    [
        ("", []),
        (FILM, ["dir/film.mkv"]),
        (FILM + FILM.replace("film", "b"), ["dir/film.mkv", "dir/b.mkv"]),
        (FILM.rstrip(), ["dir/film.mkv"]),
        (block(Path="a = b.mkv", Size="1"), ["a = b.mkv"]),
        (block(Path="a", Size="1", Attributes="A"), ["a"]),
        (block(Path="a", Size="1", Attributes="V 01800000 0rw-------"), ["a"]),
        (block(Path="d", Size="0", Folder="+"), []),
        (block(Path="d", Size="0", Attributes="D drwxr-xr-x"), []),
        (block(Path="d", Size="0", Attributes="D"), []),
        (block(Path="l", Size="9", Attributes="A lrwxrwxrwx"), []),
        (block(Path="c", Size="9", Attributes=" crw-rw-rw-"), []),
        (block(Path="b", Size="9", Attributes="brw-rw-rw-"), []),
        (block(Path="p", Size="9", Attributes="prw-rw-rw-"), []),
        (block(Path="l", Size="9", Symbolic_Link="/etc/passwd"), []),
        (block(Path="l", Size="9", Hard_Link="film.mkv"), []),
        (block(Path="l", Size="9", Copy_Link="film.mkv"), []),
        (block(Path="a", Size=""), []),
        (block(Path="a", Size="-1"), []),
        (block(Size="1"), []),
        (block(Path="a", Size="9" * 5000), []),
        (block(Path="a\u2028Size = 5", Size="1", Folder="+"), []),
        (
            block(Path="a", Size="1") + "Comment = \n{\n\nPath = evil\nSize = 5\n\n}\n\n" + FILM,
            ["a", "dir/film.mkv"],
        ),
        ("Path = a\nSize = 1\nPath = b\n\n", ["a"]),
    ],
)
def test_regular_files_are_found(said: str, paths: list[str]) -> None:
    assert [entry.path for entry in entries(said)] == paths


def test_sizes_are_exact() -> None:
    assert entries(block(Path="a", Size=str(10**13))) == [Entry(path="a", size_bytes=10**13)]


def test_more_entries_than_any_release_has() -> None:
    with pytest.raises(ArchiveRefused, match="more than 20000 files"):
        entries(block(Path="a", Size="1") * (MAX_ENTRIES + 1))


lines = st.sampled_from(
    ["Path = a", "Size = 1", "Size = x", "Folder = +", "Attributes = A lrwxrwxrwx", "", "{", "}", " = ", "="]
)


@given(st.lists(lines | st.text(), max_size=30))
def test_any_listing_gives_files_with_a_name_and_a_size(said: list[str]) -> None:
    assert all(entry.path and entry.size_bytes >= 0 for entry in entries("\n".join(said)))
