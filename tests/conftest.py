"""What every test may use: a real nats-server, ready in some ten milliseconds."""

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog

from libs.common.bus import Bus
from libs.common.streams import provision
from tests.support.internet import Internet

# How long an example takes is the machine's business: what is slow is a benchmark, not a failure.
hypothesis.settings.register_profile("matinee", deadline=None)
hypothesis.settings.load_profile("matinee")

# Where these are set, pytest spells out how two long values differ: minutes for a file of a megabyte.
for name in ("CI", "BUILD_NUMBER"):
    os.environ.pop(name, None)

NATS_SERVER = Path(sys.executable).parent / "nats-server"


@pytest.fixture(autouse=True)
def _logs_as_they_come() -> Iterator[None]:
    """A command that a test runs in this process sets its logs up; the next test begins without."""
    yield
    structlog.reset_defaults()


class NatsServer:
    """A nats-server with its own directory; can be killed and started again on the same data and port."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = -1
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    def start(self) -> None:
        ports = self._directory / "ports"
        ports.mkdir(parents=True, exist_ok=True)
        for old in ports.iterdir():
            old.unlink()
        command = [
            NATS_SERVER,
            "-js",
            "-sd",
            self._directory / "js",
            "-a",
            "127.0.0.1",
            "-p",
            str(self._port),
        ]
        self._process = subprocess.Popen(
            [*command, "--ports_file_dir", ports], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while not (found := [p for p in ports.glob("*.ports") if p.stat().st_size]):
            assert time.monotonic() < deadline, "nats-server did not start"
            time.sleep(0.005)
        self._port = int(json.loads(found[0].read_text())["nats"][0].rpartition(":")[2])

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path / "nats")
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    bus = await Bus.connect(nats_server.url, "test")
    await provision(bus.js)
    yield bus
    await bus.close()


@pytest.fixture(scope="session")
def shared_internet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Internet]:
    internet = Internet(tmp_path_factory.mktemp("internet"), "--films", "few")
    yield internet
    internet.close()


@pytest.fixture
def internet(shared_internet: Internet) -> Iterator[Internet]:
    """The sandbox internet, healthy at the start of every test."""
    shared_internet.misbehave()
    yield shared_internet
    shared_internet.misbehave()
