"""What a running Matinee leaves in `data_dir/run`, and how other commands find it by that."""

import errno
import json
import os
import socket
from pathlib import Path
from typing import Any, cast

from msgspec.structs import replace

from libs.cli.failure import CommandFailed
from libs.common.errors import SettingsError
from libs.common.listening import listen
from libs.common.settings import Settings

SERVICES_FILE = "services.json"
PRIVATE = 0o077
"""The umask of all that runs: databases, logs and films are nobody else's on this machine."""


def write_json(path: Path, content: Any) -> None:
    """All at once: a reader sees the old or the new. Readable by this user only, for it may hold secrets."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=2)
    draft.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """The object in the file; an empty one if there is none, or it can't be read."""
    try:
        found: Any = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def broker_url(settings: Settings) -> str:
    """Where NATS is: the settings' own, or the one that `matinee up` runs. Raises `CommandFailed`."""
    if settings.nats.url:
        return settings.nats.url
    entry: Any = read_json(settings.run_dir / SERVICES_FILE).get("nats")
    if not isinstance(entry, dict):
        raise CommandFailed(
            f"Matinee isn't running on {settings.data}: start it by `matinee up`, "
            "or name a broker by nats.url in the settings."
        )
    return str(cast("dict[str, Any]", entry)["url"])


def with_broker(settings: Settings) -> Settings:
    """The settings with the address of the broker that is running."""
    return replace(settings, nats=replace(settings.nats, url=broker_url(settings)))


class Ports:
    """Ports of this machine that stay the same over restarts, as long as nobody else takes them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._by_name: dict[str, int] = {k: v for k, v in read_json(path).items() if isinstance(v, int)}

    def of(self, name: str) -> int:
        port = self._by_name.get(name)
        if port is None or not is_free("127.0.0.1", port):
            port = self._unused()
            self._by_name[name] = port
            write_json(self._path, self._by_name)
        return port

    def _unused(self) -> int:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port: int = probe.getsockname()[1]
            if port not in self._by_name.values():
                return port


def is_free(host: str, port: int) -> bool:
    """Whether we could listen there now. Raises `SettingsError` if the host isn't this machine's."""
    try:
        listen(host, port).close()
    except SettingsError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE:
            return False
        raise
    return True
