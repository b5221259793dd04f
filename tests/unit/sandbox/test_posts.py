"""Articles and NZBs against two decoders that are not ours."""

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
import sabctools
import sabyenc3
from defusedxml import ElementTree
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.sandbox.posts import ArticleIndex, Post

NZB = "{http://www.newzbin.com/DTD/2003/nzb}"
DOTS_AND_ESCAPES = [4, 4, 4, 4, 0xD6, 0xE0, 0xE3, 0x13, 0xDF, 0xF6, 65]
"""What yEnc turns into dots and into the characters that it must escape."""


def wire(index: ArticleIndex, message_id: str, *, corrupt: bool = False) -> bytes:
    article = index.get(message_id)
    assert article is not None
    return b"".join((b"222 0 <a>\r\n", *article.body(corrupt=corrupt), b".\r\n"))


def decode_with_sabctools(data: bytes) -> tuple[int, bytes, int | None]:
    decoder = sabctools.Decoder(len(data))
    memoryview(decoder)[: len(data)] = data
    decoder.process(len(data))
    (answer,) = decoder
    return answer.part_begin, bytes(answer.data or b""), answer.crc


def decode_with_sabyenc3(data: bytes) -> tuple[int, bytes, int | None]:
    decoded, _, crc_correct = sabyenc3.decode_usenet_chunks([data])
    return 0, bytes(decoded), crc_correct


def post_bytes(folder: str, data: bytes, article_bytes: int) -> tuple[ArticleIndex, Post]:
    path = Path(folder) / "film.mkv"
    path.write_bytes(data)
    index = ArticleIndex()
    return index, index.post([path], title="A Post", article_bytes=article_bytes)


@given(data=st.binary(min_size=1, max_size=3000), article_bytes=st.integers(50, 1200))
@settings(max_examples=60, deadline=None)
def test_the_articles_decode_to_the_file(data: bytes, article_bytes: int) -> None:
    with TemporaryDirectory() as folder:
        index, post = post_bytes(folder, data, article_bytes)
        parts = [decode_with_sabctools(wire(index, message_id)) for message_id in post.message_ids]
    assert [begin for begin, _, _ in parts] == list(range(0, len(data), article_bytes))
    assert b"".join(part for _, part, _ in parts) == data
    assert None not in [crc for _, _, crc in parts]


@given(seed=st.integers(), size_bytes=st.integers(1, 20_000))
@settings(max_examples=80, deadline=None)
def test_no_line_of_an_article_begins_with_a_dot(seed: int, size_bytes: int) -> None:
    data = bytes(Random(seed).choices(DOTS_AND_ESCAPES, k=size_bytes))
    with TemporaryDirectory() as folder:
        index, post = post_bytes(folder, data, 20_000)
        body = wire(index, post.message_ids[0])
    lines = body.removesuffix(b".\r\n").split(b"\r\n")
    assert not [line for line in lines if line.startswith(b".")]
    assert b"\n" not in b"".join(lines)


@pytest.mark.parametrize("decode", [decode_with_sabctools, decode_with_sabyenc3])
def test_two_decoders_agree_on_a_large_article(tmp_path: Path, decode) -> None:
    data = Random(7).randbytes(716_800)
    index, post = post_bytes(str(tmp_path), data, 716_800)
    _, decoded, crc = decode(wire(index, post.message_ids[0]))
    assert decoded == data
    assert crc


def test_a_corrupt_article_has_one_wrong_byte_and_fails_its_checksum(tmp_path: Path) -> None:
    data = Random(8).randbytes(5000)
    index, post = post_bytes(str(tmp_path), data, 5000)
    _, decoded, crc = decode_with_sabctools(wire(index, post.message_ids[0], corrupt=True))
    assert crc is None
    assert sum(a != b for a, b in zip(decoded, data, strict=True)) == 1


def test_an_nzb_lists_every_article_of_every_file_in_order(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("b & c.mkv", 'd"e.par2')]
    for path in paths:
        path.write_bytes(bytes(2500))
    post = ArticleIndex().post(paths, title="Cats & Dogs", article_bytes=1000)
    root = ElementTree.fromstring(post.nzb, forbid_dtd=False)
    segments = root.findall(f".//{NZB}segment")
    assert [segment.text for segment in segments] == list(post.message_ids)
    assert [segment.get("number") for segment in segments] == ["1", "2", "3"] * 2
    assert sum(int(segment.get("bytes") or 0) for segment in segments) == post.size_bytes
    subjects = [file.get("subject") or "" for file in root.findall(f"{NZB}file")]
    assert subjects == [
        'Cats & Dogs [1/2] - "b & c.mkv" yEnc (1/3) 2500',
        'Cats & Dogs [2/2] - "d"e.par2" yEnc (1/3) 2500',
    ]


def test_an_obfuscated_post_tells_no_name(tmp_path: Path) -> None:
    path = tmp_path / "Secret.Film.mkv"
    path.write_bytes(bytes(1500))
    index = ArticleIndex()
    post = index.post([path], title="Nothing", article_bytes=1000, obfuscate=True)
    articles = [wire(index, message_id) for message_id in post.message_ids]
    assert not [text for text in (post.nzb, *articles) if b"Secret" in text]


def test_message_ids_stay_the_same_for_the_same_file_and_differ_for_another(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(bytes(10))
    second.write_bytes(bytes(10))
    ids = [ArticleIndex().post([path], title="t").message_ids for path in (first, first, second)]
    assert ids[0] == ids[1]
    assert set(ids[0]).isdisjoint(ids[2])
