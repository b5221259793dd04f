"""Asks services over HTTP whether they can do their work."""

import asyncio
import http.client
import json
from typing import Any, cast
from urllib.parse import urlsplit

TIMEOUT_S = 3.0
MAX_ANSWER_BYTES = 64 * 1024


async def troubles(url: str) -> list[str]:
    """What keeps the service at `url` from its work; empty if it is ready."""
    return await asyncio.to_thread(_ask, url)


def _ask(url: str) -> list[str]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        answer: Any = json.loads(response.read(MAX_ANSWER_BYTES))
    except (OSError, http.client.HTTPException, ValueError):
        return ["it doesn't answer yet"]
    finally:
        connection.close()
    if response.status == http.client.OK:
        return []
    reasons: Any = cast("dict[str, Any]", answer).get("reasons") if isinstance(answer, dict) else None
    return [str(reason) for reason in cast("list[Any]", reasons)] if reasons else ["it says that it isn't"]
