"""A whole Matinee as its owner runs it: `matinee up`, and the HTTP API from outside."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

PASSWORD = "correct horse battery"
MOVIES = "/api/movies-on-demand"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class RunningBox:
    """`matinee up` on a data directory. Signed in as the owner once `sign_in` was called."""

    def __init__(self, data: Path, environment: dict[str, str], *arguments: str) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        ours = {k: v for k, v in os.environ.items() if not k.startswith("MATINEE_")}
        self._environment = {**ours, **environment}
        self._arguments = arguments
        self._process: subprocess.Popen[str] | None = None
        self._http = httpx.Client(base_url=self.url, timeout=30)

    # Its life ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Returns when it says that it is ready."""
        command = [sys.executable, "-m", "libs.cli.main", "up", "--data", self.data, "--port", str(self.port)]
        self.data.mkdir(parents=True, exist_ok=True)
        output = self.data / "up.log"
        with output.open("w") as file:
            self._process = subprocess.Popen(
                [*command, *self._arguments], env=self._environment, stdout=file, stderr=file, text=True
            )
        wait_for(lambda: "Matinee is ready" in output.read_text(), 60, lambda: output.read_text())

    @property
    def process(self) -> psutil.Process:
        assert self._process
        return psutil.Process(self._process.pid)

    def stop(self) -> int:
        """As Ctrl-C does; the exit code."""
        assert self._process
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(15)

    def kill_tree(self) -> None:
        """kill -9 of every process of it, instances included."""
        tree = [self.process, *self.process.children(recursive=True), *self.instances()]
        for process in tree:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(tree, timeout=5)
        assert self._process
        self._process.wait(5)

    def close(self) -> None:
        self._http.close()
        if self._process and self._process.poll() is None:
            self.kill_tree()

    def services(self) -> dict[str, Any]:
        return json.loads((self.data / "run" / "services.json").read_text())

    def kill(self, service: str) -> None:
        os.kill(self.services()[service]["pid"], signal.SIGKILL)

    def instances(self) -> list[psutil.Process]:
        """The download instances of this box."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            try:
                if process.cmdline()[-1:] == ["instance"] and process.environ().get(
                    "MATINEE_DATA_DIR"
                ) == str(self.data):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, IndexError):
                continue
        return found

    # Its API ----------------------------------------------------------------------------------------------

    def sign_in(self) -> None:
        answer = self._http.post("/auth/setup", json={"password": PASSWORD})
        if answer.status_code == 409:
            answer = self._http.post("/auth/login", json={"password": PASSWORD})
        answer.raise_for_status()
        self._http.cookies.clear()
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    @property
    def headers(self) -> httpx.Headers:
        """What tells it that it is the owner who asks."""
        return self._http.headers

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        return self._http.get(f"{MOVIES}{path}", params=parameters)

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self._http.post(f"{MOVIES}{path}", json=body)

    def fetch(self, movie_id: int, **more: Any) -> str:
        """Press Watch; the job's id."""
        answer = self.post(f"/movies/{movie_id}/fetch", mode="auto", **more)
        assert answer.status_code in (200, 202), answer.text
        return answer.json()["job_id"]

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as the API tells it now; waits while the gateway is being started again."""

        def ask() -> dict[str, Any] | None:
            try:
                answer = self.get(f"/jobs/{job_id}")
            except httpx.TransportError:
                return None
            return answer.json() if answer.status_code == 200 else None

        return wait_for(ask, 20)

    def until(self, job_id: str, status: str, timeout_s: float = 90) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            job = self.job(job_id)
            assert job["status"] != "error" or status == "error", job["error_message"]
            return job if job["status"] == status else None

        return wait_for(reached, timeout_s, lambda: self.job(job_id))

    def film(self, job_id: str) -> bytes:
        """The published film, as a player gets it."""
        answer = self.get(f"/movies/{job_id}/stream")
        assert answer.status_code == 200, answer.text
        return httpx.get(answer.json()["url"], timeout=60).raise_for_status().content

    def stored(self) -> set[str]:
        store = self.data / "store"
        return {str(p.relative_to(store)) for p in store.rglob("*") if p.is_file()}

    def scratch(self) -> list[str]:
        scratch = self.data / "scratch"
        return [p.name for p in scratch.iterdir()] if scratch.exists() else []

    def log(self, service: str) -> str:
        path = self.data / "logs" / f"{service}.log"
        return path.read_text() if path.exists() else ""


def wait_for(
    look: Callable[[], Any], timeout_s: float, tell: Callable[[], Any] = lambda: "nothing to tell"
) -> Any:
    """What `look` gives as soon as it is true."""
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {tell()}"
        time.sleep(0.03)
    return found


def synthetic_film(path: Path, size_bytes: int, seed: int = 1) -> bytes:
    """A file that begins as a Matroska film does; what follows is noise that no two places share."""
    block = bytes((seed + i * 7) % 251 for i in range(4096))
    with path.open("wb") as file:
        file.write(b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08")
        file.write(b"\x42\x82\x88matroska\x42\x87\x81\x04\x42\x85\x81\x02")
        number = 0
        while file.tell() < size_bytes:
            number += 1
            file.write(number.to_bytes(8, "big") + block[8:])
        file.truncate(size_bytes)
    return path.read_bytes()
