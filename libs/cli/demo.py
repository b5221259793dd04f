"""What the demo's services are told: everything the sandbox is, nothing that the owner has."""

import asyncio
import json
from pathlib import Path
from typing import Any

from libs.cli.failure import CommandFailed
from libs.cli.running import read_json

DATA = Path("data/sandbox-demo")
START_S = 240.0
"""The first time, the sandbox makes its films; then they are kept."""
CONNECTIONS = 8


async def sandbox_environment(directory: Path) -> dict[str, str]:
    """The settings that lead into the sandbox, once it is there. Raises `CommandFailed` if it never is."""
    try:
        async with asyncio.timeout(START_S):
            while not (addresses := read_json(directory / "sandbox.json")):  # noqa: ASYNC110  (as the broker)
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        raise CommandFailed(
            "The sandbox did not start; logs/sandbox.log in the data directory says why."
        ) from error
    return environment_for(addresses)


def environment_for(addresses: dict[str, Any]) -> dict[str, str]:
    """`addresses`: the content of `sandbox.json`."""
    indexer = {
        "name": "Sandbox",
        "kind": "newznab",
        "url": addresses["newznab_url"],
        "api_key": addresses["newznab_api_key"],
    }
    server = {
        "host": addresses["nntp_host"],
        "port": addresses["nntp_port"],
        "tls": addresses.get("nntp_tls", True),
        "ca_file": addresses["ca_file"],
        "username": addresses["nntp_username"],
        "password": addresses["nntp_password"],
        "connections": CONNECTIONS,
    }
    return {
        "MATINEE_TMDB_URL": addresses["tmdb_url"],
        "MATINEE_TMDB_TOKEN": addresses["tmdb_token"],
        "MATINEE_JIKAN_URL": addresses["jikan_url"],
        "MATINEE_OPENSUBTITLES_URL": addresses["opensubtitles_url"],
        "MATINEE_OPENSUBTITLES_API_KEY": addresses["opensubtitles_api_key"],
        "MATINEE_INDEXERS": json.dumps([indexer]),
        "MATINEE_USENET": json.dumps([server]),
    }
