"""Everything of one machine as child processes: the broker, the five services, in a demo the sandbox."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from libs.cli.broker import Broker
from libs.cli.child import Child
from libs.cli.failure import CommandFailed
from libs.cli.logfile import LogFile, loud
from libs.cli.readiness import troubles
from libs.cli.running import SERVICES_FILE, Ports, write_json
from libs.common.settings import (
    ENV_PREFIX,
    SERVICES,
    Settings,
    as_environment,
    chosen_ports,
    gateway_address,
    port_variable,
)

# `libs.common.service` reads it; importing that would double the supervisor's size.
LIFELINE = f"{ENV_PREFIX}LIFELINE_FD"
LOOK_EVERY_S = 0.25
ROTATE_EVERY = 40
"""Looks."""
BROKER_START_S = 60.0
"""A large store on a slow disk takes a while to be read."""
BROKER_TRIES = 3
READY_SOON_S = 20.0
"""Longer than this, and the owner is told what the wait is for."""
SHOWN_LINES = 5
"""Of one child's warnings at one look; the rest is in its log."""


class Supervisor:
    """Starts children, keeps them running, says on the terminal what a person should know, stops them."""

    def __init__(self, settings: Settings, ports: Ports, say: Callable[[str], None]) -> None:
        self._run_dir = settings.run_dir
        self._logs = settings.data / "logs"
        self._say = say
        self._ports = ports
        self._children: dict[str, Child] = {}
        self._urls: dict[str, str] = {}
        self._broker: Broker | None = None
        self._noted: dict[str, Any] = {}
        # The children have the reading ends; the writing ends are ours alone, and go when we go.
        self._pipes: list[int] = []
        self._lifeline = self._pipe()

    # Starting -----------------------------------------------------------------------------------------------

    async def start_broker(self, settings: Settings) -> str:
        """Start the bundled nats-server; its address once it answers. Raises `CommandFailed`."""
        self._broker = Broker(settings, self._ports)
        self._add("nats", self._broker.command(self._lifeline), _bare_environment())
        self._urls["nats"] = self._broker.url
        server = self._children["nats"]
        deadline = time.monotonic() + BROKER_START_S
        while not await self._broker.answers():
            if server.deaths >= BROKER_TRIES or time.monotonic() > deadline:
                raise CommandFailed(
                    f"nats-server did not start. Its last words: {server.log.last_line()} "
                    f"(all of them: {server.log.path})"
                )
            await asyncio.sleep(0.02)
        return self._broker.url

    def start_sandbox(self, directory: Path) -> None:
        """Start the small internet of the demo; `directory/sandbox.json` will say where it is."""
        command = [sys.executable, "-m", "libs.sandbox", "--dir", str(directory), "--lifeline"]
        for part in ("tmdb", "newznab", "nntp"):
            command += [f"--{part}-port", str(self._ports.of(f"sandbox-{part}"))]
        # The sandbox knows nothing of us but its standard input, so that is its lifeline: one of its own,
        # for it makes it non-blocking, which all who share a pipe would feel.
        self._add("sandbox", command, _bare_environment(), stdin=self._pipe())

    def start_services(self, settings: Settings) -> None:
        """Start all five at once, with these very settings."""
        self._urls.setdefault("nats", settings.nats.url)
        chosen = chosen_ports(os.environ)
        environment = _bare_environment() | as_environment(settings) | {LIFELINE: str(self._lifeline)}
        for name in SERVICES:
            if name == "streamer":
                address, port = gateway_address(settings), settings.gateway.port
            else:
                port = chosen.get(name) or self._ports.of(name)
                address = f"127.0.0.1:{port}"
            command = [sys.executable, "-m", "libs.cli.main", "service", name, "--data", str(settings.data)]
            self._add(name, command, environment | {port_variable(name): str(port)})
            self._urls[name] = f"http://{address}"

    def _add(
        self,
        name: str,
        command: list[str],
        environment: dict[str, str],
        *,
        stdin: int = asyncio.subprocess.DEVNULL,
    ) -> None:
        log = LogFile(self._logs / f"{name}.log")
        child = Child(name, command, environment, log, lifeline=self._lifeline, stdin=stdin, say=self._say)
        self._children[name] = child
        child.start()

    def _pipe(self) -> int:
        """The reading end of a new one."""
        theirs, ours = os.pipe()
        self._pipes += [theirs, ours]
        return theirs

    # Watching -----------------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Keep `services.json` true, show warnings, rotate logs; for ever."""
        looks, trouble = 0, ""
        while True:
            try:
                self._look(rotate=looks % ROTATE_EVERY == 0)
                trouble = ""
            except OSError as error:
                # A full disk, most of all. The services say themselves what they can't do.
                if str(error) != trouble:
                    self._say(f"{error.filename or self._run_dir} can't be written: {error.strerror}")
                trouble = str(error)
            looks += 1
            await asyncio.sleep(LOOK_EVERY_S)

    def _look(self, *, rotate: bool) -> None:
        self._note()
        for child in self._children.values():
            self._show(child)
            if rotate:
                child.log.rotate()
        if self._broker and self._broker.wants_restart():
            self._say("nats-server ran out of disk; there is room again, so it is started anew.")
            self._children["nats"].restart()

    async def announce(self, public_url: str) -> None:
        """Say when everything is ready; and if that takes long, what it waits for."""
        started, told = time.monotonic(), False
        while waiting := await self._not_ready():
            if not told and time.monotonic() - started > READY_SOON_S:
                told = True
                for name, reasons in waiting.items():
                    self._say(f"{name} is not ready: {'; '.join(reasons)}. Its log: {self._logs / name}.log")
            await asyncio.sleep(LOOK_EVERY_S)
        self._say(f"Matinee is ready: {public_url}")

    async def _not_ready(self) -> dict[str, list[str]]:
        answers = await asyncio.gather(*(troubles(name, self._urls[name]) for name in SERVICES))
        return {name: answer for name, answer in zip(SERVICES, answers, strict=True) if answer}

    def _note(self) -> None:
        entries: dict[str, dict[str, Any]] = {}
        for name, url in self._urls.items():
            child = self._children.get(name)
            entries[name] = {"pid": child.pid if child else None, "url": url}
            if name in SERVICES:
                entries[name]["port"] = int(url.rpartition(":")[2])
        if self._broker:
            entries["nats"]["pid"] = self._broker.pid
        if sandbox := self._children.get("sandbox"):
            entries["sandbox"] = {"pid": sandbox.pid}
        if entries != self._noted:
            write_json(self._run_dir / SERVICES_FILE, entries)
            self._noted = entries

    def _show(self, child: Child) -> None:
        lines = child.log.new_lines()
        if self._broker and child.name == "nats":
            self._broker.heard(lines)
        shown = [line for line in map(loud, lines) if line]
        for line in shown[:SHOWN_LINES]:
            self._say(f"{child.name}: {line}")
        if len(shown) > SHOWN_LINES:
            self._say(f"{child.name}: … and {len(shown) - SHOWN_LINES} more in {child.log.path}")

    # Stopping -----------------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Stop all children: the services and the sandbox first, what they stand on last."""
        broker = self._children.pop("nats", None)
        await asyncio.gather(*(child.stop() for child in self._children.values()))
        if broker:
            await broker.stop()
        for end in self._pipes:
            os.close(end)
        (self._run_dir / SERVICES_FILE).unlink(missing_ok=True)


def _bare_environment() -> dict[str, str]:
    """Ours without any setting: a child gets the effective ones, or none."""
    return {k: v for k, v in os.environ.items() if not k.startswith(ENV_PREFIX)}
