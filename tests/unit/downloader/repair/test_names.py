"""Posted files find their true names."""

import hashlib

from services.downloader.repair.names import heads_md5, match
from services.downloader.repair.packets import Par2File
from services.downloader.source import HEAD_BYTES, PostedFile

LONG = bytes(HEAD_BYTES)


def protected(name: str, data: bytes) -> Par2File:
    return Par2File(
        file_id=name.encode(),
        name=name,
        size_bytes=len(data),
        md5=hashlib.md5(data).digest(),
        md5_16k=hashlib.md5(data[:HEAD_BYTES]).digest(),
        checksums=b"",
    )


def posted(index: int, name: str, data: bytes, *, head_lost: bool = False) -> PostedFile:
    head = b"" if head_lost else data[:HEAD_BYTES]
    return PostedFile(index=index, subject="", name=name, size_bytes=len(data), head=head)


def names(files: list[PostedFile], known: list[Par2File]) -> dict[int, str]:
    return {index: file.name for index, file in match(files, heads_md5(files), known).items()}


def test_the_beginning_tells_the_name():
    files = [posted(3, "x9", b"two"), posted(5, "x7", b"one"), posted(8, "else", b"three")]
    assert names(files, [protected("a", b"one"), protected("b", b"two")]) == {3: "b", 5: "a"}


def test_the_size_tells_files_of_one_beginning_apart():
    files = [posted(0, "", LONG + b"12"), posted(1, "", LONG + b"1"), posted(2, "", LONG + b"cut off")]
    known = [protected("a", LONG + b"x"), protected("b", LONG + b"xy"), protected("c", LONG + b"was longer")]
    assert names(files, known) == {0: "b", 1: "a", 2: "c"}


def test_a_file_is_nobody_twice():
    assert names([posted(0, "", b"same"), posted(1, "", b"same")], [protected("a", b"same")]) == {0: "a"}


def test_without_a_beginning_the_name_and_then_the_size_tell():
    files = [
        posted(0, "", LONG, head_lost=True),
        posted(1, "named.rar", b"of another size", head_lost=True),
        posted(2, "stranger", b"1234567", head_lost=True),
    ]
    known = [protected("named.rar", b"data"), protected("sized.rar", LONG)]
    assert names(files, known) == {0: "sized.rar", 1: "named.rar"}


def test_a_claimed_size_is_somewhat_too_large():
    files = [posted(0, "", bytes(103), head_lost=True), posted(1, "", bytes(2000), head_lost=True)]
    known = [protected("small", bytes(80)), protected("right", bytes(100)), protected("large", bytes(110))]
    assert names(files, known) == {0: "right"}


def test_a_whole_beginning_that_is_different_is_not_matched_by_name():
    assert names([posted(0, "film.mkv", b"fake")], [protected("film.mkv", b"real")]) == {}
