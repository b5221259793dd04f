"""What the gateway is called. A page whose own name leads here (DNS rebinding) calls it something else."""

import re
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

from libs.common.addresses import Origin, origin

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[^\[\]:@/?#\s]{1,253})(?::\d{1,5})?")


class Names:
    def __init__(self, public_url: str, host: str) -> None:
        """`public_url` is where people find the gateway, `host` what it was told to listen on."""
        self._public = origin(public_url)
        self._hosts = frozenset({"localhost", host.lower(), urlsplit(public_url).hostname})

    def include(self, host: str) -> bool:
        """Whether a `Host` header (RFC 9110 §7.2) is of this gateway: one of its names, or any IP address.

        No name server has a say in an address, so no page can make one its own.
        """
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1].lower()
        return name in self._hosts or _is_address(name.strip("[]"))

    def are_of_page(self, page_origin: str, asked: str) -> bool:
        """Whether a page of that origin (RFC 6454 §7) is ours, when `asked` is the URL it asked."""
        ours: set[Origin] = {self._public}
        with suppress(ValueError):
            ours.add(origin(asked))
        try:
            return origin(page_origin) in ours
        except ValueError:
            # `null`: a page that hides where it is from.
            return False


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
