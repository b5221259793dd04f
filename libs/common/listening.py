"""Listening on an address that the owner chose, of either family."""

import socket

from libs.common.errors import SettingsError


def listen(host: str, port: int) -> socket.socket:
    """Listens there; port 0 is any free one, and `::` all addresses of both families.

    Raises `SettingsError` (its cause is the OSError) if the port is taken, or the host isn't this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, dualstack_ipv6=host == "::")
    except (OSError, TypeError) as error:
        # A name that can't be one at all is a TypeError.
        text = (error.strerror or "") if isinstance(error, OSError) else "no such host"
        # The standard library repeats the address in brackets.
        reason = text.partition(" (while ")[0]
        raise SettingsError(f"Matinee can't listen on {host}, port {port}: {reason}.") from error
    # asyncio sets it for sockets that it makes itself, and connections inherit it. Without, an answer's body
    # waits for the acknowledgement of its head: 40 ms, on every connection that is used again.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
