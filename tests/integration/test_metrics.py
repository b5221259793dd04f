"""What is asked of others is timed, whatever becomes of it."""

import pytest
from prometheus_client import REGISTRY

from libs.common.health import Health
from libs.common.upstream import Upstream, UpstreamError, origin
from tests.support.asgi_server import serving


def timed(upstream: str, status: str) -> float:
    labels = {"upstream": upstream, "status": status}
    return REGISTRY.get_sample_value("matinee_upstream_seconds_count", labels) or 0.0


async def test_requests_are_timed_by_upstream_and_status() -> None:
    async with serving(Health("someone", "0")) as url:
        upstream = Upstream(
            "Someone",
            url,
            allowed=frozenset({origin(url)}),
            secrets=(),
            timeout_s=5,
            rate_per_s=None,
            user_agent="test",
        )
        before = timed("Someone", "200"), timed("Someone", "404")
        await upstream.get("/version", max_bytes=1000)
        with pytest.raises(UpstreamError):
            await upstream.get("/nothing", max_bytes=1000)
        await upstream.close()
    assert (timed("Someone", "200"), timed("Someone", "404")) == (before[0] + 1, before[1] + 1)
