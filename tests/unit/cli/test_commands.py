"""What a person gets who types something."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from libs.cli.main import SERVICES, main
from libs.cli.up import at_port
from libs.common import settings


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with no settings, and no MATINEE_ variable."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[gateway]\nprot = 1", "gateway.prot is not a setting. Did you mean port?"),
        ('[gateway]\nport = "http"', "gateway.port"),
        ('[gateway]\nmode = "open"', "gateway.mode can be owner | accounts"),
        ("data_dir = ", "is not valid TOML"),
        ('[storage]\nkind = "s3"', "storage.endpoint is needed"),
        ("[retention]\nunwatched_days = -1", "must be between 0 and 3,650"),
        ('secret = "file:missing"', "which can't be read"),
        ('[[usenet]]\nhost = "news.example.com"\ntls = false', "in the clear"),
        ("[gateway]\nport = 70000", "gateway.port must be between 1 and 65,535"),
    ],
)
def test_wrong_settings_are_named_and_nothing_starts(
    nowhere: Path, capsys: pytest.CaptureFixture[str], toml: str, says: str
) -> None:
    (nowhere / "matinee.toml").write_text(toml)
    assert main(["up"]) == 2
    assert says in capsys.readouterr().err
    assert [path.name for path in nowhere.iterdir()] == ["matinee.toml"]


def test_a_port_that_is_none_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATINEE_CATALOG_PORT", "abc")
    assert main(["up"]) == 2
    assert "MATINEE_CATALOG_PORT must be a port, 0 to 65535, not 'abc'." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["up"], "Port {0} of 127.0.0.1 is in use by another program: stop that, or set another MATINEE_CAT"),
        (
            ["service", "catalog"],
            "The catalog service can't run: Matinee can't listen on 127.0.0.1, port {0}: Address already",
        ),
    ],
)
def test_a_services_port_in_use_is_said(nowhere: Path, command: list[str], says: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment = {"MATINEE_CATALOG_PORT": str(port), "MATINEE_NATS_URL": "nats://127.0.0.1:9"}
        ended = subprocess.run(
            [sys.executable, "-m", "libs.cli.main", *command, "--data", nowhere / "data"],
            cwd=Path(settings.__file__).parents[2],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(says.format(port))
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("public_url", "followed"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:9000"),
        ("http://localhost/films", "http://localhost:9000/films"),
        ("http://[::1]:8080", "http://[::1]:9000"),
        ("https://films.example.org", "https://films.example.org"),
        ("http://192.168.1.2:8080", "http://192.168.1.2:8080"),
    ],
)
def test_a_public_address_here_follows_the_port(public_url: str, followed: str) -> None:
    assert at_port(settings.Settings(public_url=public_url), 9000).public_url == followed


def test_a_named_file_must_be_there(nowhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--config", "owner.toml"]) == 2
    assert "There is no settings file at owner.toml." in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["fetsch"], ["service", "cook"], ["fetch"], ["up", "--port", "x"]])
def test_wrong_use_is_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: matinee" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["explain", "../x"], "'../x' can't be the id of a job"),
        (["explain", "jobs.>"], "can't be the id of a job"),
        (["explain", ""], "can't be the id of a job"),
        (["fetch", " "], "Name the film"),
    ],
)
def test_what_can_be_nothing_is_wrong_use(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert says in capsys.readouterr().err


def test_config_shows_what_counts_and_hides_secrets(
    nowhere: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (nowhere / "matinee.toml").write_text('[tmdb]\ntoken = "very-secret"\n[gateway]\nport = 9000')
    monkeypatch.setenv("MATINEE_GATEWAY_PORT", "9001")
    assert main(["config", "--json"]) == 0
    shown = capsys.readouterr().out
    assert json.loads(shown)["gateway"]["port"] == 9001
    assert "very-secret" not in shown


def test_parse_gives_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["The.Matrix.1999.1080p.BluRay.x264-GROUP", "Show.S01E02.720p.HDTV-X"]
    assert main(["parse", "--json", *names]) == 0
    movie, episode = map(json.loads, capsys.readouterr().out.splitlines())
    expected = {
        "title": "The Matrix",
        "year": 1999,
        "resolution": "1080p",
        "source": "BluRay",
        "season": None,
    }
    assert expected.items() <= movie.items()
    assert {"title": "Show", "season": 1, "episodes": [2], "group": "X"}.items() <= episode.items()
    fields = "title year season episodes absolute date resolution source codec bit_depth hdr audio channels"
    assert set(fields.split()) | {"languages", "edition", "group", "flags"} == set(movie)


def test_parse_reads_lines_and_tells_only_what_a_name_says() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "libs.cli.main", "parse"],
        input=b"The.Matrix.1999.1080p\n\xff\xfe odd bytes\n",
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert "year       1999" in process.stdout.decode()
    assert "edition" not in process.stdout.decode()


@pytest.mark.parametrize("service", ["catalog", "downloader"])
def test_what_has_no_projection_says_so(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", service]) == 0
    assert "can be deleted any time" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["explain", "job_1_a"], ["service", "janitor"], ["replay", "janitor"], ["instance"]]
)
def test_without_a_broker_it_is_said_how_to_start_one(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert "start it by `matinee up`" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["jobs"], ["fetch", "The Matrix"]])
def test_without_a_gateway_it_is_said_how_to_start_one(
    nowhere: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (nowhere / "matinee.toml").write_text("[gateway]\nport = 9")
    assert main(arguments) == 1
    assert "start Matinee by `matinee up`" in capsys.readouterr().err


def test_the_services_are_those_of_the_settings() -> None:
    assert SERVICES == settings.SERVICES


def test_help_is_quick_because_it_imports_nothing() -> None:
    program = "import sys; from libs.cli.main import main; main(['config', '--help'])"
    probe = f"import atexit, sys; atexit.register(lambda: print('msgspec' in sys.modules)); {program}"
    shown = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=30
    )
    assert shown.stdout.splitlines()[-1] == "False"
