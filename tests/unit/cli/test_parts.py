"""The small decisions of the command line."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from libs.cli import lifeline, supervisor
from libs.cli.broker import check_version
from libs.cli.demo import environment_for
from libs.cli.failure import CommandFailed
from libs.cli.fetch import choose
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
        "newznab_url": "http://127.0.0.1:1002",
        "newznab_api_key": "k",
        "nntp_host": "127.0.0.1",
        "nntp_port": 1003,
        "nntp_username": "u",
        "nntp_password": "p",
        "ca_file": "/tmp/ca.pem",
    }
    settings = load(None, environment_for(addresses))
    assert settings.tmdb.url == addresses["tmdb_url"]
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


def sleeper(lifeline_fd: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-S", lifeline.__file__, str(lifeline_fd), sys.executable, "-c"]
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    return subprocess.Popen([*command, program], stdout=subprocess.PIPE, pass_fds=(lifeline_fd,))


@pytest.mark.parametrize("how", ["pipe", "signal"])
def test_a_program_ends_with_its_lifeline(how: str) -> None:
    theirs, ours = os.pipe()
    with sleeper(theirs) as process:
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


def test_a_program_that_ends_by_itself_gives_its_code() -> None:
    theirs, ours = os.pipe()
    command = [
        sys.executable,
        "-S",
        lifeline.__file__,
        str(theirs),
        sys.executable,
        "-c",
        "raise SystemExit(7)",
    ]
    assert subprocess.run(command, pass_fds=(theirs,), check=False, timeout=30).returncode == 7
    os.close(theirs)
    os.close(ours)
