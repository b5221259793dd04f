"""The small decisions of the command line."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from libs.cli import lifeline, supervisor
from libs.cli.broker import check_version
from libs.cli.child import Child
from libs.cli.demo import environment_for
from libs.cli.failure import CommandFailed
from libs.cli.fetch import choose
from libs.cli.logfile import LogFile
from libs.cli.readiness import troubles
from libs.cli.replay import differences
from libs.cli.running import Ports, is_free, read_json, write_json
from libs.common import service
from libs.common.settings import load


@pytest.mark.parametrize(
    "told", ["nats-server: v2.12.0", "nats-server: v2.15.1\n", "nats-server: v3.0.0-RC.1"]
)
def test_a_new_enough_broker(told: str) -> None:
    check_version(told, Path("/nats-server"))


@pytest.mark.parametrize(
    ("told", "says"), [("nats-server: v2.11.9", "needs 2.12 or newer"), ("what?", "doesn't say which")]
)
def test_another_broker_is_refused(told: str, says: str) -> None:
    with pytest.raises(CommandFailed, match=says):
        check_version(told, Path("/nats-server"))


def test_ports_stay_unless_somebody_took_them(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    first, second = ports.of("a"), ports.of("b")
    assert first != second
    again = Ports(tmp_path / "ports.json")
    assert (again.of("a"), again.of("b")) == (first, second)
    with socket.create_server(("127.0.0.1", first)):
        assert not is_free("127.0.0.1", first)
        moved = Ports(tmp_path / "ports.json").of("a")
    assert moved not in (first, second)


def test_a_file_of_ports_that_is_damaged_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text('{"a": "x", ')
    assert Ports(tmp_path / "ports.json").of("a") > 0


def test_what_may_hold_secrets_is_for_this_user_alone(tmp_path: Path) -> None:
    write_json(tmp_path / "services.json", {"a": 1})
    write_json(tmp_path / "services.json", {"a": 2})
    assert read_json(tmp_path / "services.json") == {"a": 2}
    assert (tmp_path / "services.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["services.json"]


def movie(title: str, year: int | None) -> dict[str, Any]:
    return {"id": f"{title} {year}", "title": title, "year": year}


FOUND = [movie("Dune: Part Two", 2024), movie("Dune", 2021), movie("Dune", 1984)]


@pytest.mark.parametrize(
    ("title", "year", "chosen"),
    [("dune", None, "Dune 2021"), ("dune", 1984, "Dune 1984"), ("dun", None, "Dune: Part Two 2024")],
)
def test_which_film_is_meant(title: str, year: int | None, chosen: str) -> None:
    assert choose(FOUND, title, year)["id"] == chosen


def test_no_such_film_tells_what_there_is() -> None:
    with pytest.raises(
        CommandFailed, match=r'No film "dune" of 2000 was found. There is: Dune: Part Two \(2024\)'
    ):
        choose(FOUND, "dune", 2000)
    with pytest.raises(CommandFailed, match=r'No film "dune" was found.$'):
        choose([], "dune", None)


def test_the_sandbox_is_settings_that_load() -> None:
    addresses = {
        "tmdb_url": "http://127.0.0.1:1001",
        "tmdb_token": "t",
        "jikan_url": "http://127.0.0.1:1002/jikan",
        "newznab_url": "http://127.0.0.1:1002",
        "newznab_api_key": "k",
        "opensubtitles_url": "http://127.0.0.1:8/opensubtitles/api/v1",
        "opensubtitles_api_key": "texts-key",
        "nntp_host": "127.0.0.1",
        "nntp_port": 1003,
        "nntp_username": "u",
        "nntp_password": "p",
        "ca_file": "/tmp/ca.pem",
    }
    settings = load(None, environment_for(addresses))
    assert settings.tmdb.url == addresses["tmdb_url"]
    assert settings.jikan.url == addresses["jikan_url"]
    [indexer], [server] = settings.indexers, settings.usenet
    assert (indexer.kind, indexer.url, indexer.api_key) == ("newznab", "http://127.0.0.1:1002", "k")
    assert (server.host, server.port, server.tls, server.ca_file) == ("127.0.0.1", 1003, True, "/tmp/ca.pem")


def test_differences_of_two_files_are_told_by_row() -> None:
    same = {"applied": {("JOBS", 3)}, "ledger": {("a", 1), ("b", 2)}}
    assert list(differences(same, same)) == []
    other = same | {"ledger": {("a", 1), ("b", 3)}}
    assert list(differences(same, other)) == [
        "ledger: only the service has ('b', 2)",
        "ledger: only the log gives ('b', 3)",
    ]
    many = same | {"ledger": {(str(n), n) for n in range(100)}}
    assert list(differences(same, many))[-1].endswith("more")


def python(lifeline_fd: int, directory: Path, program: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-S", lifeline.__file__, str(lifeline_fd), directory]
    return subprocess.Popen(
        [*command, sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(lifeline_fd,),
    )


SLEEPER = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("how", ["pipe", "signal"])
def test_a_program_ends_with_its_lifeline(tmp_path: Path, how: str, blocking: bool) -> None:
    theirs, ours = os.pipe()
    os.set_blocking(theirs, blocking)
    with python(theirs, tmp_path, SLEEPER) as process:
        os.close(theirs)
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        ends = {"pipe": lambda: os.close(ours), "signal": lambda: process.send_signal(signal.SIGTERM)}
        ends[how]()
        assert process.wait(10) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_lifeline_is_named_as_the_services_read_it() -> None:
    assert supervisor.LIFELINE == service.LIFELINE


@pytest.fixture
def pipe() -> Iterator[int]:
    theirs, ours = os.pipe()
    yield theirs
    os.close(theirs)
    os.close(ours)


def test_a_program_that_ends_by_itself_gives_its_code(tmp_path: Path, pipe: int) -> None:
    with python(pipe, tmp_path / "made", "raise SystemExit(7)") as process:
        assert process.wait(30) == 7


def test_a_program_holds_its_directory_even_without_its_watcher(tmp_path: Path, pipe: int) -> None:
    with python(pipe, tmp_path, SLEEPER) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
    with python(pipe, tmp_path, "print('two at once')") as second:
        said = second.communicate(timeout=30)
    os.kill(pid, signal.SIGKILL)
    assert (second.returncode, said) == (
        1,
        (b"", f"{tmp_path} can't be used: another program still works there\n".encode()),
    )
    with python(pipe, tmp_path, "print('alone')") as third:
        assert third.communicate(timeout=30) == (b"alone\n", b"")


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answers: ClassVar[dict[str, tuple[int, dict[str, Any]]]] = {
        "/version": (200, {"service": "janitor"}),
        "/readyz": (503, {"reasons": ["it sweeps"]}),
    }

    def do_GET(self) -> None:
        status, answer = self.answers[self.path]
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


async def test_whoever_answers_must_be_the_one_that_is_meant() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            assert await troubles("janitor", url) == ["it sweeps"]
            assert await troubles("catalog", url) == [f"another program answers at {url}"]
        finally:
            server.shutdown()
            thread.join()
    assert await troubles("janitor", url) == ["it doesn't answer yet"]


async def test_a_child_that_could_not_be_started_is_tried_again(tmp_path: Path) -> None:
    said: list[str] = []
    logs = tmp_path / "logs"
    logs.write_text("where the folder should be")
    theirs, ours = os.pipe()
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    child = Child("one", command, {}, LogFile(logs / "one.log"), lifeline=theirs, say=said.append)
    child.start()
    async with asyncio.timeout(20):
        while not said:
            await asyncio.sleep(0.01)
        assert (child.pid, child.deaths) == (None, 1)
        assert said == ["one can't be started (File exists); trying again."]
        logs.unlink()
        while child.pid is None:
            await asyncio.sleep(0.01)
    await child.stop()
    os.close(theirs)
    os.close(ours)
