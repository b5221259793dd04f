"""Every message that crosses between services: events, progress, alerts, queries and their answers.

Nothing else in the project defines a message (but series.py what is asked about series). Events are facts in
the past tense; they are decoded for ever (a golden file of each is kept in tests/unit/common/golden), so a
new field has a default and a changed meaning gets a new tag. Unknown fields are ignored; unknown tags decode
to None.
"""

from datetime import datetime
from typing import Any, ClassVar, Literal, TypeVar

import msgspec

from libs.common.media import Media

Blame = Literal["release", "world", "owner"]
"""Whose fault a failed attempt is: the release (take another), the world (try again later), or the settings
(nothing helps until the owner changes them)."""

Mode = Literal["auto", "manual"]
Quality = Literal["720p", "1080p", "4K"]


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """Base of everything on the wire: immutable, named fields only."""


# What events speak about --------------------------------------------------------------------------------


class TitleRef(Wire, frozen=True, kw_only=True):
    """A title, as much of it as a job needs to be shown and searched for."""

    key: str
    """For instance `tmdb:movie:603`."""
    movie_id: int
    name: str
    year: int | None = None
    imdb_id: str | None = None
    poster_url: str | None = None
    runtime_min: int | None = None


class Check(Wire, frozen=True, kw_only=True):
    """One hard rule and how a release stands by it: what fails one is never picked by itself."""

    rule: str
    passed: bool
    value: str
    """What the release has."""
    limit: str
    """What the rule allows."""


class Score(Wire, frozen=True, kw_only=True):
    """Why a candidate stands where it stands: the total, its parts, and sentences for people."""

    total: float
    """0 to 100; exactly what fails a hard rule has 0."""
    parts: dict[str, float] = {}
    reasons: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    """Every hard rule, those that it keeps too."""
    decided_by: str = ""
    """What sets it before the candidate that comes next; empty if none does."""


class OtherSource(Wire, frozen=True, kw_only=True):
    """Another indexer that has the same release."""

    release_id: str
    indexer: str
    nzb_url: str
    """As a candidate's."""


class Candidate(Wire, frozen=True, kw_only=True):
    """One release that an indexer offers for a title."""

    release_id: str
    title: str
    indexer: str
    nzb_url: str
    """Where the NZB is, with the indexer's key replaced by `{api_key}`: events carry no secrets."""
    size_bytes: int
    age_days: int
    quality: str
    source: str | None = None
    codec: str | None = None
    group: str | None = None
    score: Score
    also_at: tuple[OtherSource, ...] = ()
    """Where else it can be had: the same name, and a size within a hundredth."""


class Film(Wire, frozen=True, kw_only=True):
    """The published film: an object in the store."""

    key: str
    size_bytes: int
    content_type: str
    playlist_key: str | None = None
    """The master playlist beside it (HLS), if it was prepared for browsers."""


# Events ---------------------------------------------------------------------------------------------------


class JobEvent(Wire, frozen=True, kw_only=True, tag_field="type"):
    """A fact in a job's life. `id` is the same however often the fact is told: it is the Nats-Msg-Id."""

    subject_root: ClassVar[str] = "jobs"

    id: str
    at: datetime
    job_id: str

    @property
    def fact(self) -> str:
        return str(self.__struct_config__.tag)

    @property
    def subject(self) -> str:
        return f"{self.subject_root}.{self.job_id}.{self.fact}"


class Requested(JobEvent, frozen=True, kw_only=True, tag="requested"):
    """Someone pressed Watch."""

    title: TitleRef
    mode: Mode
    release_id: str | None = None
    quality: Quality | None = None


class Queued(JobEvent, frozen=True, kw_only=True, tag="queued"):
    """A release is picked and waits for an instance; this message is also the unit of work."""

    attempt: int
    pick: Candidate
    alternatives: tuple[Candidate, ...] = ()
    """What to take next if the pick turns out bad, best first."""
    title: TitleRef


class Unavailable(JobEvent, frozen=True, kw_only=True, tag="unavailable"):
    """No release can be offered; the job ends before its first attempt."""

    code: str
    message: str


class AttemptEvent(JobEvent, frozen=True, kw_only=True):
    """Told by the instance that holds the job: `(attempt, delivery)` is the fence."""

    attempt: int
    delivery: int


class Started(AttemptEvent, frozen=True, kw_only=True, tag="started"):
    instance: str


class Described(AttemptEvent, frozen=True, kw_only=True, tag="described"):
    """The release was opened and the film in it found."""

    file_name: str
    size_bytes: int
    container: str


class Playable(AttemptEvent, frozen=True, kw_only=True, tag="playable"):
    """The instance serves the film to the gateway from now on, for as long as its attempt runs."""

    address: str
    """`host:port` of its play server."""
    size_bytes: int
    content_type: str


class Probed(AttemptEvent, frozen=True, kw_only=True, tag="probed"):
    """What is inside the film, or why nobody can tell: then it plays only as the file it is."""

    media: Media | None = None
    why_not: str | None = None


class Preparing(AttemptEvent, frozen=True, kw_only=True, tag="preparing"):
    """Every byte is there and verified; what remains is to publish it."""


class Ready(AttemptEvent, frozen=True, kw_only=True, tag="ready"):
    film: Film
    expires_at: datetime | None = None
    """When it is deleted for its age; None: never for its age."""


class AttemptFailed(AttemptEvent, frozen=True, kw_only=True, tag="attempt_failed"):
    code: str
    message: str
    blame: Blame


class Failed(JobEvent, frozen=True, kw_only=True, tag="failed"):
    """The job is given up. `attempt` fences it: a newer attempt is not failed by an old verdict."""

    attempt: int
    code: str
    message: str


class Expired(JobEvent, frozen=True, kw_only=True, tag="expired"):
    """Its time is over; from here on nobody is sent to it any more."""

    reason: Literal["age", "unwatched"]


class Deleted(JobEvent, frozen=True, kw_only=True, tag="deleted"):
    """Nothing of it is left in the store."""


class Watched(JobEvent, frozen=True, kw_only=True, tag="watched"):
    """Someone was given the URL to play it."""

    subject_root: ClassVar[str] = "watch"


EVENT_TYPES: tuple[type[JobEvent], ...] = (
    Requested,
    Queued,
    Unavailable,
    Started,
    Described,
    Playable,
    Probed,
    Preparing,
    Ready,
    AttemptFailed,
    Failed,
    Expired,
    Deleted,
    Watched,
)


# Not history: the present, and what the owner should know -------------------------------------------------


class Progress(Wire, frozen=True, kw_only=True):
    """How far a running attempt is; only the last one per job is kept, in memory."""

    at: datetime
    job_id: str
    attempt: int
    delivery: int
    stage: Literal["opening", "downloading", "repairing", "unpacking", "publishing"]
    done_bytes: int
    total_bytes: int
    speed_bps: float = 0.0
    """Bytes per second."""
    eta_s: float | None = None

    @property
    def subject(self) -> str:
        return f"progress.{self.job_id}"


class Alert(Wire, frozen=True, kw_only=True):
    """Something the owner should look at."""

    id: str
    at: datetime
    kind: str
    message: str
    job_id: str | None = None

    @property
    def subject(self) -> str:
        return f"alerts.{self.kind}"


# Queries: the subject is svc.<service>.<tag> --------------------------------------------------------------


class Query(Wire, frozen=True, kw_only=True, tag_field="ask"):
    service: ClassVar[str]

    @property
    def subject(self) -> str:
        return f"svc.{self.service}.{self.__struct_config__.tag}"


class SearchMovies(Query, frozen=True, kw_only=True, tag="search"):
    service: ClassVar[str] = "catalog"
    query: str
    page: int = 1


class ListMovies(Query, frozen=True, kw_only=True, tag="list"):
    service: ClassVar[str] = "catalog"
    list: Literal["popular", "top", "trending"]
    page: int = 1


class SimilarMovies(Query, frozen=True, kw_only=True, tag="similar"):
    service: ClassVar[str] = "catalog"
    movie_id: int
    page: int = 1


class GetMovie(Query, frozen=True, kw_only=True, tag="movie"):
    service: ClassVar[str] = "catalog"
    movie_id: int


class FindSubtitles(Query, frozen=True, kw_only=True, tag="subtitles"):
    """`title_key`: `tmdb:movie:603`, `tmdb:tv:1399:1:2`. No languages: the owner's."""

    service: ClassVar[str] = "catalog"
    title_key: str
    languages: tuple[str, ...] = ()
    """As OpenSubtitles has them: `en`, `pt-br`."""
    moviehash: str | None = None
    """OpenSubtitles' hash of the film's file, 16 hexadecimal digits."""


class GetSubtitle(Query, frozen=True, kw_only=True, tag="subtitle"):
    """One of those found (`file_id`), else the best in the language. May cost one download of the quota."""

    service: ClassVar[str] = "catalog"
    title_key: str
    language: str
    file_id: int | None = None
    moviehash: str | None = None


class Subtitle(Wire, frozen=True, kw_only=True):
    """A text that somebody made of a title."""

    file_id: int
    language: str
    release: str
    """The release that it was made for, in its maker's words."""
    downloads: int = 0
    is_for_hearing_impaired: bool = False
    is_forced: bool = False
    is_machine_made: bool = False
    is_of_this_file: bool = False
    """It was made for the very file that was asked about (`moviehash`)."""


class SubtitleQuota(Wire, frozen=True, kw_only=True):
    """How many texts may still be downloaded, and when there are new ones."""

    remaining: int
    resets_at: datetime | None = None


class SubtitleList(Wire, frozen=True, kw_only=True):
    """Best first. `quota` is unknown until the first download."""

    subtitles: tuple[Subtitle, ...]
    quota: SubtitleQuota | None = None


class SubtitleText(Wire, frozen=True, kw_only=True):
    """`vtt`: a WebVTT document, harmless."""

    vtt: str
    subtitle: Subtitle
    quota: SubtitleQuota | None = None


class Movie(Wire, frozen=True, kw_only=True):
    """A title as lists show it (movies API)."""

    id: int
    title: str
    year: int | None
    release_date: str | None
    overview: str
    poster_url: str | None
    backdrop_url: str | None
    rating: float


class MoviePage(Wire, frozen=True, kw_only=True):
    page: int
    total_pages: int
    total_results: int
    results: tuple[Movie, ...]
    is_stale: bool = False
    """TMDB can't be asked now: this is what it said some time ago."""


class Person(Wire, frozen=True, kw_only=True):
    name: str
    role: str
    """The character (cast) or the job (crew)."""
    photo_url: str | None = None


class MovieDetails(Movie, frozen=True, kw_only=True):
    runtime_min: int | None
    genres: tuple[str, ...]
    cast: tuple[Person, ...]
    crew: tuple[Person, ...]
    imdb_id: str | None
    is_stale: bool = False
    """As of a page."""


# The wire form --------------------------------------------------------------------------------------------


class _Tagged(msgspec.Struct):
    type: str


_encoder = msgspec.json.Encoder(order="deterministic")
_tagged = msgspec.json.Decoder(_Tagged)
_decoders: dict[str, msgspec.json.Decoder[Any]] = {
    str(t.__struct_config__.tag): msgspec.json.Decoder(t) for t in EVENT_TYPES
}

T = TypeVar("T")


def encode(message: Wire) -> bytes:
    return _encoder.encode(message)


def decode_event(data: bytes) -> JobEvent | None:
    """The event in `data`; None for a type that this version does not know. Raises msgspec.DecodeError."""
    try:
        decoder = _decoders.get(_tagged.decode(data).type)
        event: JobEvent | None = None if decoder is None else decoder.decode(data)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError("not UTF-8, or nested too deeply") from error
    return event


def decode(data: bytes, kind: type[T]) -> T:
    """Any other message. Raises msgspec.DecodeError."""
    return msgspec.json.decode(data, type=kind)
