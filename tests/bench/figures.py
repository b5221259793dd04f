"""The figures and their goals: each function measures what it needs and gives rows of the table."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from libs.sandbox.packing import par2_program

from .posts import LABELS, PACKINGS
from .runs import Bench, Run, Setting, values
from .timing import run_timed

SEEKS = 10
STORED = ("plain", "rar5", "rar4")
FEW = {"par2": "few"}
PEER_GOALS = {"plain": 0.7, "rar5": 0.5, "rar4": 0.5, "par2": 0.8}


@dataclass(frozen=True)
class Row:
    """One figure: what was measured, and whether its median is as it should be. No goal: to compare with."""

    figure: str
    measured: Sequence[float]
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""
    """In place of what couldn't be measured."""

    @property
    def goal(self) -> str:
        if self.at_most is not None:
            return f"≤ {self.at_most:,g}{self.unit}"
        return f"≥ {self.at_least:,g}{self.unit}" if self.at_least is not None else ""

    @property
    def holds(self) -> bool | None:
        if not self.measured or (self.at_most is None and self.at_least is None):
            return None
        found = median(self.measured)
        return (self.at_most is None or found <= self.at_most) and (
            self.at_least is None or found >= self.at_least
        )


Rows = Iterator[Row]


def click(bench: Bench) -> Rows:
    """Scale from zero: Watch pressed, an instance started, the film's first byte at the player."""
    for rtt_ms in (30, 50):
        for packing in ("rar5", "rar4", "plain"):
            many = bench.runs if packing == "rar5" else bench.whole_runs
            runs = bench.clicks(Setting(packing, rtt_ms=rtt_ms), many)
            where = f"{LABELS[packing]}, {rtt_ms} ms"
            yield Row(f"click → first film byte, {where}", values(runs, _first_byte), " s", at_most=1.0)
            yield Row(
                f"the same ÷ (bare client + process start), {where}",
                values(runs, lambda run: run.seen.first_byte_s / (run.bare_click_s + run.process_start_s)),
                at_most=2.0,
            )
            yield Row(f"bare client, {where}", values(runs, lambda run: run.bare_click_s), " s")
    yield Row("an instance's process start", [run.process_start_s for _, run in bench.all_made()], " s")


def warm(bench: Bench) -> Rows:
    """The same with an instance that waits."""
    figure = "click → first film byte with a warm instance, stored RAR5, 30 ms"
    runs = bench.clicks(Setting("rar5", rtt_ms=30, warm=True), bench.runs)
    yield Row(figure, values(runs, _first_byte), " s")
    ratios = values(runs, lambda run: run.seen.first_byte_s / run.bare_click_s)
    yield Row(f"{figure} ÷ bare client", ratios, at_most=1.3)


def seek(bench: Bench) -> Rows:
    """Jumping about while it is fetched."""
    size_bytes, setting = bench.studio.size_bytes, Setting("rar5", rtt_ms=30)
    runs = [bench.click(setting, lambda film: film.seek(size_bytes, SEEKS)) for _ in range(bench.whole_runs)]
    yield Row(
        "seek while fetching → first byte ÷ round trip of one article, stored RAR5, 30 ms",
        [median(run.seen.seeks_s) / run.bare_article_s for run in runs if run.seen.seeks_s],
        at_most=1.5,
    )
    yield Row("seek while fetching → first byte", [s for run in runs for s in run.seen.seeks_s], " s")
    yield Row("round trip of one article", values(runs, lambda run: run.bare_article_s), " s")


def play(bench: Bench) -> Rows:
    """One player that takes the film as fast as it comes, from the click on."""
    size_bytes = bench.studio.size_bytes
    for rtt_ms in (0, 30, 50):
        setting = Setting("rar5", rtt_ms=rtt_ms)
        runs = [bench.click(setting, lambda film: film.play(size_bytes)) for _ in range(bench.whole_runs)]
        speeds = values(runs, lambda run: size_bytes / run.seen.play_s / 1e6)
        sinks = values(runs, lambda run: size_bytes / run.sink_s / 1e6)
        goal = min(1000.0, round(median(sinks) / 2))
        yield Row(f"play-out of a stored RAR5 while fetching, {rtt_ms} ms", speeds, " MB/s", at_least=goal)
        yield Row(
            f"the same ÷ receive-and-discard, {rtt_ms} ms",
            [a / b for a, b in zip(speeds, sinks, strict=True)],
        )


def ready(bench: Bench) -> Rows:
    """The whole film, checked and in the files store."""
    for connections in (8, 20):
        for packing in PACKINGS:
            setting = Setting(packing, connections, missing=FEW.get(packing, ""))
            runs = bench.clicks(setting, bench.whole_runs)
            where = f"{LABELS[packing]}, {connections} connections"
            found = values(runs, _ready)
            yield Row(f"click → ready, {where}", found, " s")
            yield from _beside_peers(bench, setting, found, where)


def _beside_peers(bench: Bench, setting: Setting, ours: Sequence[float], where: str) -> Rows:
    theirs: Mapping[str, list[float]] = {
        peer.name: [bench.peer(peer, setting) for _ in range(bench.whole_runs)] for peer in bench.peers
    }
    for name in ("SABnzbd", "NZBGet"):
        yield Row(f"{name}, {where}", theirs.get(name, []), " s", note="not installed")
    goal = PEER_GOALS[setting.packing]
    best = min((median(seconds) for seconds in theirs.values()), default=0.0)
    ratios = [seconds / best for seconds in ours] if best else []
    yield Row(f"click → ready ÷ the best of them, {where}", ratios, at_most=goal, note="no peer installed")


def throughput(bench: Bench) -> Rows:
    """How much of what the line and the machine give is used."""
    for connections in (8, 20):
        for packing in STORED:
            runs = bench.clicks(Setting(packing, connections), bench.whole_runs)
            ratios = values(runs, lambda run: run.sink_s / run.seen.ready_s)
            where = f"{LABELS[packing]}, {connections} connections"
            yield Row(f"receive-and-discard's time ÷ click → ready, {where}", ratios, at_least=0.5)
            yield Row(f"receive-and-discard, {where}", values(runs, lambda run: run.sink_s), " s")


def far(bench: Bench) -> Rows:
    """What a long line costs."""
    for packing in ("plain", "rar5"):
        near = median(values(bench.clicks(Setting(packing), bench.whole_runs), _ready))
        runs = bench.clicks(Setting(packing, rtt_ms=50), bench.whole_runs)
        ratios = values(runs, lambda run, near=near: near / run.seen.ready_s)
        yield Row(f"throughput at 50 ms ÷ at 0 ms, {LABELS[packing]}", ratios, at_least=0.9)


def cost(bench: Bench) -> Rows:
    """What an instance takes for it."""
    for packing in STORED:
        runs = bench.clicks(Setting(packing), bench.whole_runs)
        figure = f"CPU seconds per GiB of the whole instance, {LABELS[packing]}"
        yield Row(figure, values(runs, lambda run: run.cpu_s_per_gib), at_most=1.6)
        fetched = f"articles fetched ÷ needed, {LABELS[packing]}"
        yield Row(fetched, values(runs, lambda run: run.articles), at_most=1.01)
        tail = f"last article → ready, {LABELS[packing]}"
        yield Row(tail, values(runs, lambda run: run.tail_s), " s", at_most=0.5)
    peaks = [run.seen.peak_bytes / (1 << 20) for _, run in bench.all_made()]
    yield Row("peak memory of an instance, all runs (the median; see the most)", peaks, " MiB", at_most=256)


def mend(bench: Bench) -> Rows:
    """A post of which one article in a hundred is gone."""
    setting = Setting("par2", missing="percent")
    whole = bench.clicks(Setting("par2"), bench.whole_runs)
    mended = bench.clicks(setting, bench.whole_runs)
    par2_s: list[float] = []
    for _ in range(bench.whole_runs):
        folder = bench.work / "damaged"
        index = bench.damaged(setting, folder)
        par2_s.append(run_timed([par2_program(), "repair", "-q", "-q", index]))
        shutil.rmtree(folder)
    ideal_s = median(values(whole, _ready)) + median(par2_s)
    yield Row("click → ready, 1 % missing, RAR5 with 10 % par2", values(mended, _ready), " s")
    yield Row("the same post, nothing missing", values(whole, _ready), " s")
    yield Row("par2 alone, on the same holes", par2_s, " s")
    ratios = values(mended, lambda run: run.seen.ready_s / ideal_s)
    yield Row("mendable post: ready ÷ (download + par2's own time)", ratios, at_most=1.15)


FIGURES: Mapping[str, Callable[[Bench], Rows]] = {
    "click": click,
    "warm": warm,
    "seek": seek,
    "play": play,
    "ready": ready,
    "throughput": throughput,
    "far": far,
    "cost": cost,
    "mend": mend,
}


def _first_byte(run: Run) -> float:
    return run.seen.first_byte_s


def _ready(run: Run) -> float:
    return run.seen.ready_s
