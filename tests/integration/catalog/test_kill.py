"""A catalog that is killed in the middle of a run, for real."""

import asyncio
import sys
import time
from pathlib import Path

from libs.sandbox.sandbox import Sandbox
from services.catalog.sync import AT_ONCE
from tests.support.titles import FIRST, Clock, asked, is_title, keeper, title

MANY = 400
DEADLINE_S = 30.0
RUN = """
import asyncio, sys, time
from pathlib import Path
from tests.support.titles import Clock, keeper

async def run(url, token, directory):
    async with keeper(url, token, Path(directory), Clock(time.time()), requests_per_s=200) as house:
        await house.sync_movies()

asyncio.run(run(*sys.argv[1:]))
"""


async def test_after_a_kill_only_what_was_under_way_is_asked_for_again(tmp_path: Path) -> None:
    async with Sandbox(tmp_path / "sandbox", films=(), nntp_tls=False) as sandbox:
        for number in range(MANY):
            sandbox.programme.add(title(number))
        where = (sandbox.tmdb_url, sandbox.tmdb_token, tmp_path)
        async with keeper(*where, Clock(time.time())) as house:
            await house.titles.seen([FIRST + number for number in range(MANY)])
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", RUN, *map(str, where), stdout=asyncio.subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(DEADLINE_S):
                while _titles_asked(sandbox) < MANY // 3:
                    await asyncio.sleep(0.005)
        finally:
            child.kill()
            await child.wait()
        before = _titles_asked(sandbox)
        assert before < MANY
        async with keeper(*where, Clock(time.time())) as house:
            done = await house.sync_movies()
            assert (await house.titles.count()).stored == MANY
        assert MANY - before <= done <= MANY - before + AT_ONCE
        assert _titles_asked(sandbox) == before + done


def _titles_asked(sandbox: Sandbox) -> int:
    return sum(times for _, times in asked(sandbox, is_title))
