"""A whole `matinee up` that fetches from nntpd, and Watch pressed at its API."""

import http.client
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urljoin, urlsplit

import httpx

from tests.support.box import RunningBox, wait_for
from tests.support.internet import Internet

from .news import HOST, Newsroom
from .posts import Post
from .timing import Watch

RETENTION_H = 0.0005
"""Deleted two seconds after it is ready: the next click starts from nothing."""
FIRST_MOVIE = 910_000
NOBODYS = "tt9000000"
READ_BYTES = 1 << 20
PATIENCE_S = 120.0
WARMED_UP_S = 3.0
"""For an instance to load what it is made of."""


@dataclass
class Seen:
    """One click, from the request to the film in the store; times in seconds from the request."""

    job_id: str
    clicked_at: float
    """On the wall clock."""
    first_byte_s: float = 0.0
    ready_s: float = 0.0
    cpu_s: float = 0.0
    peak_bytes: int = 0
    play_s: float = 0.0
    """From the first byte to the last of one that plays as fast as it can."""
    seeks_s: list[float] = field(default_factory=list[float])


class Stage:
    """A box with so many connections, and the sandbox's indexer and film database. Use `close`."""

    def __init__(
        self, internet: Internet, room: Newsroom, data: Path, connections: int, **settings: str
    ) -> None:
        self.connections = connections
        self._movies = count(FIRST_MOVIE)
        self._last: str | None = None
        self._is_warm = "downloader_warm" in settings
        self._internet = internet
        server = {"host": HOST, "port": room.port, "ca_file": str(room.ca_file), "connections": connections}
        environment = internet.environment(**server)
        environment |= {"MATINEE_RETENTION_AFTER_READY_H": str(RETENTION_H)}
        # As peers store it; how fast films are prepared is another figure.
        environment |= {"MATINEE_DOWNLOADER_PUBLISH": "original"}
        environment |= {f"MATINEE_{name.upper()}": value for name, value in settings.items()}
        self.box = RunningBox(data, environment)
        self.box.start()
        self.box.sign_in()
        self._launcher = self.box.services()["downloader"]["pid"]
        self._http = httpx.Client(base_url=self.box.url, timeout=PATIENCE_S, headers=self.box.headers)

    def close(self) -> None:
        self._http.close()
        self.box.close()

    def click(self, post: Post, then: "Callable[[Film], None] | None" = None) -> Seen:
        """Press Watch on a title that nobody has fetched, and see it through; its film is checked.

        `then` is called with the film once it plays.
        """
        self._wait_for_nothing()
        movie = next(self._movies)
        self._offer(post, movie)
        waiting = self._instances()
        with Watch(self._launcher) as watch:
            started = time.perf_counter()
            seen = Seen(job_id="", clicked_at=time.time())
            seen.job_id = self.box.fetch(movie)
            follower = Follower(self._http, seen.job_id, started)
            follower.wait("playable")
            film = Film(self._session(seen.job_id), seen)
            film.first_byte()
            seen.first_byte_s = time.perf_counter() - started
            if then:
                then(film)
            seen.ready_s = follower.wait("ready")
            # Opened before it is deleted.
            published = (self.box.data / "store" / "movies" / seen.job_id / "movie.mkv").open("rb")
            wait_for(lambda: not waiting & self._instances() if waiting else not self._instances(), 30)
        self._check(published, post)
        if not self._is_warm:
            # One that was there before isn't watched.
            seen.cpu_s = sum(watch.cpu.values())
            seen.peak_bytes = max(watch.peak.values())
        self._last = seen.job_id
        return seen

    def nzb_url(self, post: Post) -> str:
        """Where its NZB is."""
        self._post(post, NOBODYS)
        return next(offer.link for offer in self._internet.offers() if offer.title == post.title)

    def _offer(self, post: Post, movie: int) -> None:
        """A release of this movie alone, so that the indexer is asked and no cache answers."""
        imdb_id = f"tt9{movie}"
        self._internet.add_title(movie, "Bench", imdb_id)
        self._post(post, imdb_id)

    def _post(self, post: Post, imdb_id: str) -> None:
        self._internet.post(post.files[0], post.title, paths=[*map(str, post.files)], imdb_id=imdb_id)

    def _session(self, job_id: str) -> str:
        answer = self._http.post("/v1/session/start", json={"jobId": job_id}).raise_for_status()
        return urljoin(self.box.url, answer.json()["streamUrl"])

    def _check(self, published: BinaryIO, post: Post) -> None:
        with published, post.film.open("rb") as film:
            while expected := film.read(READ_BYTES):
                assert published.read(READ_BYTES) == expected, f"{post.title}: wrong bytes in the store"
            assert not published.read(1), f"{post.title}: too many bytes in the store"

    def _wait_for_nothing(self) -> None:
        """Until the last film is deleted; with a warm instance, until one has long been there."""
        last = self._last
        if last:
            wait_for(lambda: self.box.job(last)["status"] == "deleted", 60)
        if self._is_warm:
            wait_for(self._instances, 30)
            time.sleep(WARMED_UP_S)

    def _instances(self) -> set[int]:
        return {process.pid for process in self.box.instances()}


class Follower:
    """Hears what the page hears of a job, on a thread of its own."""

    def __init__(self, client: httpx.Client, job_id: str, started: float) -> None:
        self._client = client
        self._job_id = job_id
        self._started = started
        self._at: dict[str, float] = {}
        self._news = threading.Condition()
        threading.Thread(target=self._run, daemon=True).start()

    def wait(self, what: str) -> float:
        """When it was heard: a status, or "playable"."""
        with self._news:
            heard = self._news.wait_for(lambda: what in self._at or "error" in self._at, PATIENCE_S)
        assert heard, f"{self._job_id} was not {what} within {PATIENCE_S} s, only {self._at}"
        assert what in self._at, f"{self._job_id} ended with an error"
        return self._at[what]

    def _run(self) -> None:
        with self._client.stream("GET", f"/v1/jobs/{self._job_id}/events") as answer:
            answer.raise_for_status()
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    self._hear(json.loads(line[5:]))
                if {"ready", "error"} & self._at.keys():
                    return

    def _hear(self, job: dict[str, Any]) -> None:
        now = time.perf_counter() - self._started
        with self._news:
            self._at.setdefault(job["status"], now)
            if job["playable"]:
                self._at.setdefault("playable", now)
            self._news.notify_all()


class Film:
    """The film as a player reads it through the gateway."""

    def __init__(self, url: str, seen: Seen) -> None:
        self._url = url
        self.seen = seen

    def first_byte(self, offset: int = 0) -> bool:
        """Returns when the first byte from there has come; whether it came from the instance."""
        connection, answer, is_fetching = self._get(offset)
        assert answer.read(1)
        connection.close()
        return is_fetching

    def play(self, size_bytes: int) -> None:
        """From the beginning to the end as fast as it comes."""
        buffer, at = memoryview(bytearray(READ_BYTES)), 0
        started = time.perf_counter()
        while at < size_bytes:
            connection, answer, _ = self._get(at)
            while received := answer.readinto(buffer):
                at += received
            connection.close()
        self.seen.play_s = time.perf_counter() - started

    def seek(self, size_bytes: int, times: int) -> None:
        """Jump about while it is fetched, as often as it still is."""
        places = random.Random(self.seen.job_id)
        for _ in range(times):
            started = time.perf_counter()
            if not self.first_byte(places.randrange(size_bytes - READ_BYTES)):
                return
            self.seen.seeks_s.append(time.perf_counter() - started)

    def _get(self, offset: int) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse, bool]:
        """The answer, and whether the film is still being fetched: one that became ready is elsewhere."""
        url = self._url
        while True:
            parts = urlsplit(url)
            connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE_S)
            connection.request("GET", f"{parts.path}?{parts.query}", headers={"range": f"bytes={offset}-"})
            answer = connection.getresponse()
            if answer.status not in (301, 302, 303, 307, 308):
                assert answer.status == http.client.PARTIAL_CONTENT, f"{answer.status} at {offset}"
                return connection, answer, url == self._url
            url = urljoin(url, answer.headers["location"])
            connection.close()
