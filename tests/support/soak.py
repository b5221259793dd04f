"""Many titles, from nothing to up to date, through the sandbox's TMDB: what that takes."""

import time
from pathlib import Path

import msgspec
import psutil

from libs.sandbox.faults import Faults, TmdbFaults
from libs.sandbox.sandbox import Sandbox
from tests.support.titles import FIRST, Clock, asked, is_title, keeper, title

PAGE = 20
LIMIT_OVER_RATE = 1.25
"""What TMDB allows, beside what we take: times differ a little at its end of the line."""
CHANGED = 25
HALF_A_DAY_S = 13 * 3600.0


class Soaked(msgspec.Struct, frozen=True, kw_only=True):
    titles: int
    list_pages: int
    """Of the three lists."""
    list_requests: int
    title_requests: int
    asked_twice: tuple[str, ...]
    """Titles."""
    other_requests: int
    """Neither a list's nor a title's."""
    seconds: float
    per_s: float
    grown_mib: float
    """From a quarter of the titles to all of them."""
    later_requests: int
    """Half a day later, of a catalog of which 25 titles were changed."""
    later_titles: int


async def soak(directory: Path, many: int, *, requests_per_s: int) -> Soaked:
    """Raises TmdbError if more is asked in a second than the sandbox allows, which is a quarter more."""
    async with Sandbox(directory / "sandbox", films=(), nntp_tls=False) as sandbox:
        for number in range(many):
            sandbox.programme.add(title(number))
        allowed = round(requests_per_s * LIMIT_OVER_RATE)
        sandbox.faults.set(Faults(tmdb=TmdbFaults(requests_per_s=allowed, retry_after_s=60)))
        clock = Clock(time.time())
        url, token = sandbox.tmdb_url, sandbox.tmdb_token
        async with keeper(
            url, token, directory, clock, requests_per_s=requests_per_s, list_pages=many // PAGE
        ) as house:
            began = time.monotonic()
            await house.refresh_lists()
            list_requests = sum(times for _, times in asked(sandbox, _is_list))
            await house.titles.seen([FIRST + number for number in range(many)])
            synced, early_bytes = 0, 0
            async for done in house.sync.sync_movies():
                synced += done
                early_bytes = early_bytes or (_memory_bytes() if synced >= many // 4 else 0)
            seconds, grown_bytes = time.monotonic() - began, _memory_bytes() - early_bytes
            of_titles = dict(asked(sandbox, is_title))
            before = sum(times for _, times in asked(sandbox))
            for number in range(CHANGED):
                sandbox.programme.add(title(number, name="Changed"))
            house.clock.now += HALF_A_DAY_S
            later_titles = await house.sync_movies()
            later = sum(times for _, times in asked(sandbox)) - before
    return Soaked(
        titles=synced,
        list_pages=3 * (many // PAGE),
        list_requests=list_requests,
        title_requests=sum(of_titles.values()),
        asked_twice=tuple(path for path, times in of_titles.items() if times > 1),
        other_requests=before - list_requests - sum(of_titles.values()),
        seconds=seconds,
        per_s=before / seconds,
        grown_mib=grown_bytes / 2**20,
        later_requests=later,
        later_titles=later_titles,
    )


def _memory_bytes() -> int:
    return psutil.Process().memory_info().rss


def _is_list(path: str) -> bool:
    return path in ("/3/movie/popular", "/3/movie/top_rated", "/3/trending/movie/week")
