"""Asks services over HTTP whether they can do their work."""

import asyncio
import http.client
import json
from typing import Any, cast
from urllib.parse import urlsplit

TIMEOUT_S = 3.0
MAX_ANSWER_BYTES = 64 * 1024


async def troubles(service: str, url: str) -> list[str]:
    """What keeps the service, which should be at `url`, from its work; empty if it is ready."""
    return await asyncio.to_thread(_ask, service, url)


def _ask(service: str, url: str) -> list[str]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=TIMEOUT_S)
    try:
        _, version = _get(connection, "/version")
        if version.get("service") != service:
            return [f"another program answers at {url}"]
        status, answer = _get(connection, "/readyz")
    except (OSError, http.client.HTTPException):
        return ["it doesn't answer yet"]
    finally:
        connection.close()
    if status == http.client.OK:
        return []
    reasons: Any = answer.get("reasons")
    return [str(reason) for reason in cast("list[Any]", reasons)] if reasons else ["it says that it isn't"]


def _get(connection: http.client.HTTPConnection, path: str) -> tuple[int, dict[str, Any]]:
    """The status and the JSON object of an answer; an empty one if it is anything else."""
    connection.request("GET", path)
    response = connection.getresponse()
    try:
        answer: Any = json.loads(response.read(MAX_ANSWER_BYTES))
    except ValueError:
        answer = None
    return response.status, cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
