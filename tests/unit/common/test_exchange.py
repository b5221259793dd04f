import gzip
import zlib
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.exchange import Body, Request, TooLarge, retry_after_s

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def unpacked(encoding: str, packed: bytes, max_bytes: int, piece_bytes: int) -> bytes:
    body = Body(encoding, max_bytes)
    for at in range(0, len(packed), piece_bytes):
        body.feed(packed[at : at + piece_bytes])
    return body.finish()


@given(st.binary(max_size=5000), st.integers(1, 100))
def test_what_was_packed_comes_out(content: bytes, piece_bytes: int) -> None:
    assert unpacked("gzip", gzip.compress(content), len(content), piece_bytes) == content
    assert unpacked("", content, len(content), piece_bytes) == content


@given(st.binary(max_size=500), st.integers(1, 600), st.sampled_from(["", "gzip", "x-gzip", "identity"]))
def test_hostile_bytes_end_in_bytes_or_a_refusal(packed: bytes, piece_bytes: int, encoding: str) -> None:
    with suppress(zlib.error):
        assert len(unpacked(encoding, packed, 1000, piece_bytes)) <= 1000


def test_a_bomb_is_stopped_before_it_goes_off() -> None:
    body = Body("gzip", 1000)
    with pytest.raises(TooLarge):
        body.feed(gzip.compress(bytes(50_000_000)))


@pytest.mark.parametrize(
    "packed", [gzip.compress(b"film")[:-3], b"no gzip", gzip.compress(b"a") + b"more", zlib.compress(b"a")]
)
def test_what_is_not_packed_as_it_says(packed: bytes) -> None:
    with pytest.raises(zlib.error):
        unpacked("gzip", packed, 1000, 1000)


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd", "deflate"])
def test_what_was_not_asked_for(encoding: str) -> None:
    with pytest.raises(zlib.error):
        Body(encoding, 1000)


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("0", 0.0),
        (" 2 ", 2.0),
        ("120", 120.0),
        ("Sun, 01 Mar 2026 12:00:05 GMT", 5.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("9" * 400, None),
    ],
)
def test_retry_after(header: str, wait_s: float | None) -> None:
    assert retry_after_s(header, NOW) == wait_s


@given(st.text())
def test_no_retry_after_makes_it_fail(header: str) -> None:
    wait_s = retry_after_s(header, NOW)
    assert wait_s is None or wait_s >= 0


def test_strangers_get_no_credentials() -> None:
    request = Request(
        method="GET",
        headers={"Authorization": "Bearer x", "X-Api-Key": "y", "Cookie": "z", "Accept": "text/xml"},
        max_bytes=1,
        same_hosts_only=False,
    )
    assert request.for_strangers().headers == {"Accept": "text/xml"}
