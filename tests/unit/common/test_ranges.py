from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.ranges import Part, Plan, Unsatisfiable, Whole, parse, respond

MODIFIED = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
ETAG = "abc-1"


@pytest.mark.parametrize(
    ("header", "size_bytes", "expected"),
    [
        (None, 100, Whole()),
        ("bytes=0-", 100, Part(0, 100)),
        ("bytes=0-0", 100, Part(0, 1)),
        ("bytes=10-19", 100, Part(10, 20)),
        ("bytes=10-1000", 100, Part(10, 100)),
        ("bytes=99-", 100, Part(99, 100)),
        ("bytes=100-", 100, Unsatisfiable()),
        ("bytes=100-200", 100, Unsatisfiable()),
        ("bytes=-1", 100, Part(99, 100)),
        ("bytes=-100", 100, Part(0, 100)),
        ("bytes=-5000", 100, Part(0, 100)),
        ("bytes=-0", 100, Unsatisfiable()),
        ("bytes=0-", 0, Unsatisfiable()),
        ("bytes=-5", 0, Whole()),
        ("BYTES=1-2", 100, Part(1, 3)),
        ("bytes=,1-2 ,", 100, Part(1, 3)),
        ("bytes=1-2,4-5", 100, Whole()),
        ("bytes=5-4", 100, Whole()),
        ("bytes=-", 100, Whole()),
        ("bytes=", 100, Whole()),
        ("bytes", 100, Whole()),
        ("bytes=a-b", 100, Whole()),
        ("bytes=1--2", 100, Whole()),
        ("bytes=+1-2", 100, Whole()),
        ("bytes=１-２", 100, Whole()),
        ("bytes=1-2;3", 100, Whole()),
        ("items=0-1", 100, Whole()),
        ("bytes=" + "9" * 100 + "-", 100, Unsatisfiable()),
        ("bytes=0-" + "9" * 100_000, 100, Whole()),
    ],
)
def test_what_a_header_asks(header: str | None, size_bytes: int, expected: object) -> None:
    assert parse(header, size_bytes) == expected


@given(st.text(), st.integers(0, 1 << 50))
def test_no_header_makes_it_fail_or_leave_the_file(header: str, size_bytes: int) -> None:
    wanted = parse(header, size_bytes)
    assert not isinstance(wanted, Part) or 0 <= wanted.start < wanted.end <= size_bytes


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_closed_range_is_a_slice(content: bytes, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(content) - 1))
    last = data.draw(st.integers(first, len(content) + 50))
    wanted = parse(f"bytes={first}-{last}", len(content))
    assert isinstance(wanted, Part)
    assert content[wanted.start : wanted.end] == content[first : last + 1]


@given(st.binary(min_size=1, max_size=200), st.integers(1, 300))
def test_a_suffix_is_the_end(content: bytes, length: int) -> None:
    wanted = parse(f"bytes=-{length}", len(content))
    assert isinstance(wanted, Part)
    assert content[wanted.start : wanted.end] == content[-length:]


def answer(method: str = "GET", size_bytes: int = 100, **headers: str) -> Plan:
    return respond(
        method,
        {name.replace("_", "-"): value for name, value in headers.items()},
        size_bytes=size_bytes,
        etag=ETAG,
        modified_at=MODIFIED,
        content_type="video/mp4",
    )


def test_all_of_it() -> None:
    assert answer() == Plan(
        status=200,
        headers={
            "etag": '"abc-1"',
            "last-modified": "Sun, 01 Mar 2026 12:30:15 GMT",
            "accept-ranges": "bytes",
            "content-type": "video/mp4",
            "content-length": "100",
        },
        start=0,
        length=100,
    )


def test_a_part() -> None:
    plan = answer(range="bytes=10-19")
    assert (plan.status, plan.start, plan.length) == (206, 10, 10)
    assert (plan.headers["content-range"], plan.headers["content-length"]) == ("bytes 10-19/100", "10")


def test_beyond_the_end() -> None:
    plan = answer(range="bytes=100-")
    assert (plan.status, plan.length) == (416, 0)
    assert (plan.headers["content-range"], plan.headers["content-length"]) == ("bytes */100", "0")


def test_head_tells_the_whole_and_sends_nothing() -> None:
    plan = answer("HEAD", range="bytes=10-19")
    assert (plan.status, plan.length, plan.headers["content-length"]) == (200, 0, "100")


def test_other_methods() -> None:
    plan = answer("POST")
    assert (plan.status, plan.headers["allow"]) == (405, "GET, HEAD")


def test_an_empty_file() -> None:
    assert (answer(size_bytes=0).status, answer(size_bytes=0).length) == (200, 0)


LATER = format_datetime(MODIFIED + timedelta(days=1), usegmt=True)
EARLIER = format_datetime(MODIFIED - timedelta(days=1), usegmt=True)
EXACTLY = format_datetime(MODIFIED, usegmt=True)


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        ('"abc-1"', 206),
        ('"abc-2"', 200),
        ('W/"abc-1"', 200),
        (EXACTLY, 206),
        (LATER, 200),
        (EARLIER, 200),
        ("yesterday", 200),
        ("", 200),
    ],
)
def test_if_range(if_range: str, status: int) -> None:
    assert answer(range="bytes=10-19", if_range=if_range).status == status


def test_if_range_that_fails_never_makes_it_unsatisfiable() -> None:
    assert answer(range="bytes=100-", if_range='"old"').status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if_none_match": '"abc-1"'}, 304),
        ({"if_none_match": 'W/"abc-1"'}, 304),
        ({"if_none_match": '"x", "abc-1"'}, 304),
        ({"if_none_match": "*"}, 304),
        ({"if_none_match": '"x"'}, 200),
        ({"if_none_match": '"x"', "if_modified_since": LATER}, 200),
        ({"if_modified_since": EXACTLY}, 304),
        ({"if_modified_since": EARLIER}, 200),
        ({"if_modified_since": "never"}, 200),
        ({"if_match": '"abc-1"'}, 200),
        ({"if_match": "*"}, 200),
        ({"if_match": 'W/"abc-1"'}, 412),
        ({"if_match": '"x"'}, 412),
        ({"if_unmodified_since": EARLIER}, 412),
        ({"if_unmodified_since": EXACTLY}, 200),
        ({"if_match": '"abc-1"', "if_unmodified_since": EARLIER}, 200),
    ],
)
def test_conditions(headers: dict[str, str], status: int) -> None:
    assert answer(**headers).status == status


@given(
    st.dictionaries(
        st.sampled_from(
            ["range", "if_range", "if_match", "if_none_match", "if_modified_since", "if_unmodified_since"]
        ),
        st.text()
        | st.from_regex(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{1,5} \d\d:\d\d:\d\d [-+A-Z0-9]{1,6}"),
    )
)
def test_no_headers_make_it_fail_or_leave_the_file(headers: dict[str, str]) -> None:
    plan = answer(**headers)
    assert plan.status in (200, 206, 304, 412, 416)
    assert 0 <= plan.start <= plan.start + plan.length <= 100
