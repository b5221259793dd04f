"""An installation without services: its log, its store, and instances started by hand."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from libs.common import events as e
from libs.common.bus import Bus
from libs.common.joblog import job_state
from libs.common.jobs import JobState, Phase, event_id
from tests.conftest import NatsServer
from tests.support.internet import Internet, Offer

TITLE = e.TitleRef(key="tmdb:movie:900001", movie_id=900001, name="The Long Intermission", year=2024)
PLAIN = "Paper.Lanterns.2023.1080p.WEB-DL.DDP5.1.H.264-LANTERNA"
PACKED = "The.Long.Intermission.2024.1080p.WEB-DL.DDP5.1.H.264-LANTERNA"
JOB = "job_1_00"


class Box:
    """One installation: its data directory, its log, and instances started by hand."""

    def __init__(self, data: Path, bus: Bus, nats: NatsServer, internet: Internet) -> None:
        self.data = data
        self.bus = bus
        self.internet = internet
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("MATINEE_")},
            **internet.environment(),
            "MATINEE_NATS_URL": nats.url,
            "MATINEE_DATA_DIR": str(data),
        }
        self.processes: list[asyncio.subprocess.Process] = []

    def offer(self, title: str) -> Offer:
        [found] = [o for o in self.internet.offers() if o.title == title]
        return found

    async def queue(self, title: str, attempt: int = 1, job_id: str = JOB, **changes: Any) -> None:
        offer = self.offer(title)
        key = self.internet.addresses["newznab_api_key"]
        pick = e.Candidate(
            release_id=f"rel_{offer.id}",
            title=title,
            indexer="Sandbox",
            nzb_url=offer.link.replace(key, "{api_key}"),
            size_bytes=offer.size_bytes,
            age_days=0,
            quality="1080p",
            score=e.Score(total=1.0),
        )
        queued = e.Queued(
            id=event_id(job_id, "queued", attempt),
            at=datetime.now(UTC),
            job_id=job_id,
            attempt=attempt,
            pick=pick,
            title=TITLE,
        )
        await self.bus.publish(queued)

    async def start(self, **environment: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "libs.cli.main",
            "instance",
            env={**self.environment, **environment},
            stderr=asyncio.subprocess.PIPE,
        )
        self.processes.append(process)
        return process

    async def close(self) -> None:
        """Ends every instance that still runs."""
        for process in self.processes:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def run(self, **environment: str) -> str:
        """An instance from its start to its end; what it logged."""
        process = await self.start(**environment)
        async with asyncio.timeout(60):
            _, said = await process.communicate()
        assert process.returncode == 0, said.decode()
        return said.decode()

    async def state(self, job_id: str = JOB) -> JobState:
        return await job_state(self.bus, job_id)

    async def until(self, phase: Phase, job_id: str = JOB) -> JobState:
        async with asyncio.timeout(60):
            while (state := await self.state(job_id)).phase is not phase:
                await asyncio.sleep(0.02)
            return state

    def stored(self) -> dict[str, bytes]:
        store = self.data / "store"
        files = [p for p in store.rglob("*") if p.is_file()]
        return {str(p.relative_to(store)): p.read_bytes() for p in files}

    def scratch(self) -> list[Path]:
        scratch = self.data / "scratch"
        return list(scratch.iterdir()) if scratch.exists() else []
