"""`matinee up`, as a process of its own: it starts everything, keeps it running, leaves nothing behind."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from libs.cli import lifeline
from tests.support.s3_server import free_port

MATINEE = (sys.executable, "-m", "libs.cli.main")
START_S = 60.0
SERVICES = {"catalog", "indexer", "downloader", "streamer", "janitor"}


class Up:
    """A running `matinee up` on a data directory."""

    def __init__(self, data: Path, port: int, *arguments: str) -> None:
        self.data = data
        data.mkdir(exist_ok=True)
        # Two of them may be on the same directory.
        self._output = data.parent / f"output-{port}-{time.monotonic_ns()}.txt"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MATINEE_")}
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "libs.cli.main",
                    "up",
                    "--data",
                    data,
                    "--port",
                    str(port),
                    *arguments,
                ],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self._output.read_text()

    def entry(self, name: str) -> dict[str, Any]:
        try:
            return json.loads((self.data / "run" / "services.json").read_text()).get(name) or {}
        except FileNotFoundError:
            return {}

    def is_ready(self, name: str) -> bool:
        url = self.entry(name).get("url")
        if not url or not self.entry(name).get("pid"):
            return False
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=3)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def wait(self, *names: str) -> None:
        eventually(lambda: all(map(self.is_ready, names)), START_S)

    def left_running(self) -> list[str]:
        """Command lines of every process that works for this directory."""
        found: list[str] = []
        for process in psutil.process_iter(["cmdline"]):
            command = " ".join(process.info["cmdline"] or [])
            if str(self.data) in command and "pytest" not in command.split()[:3]:
                found.append(command)
        return found


def eventually(check: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@contextmanager
def up(data: Path, port: int, *arguments: str) -> Generator[Up]:
    running = Up(data, port, *arguments)
    try:
        yield running
    except BaseException:
        print(running.said)
        raise
    finally:
        if running.process.poll() is None:
            running.process.terminate()
            try:
                running.process.wait(20)
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_everything_starts_is_announced_once_and_stops(data: Path) -> None:
    port = free_port()
    with up(data, port) as running:
        eventually(lambda: "Matinee is ready" in running.said, START_S)
        assert running.said.splitlines() == [f"Matinee is ready: http://127.0.0.1:{port}"]
        assert all(running.is_ready(name) for name in SERVICES)
        assert running.entry("streamer")["port"] == port
        assert running.entry("nats")["url"].startswith("nats://")
        processes = [psutil.Process(running.entry(name)["pid"]) for name in SERVICES]
        commands = {" ".join(process.cmdline()) for process in processes}
        assert {command.partition(" service ")[2].split()[0] for command in commands} == SERVICES
        asked = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(7) == 0
        assert time.monotonic() - asked < 7
        assert running.left_running() == []
        assert not (data / "run" / "services.json").exists()
    made = list(data.rglob("*"))
    assert {path.name for path in made} >= {"streamer.sqlite3", "nats.log", "nats.conf", "jetstream"}
    assert [path for path in made if path.stat().st_mode & 0o077] == []


def test_the_gateway_may_listen_on_ipv6(data: Path) -> None:
    data.mkdir()
    config = data / "matinee.toml"
    config.write_text('[gateway]\nhost = "::1"\n')
    with up(data, port := free_port(), "--config", str(config)) as running:
        eventually(lambda: f"Matinee is ready: http://[::1]:{port}" in running.said, START_S)
        assert running.is_ready("streamer")


def test_a_second_one_on_the_same_directory_is_refused(data: Path) -> None:
    with up(data, free_port()) as first:
        first.wait("janitor")
        with up(data, port := free_port()) as second:
            assert second.process.wait(10) == 1
            assert second.said.startswith(f"Matinee is already running on {data} (pid {first.process.pid}, ")
            assert str(port) not in second.said
        assert first.is_ready("janitor")


@pytest.mark.parametrize("name", ["janitor", "nats"])
def test_what_dies_is_started_again_where_it_was(data: Path, name: str) -> None:
    with up(data, free_port()) as running:
        running.wait("janitor")
        before = running.entry(name)
        os.kill(before["pid"], signal.SIGKILL)
        eventually(lambda: running.entry(name).get("pid") not in (None, before["pid"]), 20)
        running.wait("janitor")
        assert running.entry(name)["url"] == before["url"]
        assert f"{name} ended" in running.said


def test_a_broker_whose_watcher_is_killed_is_replaced_not_doubled(data: Path) -> None:
    with up(data, free_port()) as running:
        running.wait("janitor")
        url = running.entry("nats")["url"]
        nats = psutil.Process(running.entry("nats")["pid"])
        watcher = nats.parent()
        assert watcher is not None
        watcher.kill()
        eventually(lambda: not nats.is_running() or nats.status() == psutil.STATUS_ZOMBIE, 5)
        eventually(lambda: running.entry("nats").get("pid") not in (None, nats.pid), 20)
        running.wait("janitor")
        assert running.entry("nats")["url"] == url
        assert "address already in use" not in (data / "logs" / "nats.log").read_text()


def test_a_store_that_another_broker_works_on_is_left_alone(data: Path) -> None:
    store = data / "nats"
    theirs, ours = os.pipe()
    program = "import time; print(flush=True); time.sleep(60)"
    command = [sys.executable, lifeline.__file__, str(theirs), store, sys.executable, "-c", program]
    with subprocess.Popen(command, pass_fds=(theirs,), stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        with up(data, free_port()) as running:
            assert running.process.wait(20) == 1
            assert running.said.startswith(f"Another nats-server works on {store}, and two would ruin it")
        os.close(ours)
    os.close(theirs)


def test_a_broker_that_ran_out_of_disk_is_started_again_when_there_is_room(data: Path) -> None:
    with up(data, free_port()) as running:
        running.wait("janitor")
        before = running.entry("nats")["pid"]
        with (data / "logs" / "nats.log").open("a") as log:
            log.write("[1] 2026/01/01 [ERR] JetStream Critical write error: no space left on device\n")
        eventually(lambda: running.entry("nats").get("pid") not in (None, before), 20)
        running.wait("janitor")
        assert running.said.count("ran out of disk; there is room again") == 1


def test_a_killed_supervisor_leaves_nothing_and_the_data_can_be_used(data: Path) -> None:
    port = free_port()
    with up(data, port) as running:
        running.wait("janitor")
        nats_url = running.entry("nats")["url"]
        running.process.kill()
        running.process.wait()
        eventually(lambda: running.left_running() == [], 5)
    with up(data, port) as again:
        again.wait("janitor")
        assert again.entry("nats")["url"] == nats_url


def test_what_a_killed_supervisor_left_is_ended_by_the_next(data: Path) -> None:
    port = free_port()
    with up(data, port) as running:
        running.wait("janitor")
        nats = psutil.Process(running.entry("nats")["pid"])
        watcher = nats.parent()
        assert watcher is not None
        # Without the process that watches the lifeline, the server doesn't notice.
        watcher.suspend()
        running.process.kill()
        running.process.wait()
        watcher.kill()
        with up(data, port) as again:
            eventually(lambda: "it left running has been ended" in again.said, 20)
            assert not nats.is_running() or nats.status() == psutil.STATUS_ZOMBIE
            again.wait("janitor")


def test_a_port_in_use_is_said(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with up(data, port) as running:
            assert running.process.wait(10) == 1
            assert running.said == (
                f"Port {port} of 127.0.0.1 is in use by another program: stop that, "
                "or name another port by --port.\n"
            )


def test_a_broker_that_cannot_start_is_told_with_its_last_words(data: Path) -> None:
    data.mkdir()
    (data / "nats").mkdir()
    (data / "nats" / "jetstream").write_text("where the store should be")
    with up(data, free_port()) as running:
        assert running.process.wait(30) == 1
        last = running.said.splitlines()[-1]
        assert last.startswith("nats-server did not start. Its last words: ")
        assert "not a directory" in last
        assert "Traceback" not in running.said
        assert running.left_running() == []


def test_the_last_words_of_a_service_say_what_is_wrong(data: Path) -> None:
    data.mkdir()
    (data / "db").write_text("where the databases should be")
    with up(data, free_port()) as running:
        words = f"Its last words: The janitor service can't run: {data / 'db'}: File exists"
        eventually(lambda: words in running.said, 30)
        assert "Traceback" not in running.said


def test_a_store_that_cannot_be_is_said(data: Path) -> None:
    data.mkdir()
    (data / "nats").write_text("where the store should be")
    with up(data, free_port()) as running:
        assert running.process.wait(30) == 1
        assert running.said == (
            f"nats-server can't keep its log in {data / 'nats'}: File exists. "
            "Move away what is there, or use another --data.\n"
        )


def test_a_broker_of_the_owners_own_is_used(data: Path, nats_server: Any) -> None:
    data.mkdir()
    config = data / "matinee.toml"
    config.write_text(f'[nats]\nurl = "{nats_server.url}"\n')
    with up(data, free_port(), "--config", str(config)) as running:
        running.wait("janitor")
        assert running.entry("nats") == {"pid": None, "url": nats_server.url}
        assert not (data / "nats").exists()
