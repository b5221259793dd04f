"""Ten thousand titles, from an empty catalog to an up-to-date one, and the day after."""

import asyncio
import logging
import time
from collections.abc import Iterator

import structlog

from tests.support.soak import Soaked, soak

from .figures import Row
from .runs import Bench

MANY = 10_000
REQUESTS_PER_S = 400
"""Ten times what TMDB likes: how much is asked is the figure, not how long one must wait in between."""


def titles(bench: Bench) -> Iterator[Row]:
    """The sandbox's TMDB runs in the same process, and its memory counts."""
    # A line for each of ten thousand requests says nothing here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    directory = bench.work / "titles"
    directory.mkdir()
    cpu_s = time.process_time()
    soaked = asyncio.run(soak(directory, MANY, requests_per_s=REQUESTS_PER_S))
    cpu_s = time.process_time() - cpu_s
    structlog.reset_defaults()
    yield from _rows(soaked, cpu_s)


def _rows(soaked: Soaked, cpu_s: float) -> Iterator[Row]:
    requests = soaked.list_requests + soaked.title_requests + soaked.other_requests
    yield Row(f"{MANY:,} titles: requests a title", [soaked.title_requests / soaked.titles], at_most=1.0)
    yield Row("the same: requests a page of a list", [soaked.list_requests / soaked.list_pages], at_most=1.0)
    yield Row("the same: memory of the last three quarters", [soaked.grown_mib], " MiB", at_most=16.0)
    yield Row("the same: CPU a request, both ends", [1000 * cpu_s / requests], " ms")
    yield Row(
        f"half a day later, {soaked.later_titles} titles changed: requests",
        [soaked.later_requests],
        at_most=soaked.later_titles + 2,
    )
