"""What a list of releases costs: five indexers with a hundred releases each, from answers to choice.

`python -m tests.bench.choice` prints milliseconds of processor time by stage (the best of some runs). All
names differ and none is known from before, which is the worst case: usually indexers have the same releases.
"""

import hashlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from xml.sax.saxutils import quoteattr

import structlog

from libs.common.events import TitleRef
from services.indexer import candidates, choice
from services.indexer.basis import Basis
from services.indexer.feed import parse_feed
from services.indexer.found import sorted_out
from services.indexer.merging import merged
from services.indexer.offers import Origin

INDEXERS, ITEMS, RUNS = 5, 100, 12
GOAL_MS = 60
NOW = datetime(2026, 11, 20, tzinfo=UTC)
TITLE = TitleRef(
    key="tmdb:movie:7",
    movie_id=7,
    name="The Long Intermission",
    year=2024,
    imdb_id="tt9000001",
    runtime_min=112,
)
PARTS = (
    ("The.Long.Intermission.2024",) * 9 + ("Der.Lange.Film.2024",),
    ("",) * 6 + ("EXTENDED", "Directors.Cut", "GERMAN.DL", "MULTi", "PROPER", "Hybrid"),
    ("1080p", "1080p", "720p", "2160p", "480p"),
    ("BluRay", "WEB-DL", "AMZN.WEB-DL", "NF.WEBRip", "UHD.BluRay", "BluRay.REMUX", "HDTV", "DVDRip"),
    ("", "", "DD5.1", "DTS-HD.MA.5.1", "TrueHD.7.1.Atmos", "AAC2.0", "DDP5.1", "DTS"),
    ("",) * 6 + ("DV.HDR10", "HDR", "10bit"),
    ("x264", "H.264", "x265", "HEVC", "AVC", "XviD"),
)
GROUPS = ("FLUX", "NTb", "EVO")


def feeds_of(run: int) -> list[bytes]:
    """Each indexer's list; no name is in another run's, so that none is remembered."""
    random = Random(run)
    names = [
        ".".join(filter(None, map(random.choice, PARTS))) + f"-{random.choice(GROUPS)}{_letters(run, number)}"
        for number in range(INDEXERS * ITEMS)
    ]
    return [feed(number, names[number * ITEMS : (number + 1) * ITEMS]) for number in range(INDEXERS)]


def _letters(run: int, number: int) -> str:
    return "".join("abcdefghij"[int(digit)] for digit in f"{run:02}{number:03}")


def feed(indexer: int, titles: Sequence[str]) -> bytes:
    items = "".join(_item(indexer, number, title) for number, title in enumerate(titles))
    space = "http://www.newznab.com/DTD/2010/feeds/attributes/"
    return f'<rss xmlns:newznab="{space}"><channel>{items}</channel></rss>'.encode()


def _item(indexer: int, number: int, title: str) -> str:
    guid = hashlib.sha256(f"{indexer} {number}".encode()).hexdigest()[:32]
    url = f"http://i{indexer}.example/api?t=get&id={guid}&apikey=KEYOFINDEXER{indexer}"
    date = f"{NOW - timedelta(hours=number * 400):%a, %d %b %Y %H:%M:%S} +0000"
    told = {
        **{"category": 2040, "size": 700_000_000 + 90_000_000 * number, "files": 60, "poster": "a@b.example"},
        **{"group": "alt.binaries.movies", "grabs": 7 * number, "comments": 0, "password": 0},
        **{"usenetdate": date, "imdb": "9000001", "imdbscore": 7.1, "imdbyear": 2024, "guid": guid},
    }
    attributes = "".join(f'<newznab:attr name="{name}" value="{value}"/>' for name, value in told.items())
    return (
        f"<item><title>{title}</title><guid>http://i{indexer}.example/details/{guid}</guid>"
        f"<link>{url.replace('&', '&amp;')}</link><pubDate>{date}</pubDate><category>Movies</category>"
        f"<description>{title}</description><enclosure url={quoteattr(url)} length='5' type='x'/>"
        f"{attributes}</item>"
    )


def run(feeds: Sequence[bytes]) -> dict[str, float]:
    """Milliseconds by stage."""
    marks = [time.process_time()]
    items = [parse_feed(document) for document in feeds]
    marks.append(time.process_time())
    found = [sorted_out(several, origin(number)) for number, several in enumerate(items)]
    marks.append(time.process_time())
    ranks = {f"i{number}": (0, 0, number) for number in range(INDEXERS)}
    whole = merged([offer for one in found for offer in one.offers], ranks)
    basis = Basis(wanted="1080p", now=NOW, max_film_bytes=60 * 10**9, runtime_min=112, retention_days=4000)
    scored = candidates.scored(whole, basis, {})
    marks.append(time.process_time())
    choice.listed(scored)
    marks.append(time.process_time())
    stages = (
        "lists read",
        "names read, films told apart",
        "merged, held against rules, scored",
        "put in order",
    )
    return {stage: (end - begin) * 1e3 for stage, begin, end in zip(stages, marks, marks[1:], strict=False)}


def origin(number: int) -> Origin:
    url, key = f"http://i{number}.example", f"KEYOFINDEXER{number}"
    return Origin(indexer=f"i{number}", url=url, api_key=key, title=TITLE, form="id")


def main() -> None:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    best = min((run(feeds_of(number)) for number in range(RUNS)), key=lambda stages: sum(stages.values()))
    for stage, spent_ms in best.items():
        print(f"{stage:36} {spent_ms:6.1f} ms")
    print(f"{'all of it (goal: ' + str(GOAL_MS) + ' ms)':36} {sum(best.values()):6.1f} ms")


if __name__ == "__main__":
    main()
