"""Runs of one kind: the floor and Matinee take turns, so that what disturbs one disturbs both."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx

from libs.sandbox.posts import ARTICLE_BYTES
from tests.support.internet import Internet

from . import peers
from .news import Newsroom, NewsServer
from .posts import Post, Studio
from .stage import Film, Seen, Stage
from .timing import process_start, touch_memory

WHOLE_RUNS_MAX = 3
"""A whole film is fetched so often at most; what only concerns its beginning, as often as is asked for."""
FEW_MISSING = 6
SAMPLES = 5
Then = Callable[[Film], None]


@dataclass(frozen=True)
class Setting:
    """What is fetched, and over which line."""

    packing: str
    connections: int = 20
    rtt_ms: int = 0
    missing: str = ""
    """`few` (an article each of six volumes), `percent` (every hundredth), or none."""
    warm: bool = False

    def __str__(self) -> str:
        line = f"{self.packing}, {self.connections} connections, {self.rtt_ms} ms"
        return ", ".join(
            [line, *([f"{self.missing} missing"] if self.missing else []), *(["warm"] * self.warm)]
        )


@dataclass(frozen=True)
class Run:
    """One click, and what the floor took just before."""

    seen: Seen
    sink_s: float
    bare_click_s: float
    bare_article_s: float
    process_start_s: float
    articles: float
    """Fetched ÷ posted."""
    tail_s: float
    """From the last article asked for to ready."""
    gib: float

    @property
    def cpu_s_per_gib(self) -> float:
        return self.seen.cpu_s / self.gib


class Bench:
    """Everything that is measured on; what was measured once is not measured again. Use `close`."""

    def __init__(self, directory: Path, work: Path, size_mib: int, runs: int) -> None:
        self.studio = Studio(directory, size_mib)
        self.runs = runs
        self.whole_runs = min(runs, WHOLE_RUNS_MAX)
        self.peers = peers.installed()
        self.work = work
        self._directory = directory
        self._room = Newsroom(directory)
        self._internet = Internet(directory / "internet", "--films", "few")
        self._stages: dict[tuple[int, bool], Stage] = {}
        self._made: dict[Setting, list[Run]] = {}

    def close(self) -> None:
        for stage in self._stages.values():
            stage.close()
        self._internet.close()

    def made(self, setting: Setting) -> list[Run]:
        """All runs of this kind so far."""
        return self._made.get(setting, [])

    def all_made(self) -> list[tuple[Setting, Run]]:
        return [(setting, run) for setting, runs in self._made.items() for run in runs]

    def clicks(self, setting: Setting, runs: int) -> list[Run]:
        """So many undisturbed runs of this kind."""
        done = self._made.setdefault(setting, [])
        while len(done) < runs:
            done.append(self.click(setting))
        return done[:]

    def click(self, setting: Setting, then: Then | None = None) -> Run:
        post = self.studio.post(setting.packing)
        stage = self._stage(setting)
        # The floor fetches what was posted, missing or not: it knows no other answer.
        with NewsServer(self._room, post, rtt_ms=setting.rtt_ms) as server:
            sink_s = server.sink(setting.connections)
            bare_click_s = server.bare_click(stage.nzb_url(post))
            bare_article_s = median(server.bare_articles(post.message_ids[-SAMPLES:]))
        self._touch_memory()
        started_s = process_start()
        with self._news(setting, post) as server:
            seen = stage.click(post, then)
            counts = server.stop()
        run = Run(
            seen=seen,
            sink_s=sink_s,
            bare_click_s=bare_click_s,
            bare_article_s=bare_article_s,
            process_start_s=started_s,
            articles=counts.articles / len(post.message_ids),
            tail_s=seen.clicked_at + seen.ready_s - counts.last_at,
            gib=self.studio.size_bytes / (1 << 30),
        )
        _tell(
            f"{setting}: first byte {seen.first_byte_s:.3f} s (bare {bare_click_s:.3f}, process "
            f"{run.process_start_s:.3f}), ready {seen.ready_s:.2f} s (sink {sink_s:.2f}), "
            f"CPU {run.cpu_s_per_gib:.2f} s/GiB, {seen.peak_bytes >> 20} MiB, tail {run.tail_s:.2f} s"
        )
        return run

    def peer(self, peer: peers.Peer, setting: Setting) -> float:
        post = self.studio.post(setting.packing)
        nzb = httpx.get(self._stage(setting).nzb_url(post)).content
        self._touch_memory()
        with self._news(setting, post):
            took_s = peers.fetch(
                peer,
                post,
                nzb,
                self.work / "peer",
                news_port=self._room.port,
                connections=setting.connections,
            )
        _tell(f"{peer.name}, {setting}: {took_s:.2f} s")
        return took_s

    def missing(self, post: Post, which: str) -> list[tuple[Path, int, str]]:
        places = post.of_volumes()
        # Not the first article of all: a head that is gone is another story.
        step = 100 if which == "percent" else max(len(places) // FEW_MISSING, 1)
        return places[step // 2 :: step]

    def damaged(self, setting: Setting, folder: Path) -> Path:
        """The files as a downloader has them before it mends: zeros where articles are missing. The index."""
        post = self.studio.post(setting.packing)
        folder.mkdir()
        for file in post.files:
            (folder / file.name).write_bytes(file.read_bytes())
        for file, at, _ in self.missing(post, setting.missing):
            with (folder / file.name).open("r+b") as copy:
                copy.seek(at)
                copy.write(bytes(min(ARTICLE_BYTES, file.stat().st_size - at)))
        return min((folder / file.name for file in post.files if file.suffix == ".par2"), key=_size_bytes)

    def _touch_memory(self) -> None:
        """As much as the release, what is unpacked from it and what is stored of it."""
        touch_memory(3 * self.studio.size_bytes)

    def _news(self, setting: Setting, post: Post) -> NewsServer:
        missing = None
        if setting.missing:
            missing = self._directory / "missing"
            missing.write_text("".join(f"{place[2]}\n" for place in self.missing(post, setting.missing)))
        return NewsServer(self._room, post, rtt_ms=setting.rtt_ms, missing=missing)

    def _stage(self, setting: Setting) -> Stage:
        key = setting.connections, setting.warm
        if key not in self._stages:
            # One box at a time, so that none takes turns with another's idle services.
            for other in list(self._stages):
                self._stages.pop(other).close()
            more = {"downloader_warm": "1"} if setting.warm else {}
            name = f"box-{setting.connections}{'-warm' * setting.warm}-{len(list(self.work.iterdir()))}"
            stage = self._stages[key] = Stage(
                self._internet, self._room, self.work / name, setting.connections, **more
            )
            post = self.studio.post(setting.packing)
            with self._news(setting, post):
                stage.click(post)
        return self._stages[key]


def values(runs: Sequence[Run], of: Callable[[Run], float]) -> list[float]:
    return [of(run) for run in runs]


def _size_bytes(path: Path) -> int:
    return path.stat().st_size


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
