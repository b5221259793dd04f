"""The downloaders that people use, headless, beside Matinee: SABnzbd 5 and NZBGet, if they are installed.

NZBGet is found on PATH (or named by NZBGET), SABnzbd by SABNZBD (its SABnzbd.py) and SABNZBD_PYTHON (a Python
that has its requirements). Both need unrar on PATH. Neither checks certificates nor asks for articles
beforehand; both have a cache of 500 MB.
"""

import base64
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import httpx

from libs.sandbox.packing import par2_program
from tests.support.box import free_port, wait_for

from .news import HOST
from .posts import Post

START_S = 30
PATIENCE_S = 120
LOOK_EVERY_S = 0.05
SETTLE_S = 1.0
"""Its start is not what is measured."""
CACHE_MB = 500
SAB_KEY = "0123456789abcdef0123456789abcdef"
READ_BYTES = 1 << 20


class Peer(Protocol):
    name: str

    def command(self, work: Path, news_port: int, connections: int) -> Sequence[object]: ...

    def version(self) -> object:
        """Raises an `httpx` error or ValueError as long as it isn't up."""
        ...

    def add(self, nzb: Path) -> None: ...

    def ended(self) -> bool | None:
        """Whether it went well; None while it is busy."""
        ...


def installed() -> list[Peer]:
    """Those that this machine has."""
    if not shutil.which("unrar"):
        return []
    found: list[Peer] = []
    sabnzbd, python = os.environ.get("SABNZBD"), os.environ.get("SABNZBD_PYTHON")
    if sabnzbd and python:
        found.append(Sabnzbd(Path(sabnzbd), Path(python)))
    nzbget = shutil.which(os.environ.get("NZBGET", "nzbget"))
    if nzbget:
        found.append(Nzbget(Path(nzbget)))
    return found


def fetch(peer: Peer, post: Post, nzb: bytes, work: Path, *, news_port: int, connections: int) -> float:
    """Seconds from handing over the NZB to the end of the peer's post-processing; its film is checked."""
    shutil.rmtree(work, ignore_errors=True)
    for folder in ("inter", "dest", "scripts"):
        (work / folder).mkdir(parents=True)
    document = work / f"{post.title}.nzb"
    document.write_bytes(nzb)
    environment = os.environ | {
        "HOME": str(work),
        "PATH": os.pathsep.join([str(par2_program().parent), os.environ["PATH"]]),
    }
    with (work / "output").open("wb") as output:
        process = subprocess.Popen(
            [*map(str, peer.command(work, news_port, connections))],
            cwd=work,
            env=environment,
            stdout=output,
            stderr=output,
        )
        try:
            wait_for(lambda: _is_up(peer), START_S, lambda: (work / "output").read_text()[-2000:])
            time.sleep(SETTLE_S)
            took_s = _through(peer, document)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    _check(work / "dest", post.film)
    shutil.rmtree(work)
    return took_s


def _is_up(peer: Peer) -> bool:
    try:
        return bool(peer.version())
    except (httpx.HTTPError, ValueError):
        return False


def _through(peer: Peer, document: Path) -> float:
    started = time.perf_counter()
    peer.add(document)
    while (well := peer.ended()) is None:
        assert time.perf_counter() - started < PATIENCE_S, f"{peer.name} did not end"
        time.sleep(LOOK_EVERY_S)
    took_s = time.perf_counter() - started
    assert well, f"{peer.name} failed"
    return took_s


def _check(folder: Path, film: Path) -> None:
    size_bytes = film.stat().st_size
    found = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size == size_bytes]
    assert found, f"no film in {folder}"
    with found[0].open("rb") as got, film.open("rb") as expected:
        while piece := expected.read(READ_BYTES):
            assert got.read(READ_BYTES) == piece, f"{found[0]} is not the film"


class Sabnzbd:
    name = "SABnzbd"

    def __init__(self, program: Path, python: Path) -> None:
        self._program, self._python = program, python
        self._port = free_port()
        self._http = httpx.Client(base_url=f"http://{HOST}:{self._port}", timeout=30)

    def command(self, work: Path, news_port: int, connections: int) -> Sequence[object]:
        settings = work / "sabnzbd.ini"
        settings.write_text(
            f"""__version__ = 19
[misc]
host = {HOST}
port = {self._port}
api_key = {SAB_KEY}
nzb_key = {SAB_KEY}
auto_browser = 0
check_new_rel = 0
download_dir = {work}/inter
complete_dir = {work}/dest
admin_dir = {work}/admin
log_dir = {work}/logs
cache_limit = {CACHE_MB}M
pre_check = 0
direct_unpack = 0
direct_unpack_tested = 1
propagation_delay = 0
enable_broadcast = 0
language = en
bandwidth_perc = 100
history_retention_option = all
ipv6_servers = 0
receive_threads = 2
host_whitelist = {HOST},localhost
config_conversion_version = 5
no_dupes = 0
[logging]
log_level = 0
[servers]
[[bench]]
name = bench
host = {HOST}
port = {news_port}
connections = {connections}
ssl = 1
ssl_verify = 0
enable = 1
timeout = 60
pipelining_requests = 2
"""
        )
        return [self._python, "-OO", self._program, "-b0", "-f", settings, "-l0"]

    def _ask(self, **query: Any) -> dict[str, Any]:
        answer = self._http.get("/api", params={"output": "json", "apikey": SAB_KEY, **query})
        return answer.raise_for_status().json()

    def version(self) -> object:
        return self._ask(mode="version").get("version")

    def add(self, nzb: Path) -> None:
        # 3: mend, unpack, and delete the archives.
        answer = self._ask(mode="addlocalfile", name=str(nzb), pp=3, priority=2)
        assert answer["status"], answer

    def ended(self) -> bool | None:
        slots = self._ask(mode="history", limit=1)["history"]["slots"]
        status = slots[0]["status"] if slots else ""
        return status == "Completed" if status in ("Completed", "Failed") else None


class Nzbget:
    name = "NZBGet"

    def __init__(self, program: Path) -> None:
        self._program = program
        self._port = free_port()
        self._http = httpx.Client(base_url=f"http://{HOST}:{self._port}", timeout=30)

    def command(self, work: Path, news_port: int, connections: int) -> Sequence[object]:
        options = {
            "MainDir": work,
            "DestDir": work / "dest",
            "InterDir": work / "inter",
            "NzbDir": work / "nzb",
            "QueueDir": work / "queue",
            "TempDir": work / "tmp",
            "ScriptDir": work / "scripts",
            "LockFile": work / "lock",
            "LogFile": work / "log",
            "WebDir": "",
            "ControlIP": HOST,
            "ControlPort": self._port,
            "ControlUsername": "",
            "ControlPassword": "",
            "OutputMode": "log",
            "Server1.Active": "yes",
            "Server1.Name": "bench",
            "Server1.Host": HOST,
            "Server1.Port": news_port,
            "Server1.Connections": connections,
            "Server1.Encryption": "yes",
            "Server1.Cipher": "",
            "Server1.JoinGroup": "no",
            "ArticleCache": CACHE_MB,
            "WriteBuffer": 1024,
            "DiskSpace": 0,
            "DupeCheck": "no",
            "HealthCheck": "None",
            "NzbDirInterval": 0,
            "CertCheck": "no",
            "ParCheck": "auto",
            "ParBuffer": 500,
            "Unpack": "yes",
            "DirectUnpack": "no",
            "UnrarCmd": shutil.which("unrar"),
            "UnpackCleanupDisk": "yes",
        }
        return [
            self._program,
            "-n",
            "-s",
            *(part for o in options.items() for part in ("-o", "=".join(map(str, o)))),
        ]

    def _call(self, method: str, *parameters: object) -> Any:
        answer = self._http.post("/jsonrpc", json={"method": method, "params": parameters})
        return answer.raise_for_status().json()["result"]

    def version(self) -> object:
        return self._call("version")

    def add(self, nzb: Path) -> None:
        document = base64.b64encode(nzb.read_bytes()).decode()
        # Name, content, category, priority, to the top, paused, dupe key, score, mode, parameters.
        assert self._call("append", nzb.name, document, "", 0, False, False, "", 0, "FORCE", []) > 0

    def ended(self) -> bool | None:
        history = self._call("history", False)
        return str(history[0]["Status"]).startswith("SUCCESS") if history else None
