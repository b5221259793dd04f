"""A host's addresses, looked up on a thread of its own: that can't be done without blocking."""

import socket
import threading
from collections.abc import Callable

from services.downloader.usenet.connection import Address, Dropped

Found = Callable[[list[Address], Dropped | None], None]
"""The addresses, or why there are none. Called on another thread."""


def look_up(host: str, port: int, found: Found) -> None:
    threading.Thread(target=_look_up, args=(host, port, found), name="usenet-lookup", daemon=True).start()


def _look_up(host: str, port: int, found: Found) -> None:
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # UnicodeError: a name that no DNS could hold.
    except (OSError, UnicodeError) as error:
        found([], Dropped(getattr(error, "strerror", None) or "its name is unknown"))
    else:
        found([(family, destination) for family, _, _, _, destination in addresses], None)
