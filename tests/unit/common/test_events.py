"""Every event ever published decodes for ever: a golden file of each is only ever added to."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from libs.common import events as e
from libs.common.media import Chapter, Media, Sound, Text, Video

GOLDEN = Path(__file__).parent / "golden"
AT = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
TITLE = e.TitleRef(
    key="tmdb:movie:603",
    movie_id=603,
    name="The Long Intermission",
    year=2024,
    imdb_id="tt9000001",
    poster_url="http://127.0.0.1/p.jpg",
    runtime_min=112,
)
PICK = e.Candidate(
    release_id="rel_0123456789abcdef",
    title="The.Long.Intermission.2024.1080p.WEB-DL.x264-MATINEE",
    indexer="Sandbox",
    nzb_url="http://127.0.0.1/api?t=get&id=1&apikey={api_key}",
    size_bytes=4_200_000_000,
    age_days=3,
    quality="1080p",
    source="WEB-DL",
    codec="H.264",
    group="MATINEE",
    score=e.Score(
        total=87.5,
        parts={"quality": 40.0},
        reasons=("1080p as asked",),
        checks=(e.Check(rule="size", passed=True, value="4.2 GB", limit="100 GB"),),
        decided_by="before another: 87.5 points rather than 80",
    ),
    also_at=(
        e.OtherSource(
            release_id="rel_fedcba9876543210",
            indexer="Other",
            nzb_url="http://127.0.0.2/api?t=get&id=1&apikey={api_key}",
        ),
    ),
)
MEDIA = Media(
    container="mkv",
    duration_s=6720.5,
    bits_per_s=5_000_000,
    video=Video(
        codec="hevc",
        codec_string="hvc1.2.4.L153.B0",
        profile="Main 10",
        width=3840,
        height=2160,
        bit_depth=10,
        hdr="hdr10",
        frames_per_s=23.976,
    ),
    sounds=(
        Sound(number=0, codec="ac3", codec_string="ac-3", channels=6, language="eng", is_default=True),
        Sound(number=1, codec="aac", codec_string="mp4a.40.2", channels=2, title="Talk", is_commentary=True),
    ),
    texts=(Text(number=0, kind="text", language="eng", is_forced=True),),
    chapters=(Chapter(start_s=0.0, title="Opening"),),
)
JOB = "job_1763640000000_0123456789"
EVENTS: list[e.JobEvent] = [
    e.Requested(id=f"{JOB}.requested.0.0", at=AT, job_id=JOB, title=TITLE, mode="auto", quality="1080p"),
    e.Queued(id="2", at=AT, job_id=JOB, attempt=1, pick=PICK, alternatives=(PICK,), title=TITLE),
    e.Unavailable(id="3", at=AT, job_id=JOB, code="NOT_FOUND", message="No release."),
    e.Started(id="4", at=AT, job_id=JOB, attempt=1, delivery=2, instance="instance-1"),
    e.Described(
        id="5", at=AT, job_id=JOB, attempt=1, delivery=2, file_name="a.mkv", size_bytes=7, container="mkv"
    ),
    e.Preparing(id="6", at=AT, job_id=JOB, attempt=1, delivery=2),
    e.Ready(
        id="7",
        at=AT,
        job_id=JOB,
        attempt=1,
        delivery=2,
        film=e.Film(
            key=f"movies/{JOB}/movie.mp4",
            size_bytes=7,
            content_type="video/mp4",
            playlist_key=f"movies/{JOB}/movie.m3u8",
        ),
        expires_at=AT,
    ),
    e.AttemptFailed(
        id="8",
        at=AT,
        job_id=JOB,
        attempt=1,
        delivery=2,
        code="USENET_ERROR",
        message="Gone.",
        blame="release",
    ),
    e.Failed(id="9", at=AT, job_id=JOB, attempt=1, code="USENET_ERROR", message="Gone."),
    e.Expired(id="10", at=AT, job_id=JOB, reason="age"),
    e.Deleted(id="11", at=AT, job_id=JOB),
    e.Playable(
        id="13",
        at=AT,
        job_id=JOB,
        attempt=1,
        delivery=2,
        address="127.0.0.1:40123",
        size_bytes=7,
        content_type="video/x-matroska",
    ),
    e.Probed(id="14", at=AT, job_id=JOB, attempt=1, delivery=2, media=MEDIA),
    e.Watched(id="12", at=AT, job_id=JOB),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.fact)
def test_the_wire_form_of_today_is_the_golden_one(event: e.JobEvent) -> None:
    golden = GOLDEN / f"{event.fact}.json"
    assert e.encode(event) == golden.read_bytes().strip()


@pytest.mark.parametrize("golden", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_every_golden_event_decodes_and_encodes_to_the_same(golden: Path) -> None:
    event = e.decode_event(golden.read_bytes())
    assert event is not None
    assert _still_says(msgspec.json.decode(e.encode(event)), msgspec.json.decode(golden.read_bytes()))


def _still_says(today: object, golden: object) -> bool:
    """Whether nothing of the golden one is gone or changed; fields may have come."""
    if isinstance(today, dict) and isinstance(golden, dict):
        return all(name in today and _still_says(today[name], value) for name, value in golden.items())
    if isinstance(today, list) and isinstance(golden, list):
        return len(today) == len(golden) and all(map(_still_says, today, golden))
    return today == golden


def test_every_event_type_has_a_golden_file() -> None:
    tags = {str(kind.__struct_config__.tag) for kind in e.EVENT_TYPES}
    assert {path.stem.partition(".")[0] for path in GOLDEN.glob("*.json")} == tags


def test_subjects_tell_job_and_fact() -> None:
    assert EVENTS[0].subject == f"jobs.{JOB}.requested"
    assert EVENTS[-1].subject == f"watch.{JOB}.watched"
    assert e.SearchMovies(query="x").subject == "svc.catalog.search"


def test_unknown_types_are_none_and_unknown_fields_are_ignored() -> None:
    assert e.decode_event(b'{"type":"promoted","id":"1"}') is None
    extended = msgspec.json.decode(e.encode(EVENTS[-1])) | {"mood": "good"}
    assert e.decode_event(msgspec.json.encode(extended)) == EVENTS[-1]


DEEP = b'{"type":"watched","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
NOT_UTF8 = b'{"type":"watched","id":"\xff"}'


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"type":"watched"}', b'{"type":7}', b"\xff", DEEP, NOT_UTF8]
)
def test_garbage_is_a_decode_error(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        e.decode_event(data)
