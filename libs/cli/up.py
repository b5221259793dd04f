"""`matinee up`: one machine, one command, until Ctrl-C."""

import argparse
import asyncio
import os
import signal
from contextlib import suppress
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from libs.cli.configuration import DEFAULT_FILE, settings_of
from libs.cli.demo import DATA, sandbox_environment
from libs.cli.failure import CommandFailed
from libs.cli.premises import end_leftovers, occupied
from libs.cli.running import PRIVATE, Ports, is_free
from libs.cli.supervisor import Supervisor
from libs.common.errors import SettingsError
from libs.common.settings import Settings, chosen_ports, port_variable


def run(arguments: argparse.Namespace) -> int:
    os.umask(PRIVATE)
    settings = _settings(arguments, dict(os.environ))
    with occupied(settings):
        if end_leftovers(settings):
            _say("An earlier Matinee was killed here; what it left running has been ended.")
        _check_ports(settings)
        try:
            asyncio.run(_until_stopped(arguments, settings))
        except ExceptionGroup as group:
            # What a person can mend is not told as a stack of tasks.
            if failures := group.subgroup(CommandFailed):
                raise failures.exceptions[0] from group
            if failures := group.subgroup(OSError):
                raise CommandFailed(f"Matinee can't go on: {failures.exceptions[0]}.") from group
            raise
    return 0


def _settings(arguments: argparse.Namespace, environ: dict[str, str]) -> Settings:
    overrides: dict[str, Any] = {}
    if arguments.port is not None:
        overrides["gateway.port"] = arguments.port
    if arguments.sandbox and not arguments.data:
        arguments.data = DATA
    # The owner's own file is none of the demo's business: it may name a bucket that is in use.
    default_file = None if arguments.sandbox else DEFAULT_FILE
    settings = settings_of(arguments, environ=environ, default_file=default_file, **overrides)
    return settings if arguments.port is None else at_port(settings, arguments.port)


def at_port(settings: Settings, port: int) -> Settings:
    """A public address on this machine itself follows the port; a proxy's stays what it is."""
    parts = urlsplit(settings.public_url)
    host = parts.hostname or ""
    if host != "localhost" and not _is_loopback(host):
        return settings
    shown = f"[{host}]" if ":" in host else host
    return replace(settings, public_url=parts._replace(netloc=f"{shown}:{port}").geturl())


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_ports(settings: Settings) -> None:
    _check_port(settings.gateway.host, settings.gateway.port, "name another port by --port")
    for service, port in chosen_ports(os.environ).items():
        if service != "streamer":
            _check_port("127.0.0.1", port, f"set another {port_variable(service)}")


def _check_port(host: str, port: int, remedy: str) -> None:
    try:
        free = is_free(host, port)
    except SettingsError as error:
        raise CommandFailed(f"{error} Correct [gateway] in the settings, or {remedy}.") from error
    if not free:
        raise CommandFailed(f"Port {port} of {host} is in use by another program: stop that, or {remedy}.")


async def _until_stopped(arguments: argparse.Namespace, settings: Settings) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    supervisor = Supervisor(settings, Ports(settings.run_dir / "ports.json"), _say)
    living = asyncio.create_task(_live(supervisor, arguments, settings), name="up")
    stop = asyncio.create_task(stopping.wait(), name="stop")
    try:
        await asyncio.wait({living, stop}, return_when=asyncio.FIRST_COMPLETED)
        if living.done():
            living.result()
        _say("Stopping.")
    finally:
        living.cancel()
        stop.cancel()
        await asyncio.gather(living, stop, return_exceptions=True)
        await supervisor.stop()


async def _live(supervisor: Supervisor, arguments: argparse.Namespace, settings: Settings) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(supervisor.watch(), name="watch")
        if arguments.sandbox:
            settings = await _enter_sandbox(supervisor, arguments, settings)
        if not settings.nats.url:
            url = await supervisor.start_broker(settings)
            settings = replace(settings, nats=replace(settings.nats, url=url))
        supervisor.start_services(settings)
        await supervisor.announce(settings.public_url)


async def _enter_sandbox(
    supervisor: Supervisor, arguments: argparse.Namespace, settings: Settings
) -> Settings:
    _say("This is the demo: its films are invented, and so is the internet they come from.")
    directory = settings.data / "sandbox"
    if not directory.exists():
        _say("Its films are made now, which takes about a minute, and kept.")
    directory.mkdir(parents=True, exist_ok=True)
    supervisor.start_sandbox(directory)
    return _settings(arguments, dict(os.environ) | await sandbox_environment(directory))


def _say(text: str) -> None:
    # Nobody may listen any more, or the disk be full: no reason to end what runs.
    with suppress(OSError, ValueError):
        print(text, flush=True)
