"""sabctools decodes; sabyenc3, another implementation of the same format, says whether it does so rightly."""

import random
import zlib
from typing import Protocol, cast

import pytest
import sabctools
import sabyenc3
from hypothesis import given
from hypothesis import strategies as st

from tests.support.nntp import body


class _Sabyenc(Protocol):
    def decode_usenet_chunks(self, chunks: list[bytes]) -> tuple[bytes, str, bool]: ...


ORACLE = cast(_Sabyenc, sabyenc3)


def decoded(answer: bytes, pieces: int) -> sabctools.NNTPResponse:
    decoder = sabctools.Decoder(256 * 1024)
    step = max(len(answer) // pieces, 1)
    for start in range(0, len(answer), step):
        piece = answer[start : start + step]
        memoryview(decoder)[: len(piece)] = piece  # pyright: ignore[reportArgumentType] - it is a buffer
        decoder.process(len(piece))
    [response] = list(decoder)
    return response


@given(st.binary(min_size=1, max_size=3_000), st.integers(1, 9))
def test_both_decode_the_same_bytes(data: bytes, pieces: int):
    agree(data, pieces)


@pytest.mark.parametrize("byte", [0x00, 0x0A, 0x0D, 0x2E, 0x3D, 0xD6, 0xE0, 0xE3, 0x13])
def test_what_has_to_be_escaped(byte: int):
    agree(bytes([byte]) * 1_000, 3)


def test_a_whole_article():
    agree(random.Random(5).randbytes(716_800), 40)


def test_both_find_a_wrong_checksum():
    answer = b"222 0 <a@b>\r\n" + body(b"abc", crc=1)
    assert decoded(answer, 1).crc is None
    assert ORACLE.decode_usenet_chunks([answer])[2] is False


def agree(data: bytes, pieces: int) -> None:
    answer = b"222 0 <a@b>\r\n" + body(data, number=2, total=3, begin=7, file_bytes=len(data) + 9)
    ours = decoded(answer, pieces)
    theirs, name, whole = ORACLE.decode_usenet_chunks([answer])
    assert bytes(ours.data or b"") == theirs == data
    assert whole
    assert ours.file_name == name
    assert ours.crc == ours.crc_expected == zlib.crc32(data)
