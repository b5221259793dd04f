"""Two thousand titles; ten thousand are `make bench`'s."""

from pathlib import Path

from tests.support.soak import CHANGED, soak

MANY = 2_000
GROWN_MIB = 12.0
"""The sandbox counts two thousand addresses in the same process; the catalog's titles alone have 8 MiB."""


async def test_every_title_takes_one_request_and_no_memory(tmp_path: Path) -> None:
    soaked = await soak(tmp_path, MANY, requests_per_s=400)
    assert soaked.list_requests == soaked.list_pages
    assert soaked.titles >= MANY
    assert soaked.title_requests == soaked.titles
    assert soaked.asked_twice == ()
    # Genres, a page of each, and where images lie.
    assert soaked.other_requests == 1 + 18 + 1
    assert soaked.later_titles == CHANGED
    assert soaked.later_requests == 1 + CHANGED
    assert soaked.grown_mib < GROWN_MIB
