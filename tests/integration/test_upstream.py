"""Outgoing HTTP against real servers on loopback."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import pytest
from structlog.testing import capture_logs

from libs.common.pacing import FAILURES_TO_OPEN
from libs.common.upstream import Kind, Origin, Upstream, UpstreamError, origin
from tests.support.asgi_server import serving
from tests.support.s3_server import free_port

SECRET = "s3cr3t/key+1234"
MAX_BYTES = 100_000
BOMB = gzip.compress(bytes(50_000_000))


class Server:
    """Answers by path; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.url = ""
        self.elsewhere = ""

    def count(self, path: str) -> int:
        return sum(scope["path"] == path for scope in self.asked)

    def headers(self, path: str) -> dict[str, str]:
        scope = next(scope for scope in self.asked if scope["path"] == path)
        return {name.decode(): value.decode() for name, value in scope["headers"]}

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.asked.append(scope)
        status, headers, pieces, pause_s = self._answer(scope)
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            }
        )
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(pause_s)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _answer(self, scope: dict[str, Any]) -> tuple[int, dict[str, str], list[bytes], float]:
        path = scope["path"]
        again = self.count(path) > 1
        query = parse_qs(scope["query_string"].decode())
        answers: dict[str, tuple[int, dict[str, str], list[bytes], float]] = {
            "/ok": (200, {"content-type": "text/plain"}, [b"hello ", b"world"], 0),
            "/slow-start": (200, {}, [b"x"] * 20, 0.1),
            "/endless": (200, {}, [b"x" * 50_000] * 100_000, 0),
            "/gzip": (200, {"content-encoding": "gzip"}, [gzip.compress(b"film " * 100)], 0),
            "/bomb": (200, {"content-encoding": "gzip"}, [BOMB], 0),
            "/brotli": (200, {"content-encoding": "br"}, [b"whatever"], 0),
            "/500-once": (200 if again else 500, {}, [b"ok"], 0),
            "/503-once": (200 if again else 503, {}, [b"ok"], 0),
            "/429-soon": (200 if again else 429, {"retry-after": "1"}, [b"ok"], 0),
            "/429-late": (429, {"retry-after": "600"}, [], 0),
            "/429": (429, {}, [], 0),
            "/to": (302, {"location": query.get("url", [""])[0]}, [], 0),
            "/to-ok": (301, {"location": "ok?x=1"}, [], 0),
            "/to-itself": (302, {"location": "/to-itself"}, [], 0),
            "/to-elsewhere": (307, {"location": f"{self.elsewhere}/ok"}, [], 0),
            "/chain": (302, {"location": "/chain2"}, [], 0),
            "/chain2": (303, {"location": f"{self.url}/to-ok"}, [], 0),
            "/no-location": (302, {}, [], 0),
        }
        status = int(path[1:]) if path[1:].isdigit() else 404
        return answers.get(path, (status, {}, [], 0))


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    app = Server()
    async with serving(app) as url:
        app.url = url
        yield app


@pytest.fixture
async def stranger() -> AsyncIterator[Server]:
    app = Server()
    async with serving(app) as url:
        app.url = url
        yield app


@asynccontextmanager
async def upstream(
    base_url: str,
    *,
    also: tuple[str, ...] = (),
    allowed: frozenset[Origin] | None = None,
    timeout_s: float = 5,
    rate_per_s: float | None = None,
) -> AsyncIterator[Upstream]:
    asked = Upstream(
        "The tests",
        base_url,
        allowed=frozenset(origin(url) for url in (base_url, *also)) if allowed is None else allowed,
        secrets=(SECRET,),
        timeout_s=timeout_s,
        rate_per_s=rate_per_s,
        user_agent="matinee-tests",
    )
    yield asked
    await asked.close()


async def failure(asked: Upstream, path: str, **options: Any) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await asked.get(path, max_bytes=MAX_BYTES, **options)
    assert str(caught.value) == caught.value.sentence
    assert caught.value.sentence.startswith("The tests ")
    # Where exactly we asked is for the log, not for people.
    assert not set("/?") & set(caught.value.sentence)
    return caught.value


async def test_an_answer(server: Server) -> None:
    async with upstream(server.url) as asked:
        answer = await asked.get("/ok", params={"q": "a&b", "page": 2}, max_bytes=MAX_BYTES)
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/plain", b"hello world")
    assert server.asked[0]["query_string"] == b"q=a%26b&page=2"
    assert server.headers("/ok")["user-agent"] == "matinee-tests"


async def test_a_path_is_relative_to_the_whole_base(server: Server) -> None:
    async with upstream(f"{server.url}/api/") as asked:
        await failure(asked, "v3/movie")
        await failure(asked, "//evil.example/x")
    assert [scope["path"] for scope in server.asked] == ["/api/v3/movie", "/api/evil.example/x"]


async def test_a_post(server: Server) -> None:
    async with upstream(server.url) as asked:
        answer = await asked.post("/ok", body=b"{}", max_bytes=MAX_BYTES)
        assert answer.body == b"hello world"
        assert server.headers("/ok")["content-length"] == "2"
        with pytest.raises(UpstreamError, match="redirects"):
            await asked.post("/to-ok", body=b"{}", max_bytes=MAX_BYTES)
        with pytest.raises(UpstreamError, match="503"):
            await asked.post("/503", body=b"{}", max_bytes=MAX_BYTES)
    assert [scope["method"] for scope in server.asked] == ["POST"] * 3


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/400", "bad_answer"),
        ("/401", "unauthorized"),
        ("/403", "unauthorized"),
        ("/404", "not_found"),
        ("/410", "not_found"),
        ("/429", "rate_limited"),
        ("/429-late", "rate_limited"),
        ("/500", "server_error"),
        ("/no-location", "bad_answer"),
    ],
)
async def test_statuses_are_told_once_and_at_once(server: Server, path: str, kind: Kind) -> None:
    async with upstream(server.url) as asked:
        error = await failure(asked, path)
    assert error.kind == kind
    assert error.status == server_status(path)
    assert server.count(path) == 1


@pytest.mark.parametrize(("path", "retry_after_s"), [("/429-late", 600.0), ("/429", None), ("/500", None)])
async def test_it_is_told_how_long_to_wait(server: Server, path: str, retry_after_s: float | None) -> None:
    async with upstream(server.url) as asked:
        assert (await failure(asked, path)).retry_after_s == retry_after_s


def server_status(path: str) -> int:
    return {"/429-late": 429, "/no-location": 302}.get(path) or int(path[1:])


async def test_a_500_is_not_tried_again_but_the_next_request_is(server: Server) -> None:
    async with upstream(server.url) as asked:
        assert (await failure(asked, "/500-once")).kind == "server_error"
        assert (await asked.get("/500-once", max_bytes=MAX_BYTES)).body == b"ok"


@pytest.mark.parametrize("path", ["/503-once", "/429-soon"])
async def test_what_passes_is_tried_again(server: Server, path: str) -> None:
    async with upstream(server.url) as asked:
        assert (await asked.get(path, max_bytes=MAX_BYTES)).body == b"ok"
    assert server.count(path) == 2


async def test_a_server_is_waited_for_as_long_as_it_says(server: Server) -> None:
    started = time.monotonic()
    async with upstream(server.url) as asked:
        await asked.get("/429-soon", max_bytes=MAX_BYTES)
    assert time.monotonic() - started >= 1


async def test_trying_again_ends(server: Server) -> None:
    async with upstream(server.url) as asked:
        error = await failure(asked, "/503")
    assert (error.kind, error.status, server.count("/503")) == ("server_error", 503, 3)


async def test_no_connection() -> None:
    async with upstream(f"http://127.0.0.1:{free_port()}") as asked:
        assert (await failure(asked, "/ok")).kind == "unreachable"


async def test_an_unknown_name() -> None:
    async with upstream("http://nothing.invalid") as asked:
        assert (await failure(asked, "/ok")).kind == "unreachable"


async def test_what_is_no_http() -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"200 news.example.com ready\r\n")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with listener, upstream(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}") as asked:
        assert (await failure(asked, "/ok")).kind == "unreachable"


async def test_a_slow_body_meets_the_deadline(server: Server) -> None:
    started = time.monotonic()
    async with upstream(server.url, timeout_s=0.5) as asked:
        assert (await failure(asked, "/slow-start")).kind == "timeout"
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("path", ["/endless", "/bomb"])
async def test_a_body_without_end(server: Server, path: str) -> None:
    async with upstream(server.url) as asked:
        error = await failure(asked, path)
    assert (error.kind, error.status) == ("too_large", 200)


async def test_a_packed_body(server: Server) -> None:
    async with upstream(server.url) as asked:
        assert (await asked.get("/gzip", max_bytes=500)).body == b"film " * 100
        with pytest.raises(UpstreamError, match="more than 499 bytes"):
            await asked.get("/gzip", max_bytes=499)
        assert (await failure(asked, "/brotli")).kind == "bad_answer"


# --- where a request may go


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "0.0.0.0"])
async def test_loopback_is_refused_unless_configured(server: Server, host: str) -> None:
    port = origin(server.url).port
    async with upstream(f"http://{host}:{port}", allowed=frozenset()) as asked:
        error = await failure(asked, "/ok")
    assert error.kind == "refused"
    assert server.asked == []


async def test_loopback_by_name_is_reached_if_configured(server: Server) -> None:
    async with upstream(f"http://localhost:{origin(server.url).port}") as asked:
        assert (await asked.get("/ok", max_bytes=MAX_BYTES)).status == 200


async def test_another_port_of_a_configured_host_is_refused(server: Server, stranger: Server) -> None:
    async with upstream(server.url) as asked:
        assert (await failure(asked, f"{stranger.url}/ok")).kind == "refused"
    assert stranger.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "gopher:x",
        "http://user:pw@127.0.0.1/x",
        "http://",
        "http://[::1",
        "http://a b/",
        "/x\ny",
    ],
)
async def test_what_is_no_place_to_go(server: Server, url: str) -> None:
    async with upstream(server.url) as asked:
        assert (await failure(asked, url)).kind == "refused"
    assert server.asked == []


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("http://127.0.0.1:1/x", "refused"),
        ("http://localhost/latest/meta-data", "refused"),
        ("http://169.254.169.254/latest/meta-data", "refused"),
        ("//127.0.0.2/x", "refused"),
        ("file:///etc/passwd", "refused"),
        ("http://user:pw@127.0.0.1/x", "refused"),
        ("http://[", "refused"),
    ],
)
async def test_a_redirect_to_no_place_to_go(server: Server, location: str, kind: Kind) -> None:
    async with upstream(server.url) as asked:
        assert (await failure(asked, "/to", params={"url": location})).kind == kind
    assert len(server.asked) == 1


async def test_redirects_are_followed(server: Server) -> None:
    async with upstream(server.url) as asked:
        answer = await asked.get("/chain", headers={"X-Api-Key": SECRET}, max_bytes=MAX_BYTES)
    assert answer.body == b"hello world"
    assert [scope["path"] for scope in server.asked] == ["/chain", "/chain2", "/to-ok", "/ok"]
    assert server.headers("/ok")["x-api-key"] == SECRET


async def test_redirects_end(server: Server) -> None:
    async with upstream(server.url) as asked:
        assert (await failure(asked, "/to-itself")).kind == "refused"
    assert server.count("/to-itself") == 6


async def test_another_host_gets_no_credentials(server: Server, stranger: Server) -> None:
    server.elsewhere = stranger.url
    async with upstream(server.url, also=(stranger.url,)) as asked:
        headers = {"Authorization": f"Bearer {SECRET}", "X-Api-Key": SECRET, "Accept": "text/xml"}
        await asked.get("/to-elsewhere", headers=headers, max_bytes=MAX_BYTES)
    assert server.headers("/to-elsewhere")["authorization"] == f"Bearer {SECRET}"
    assert SECRET not in str(stranger.headers("/ok"))
    assert stranger.headers("/ok")["accept"] == "text/xml"


async def test_the_same_hosts_only(server: Server) -> None:
    async with upstream(server.url) as asked:
        assert (await asked.get(f"{server.url}/ok", max_bytes=9_999, same_hosts_only=True)).status == 200
        for path, params in (("http://1.1.1.1/x.nzb", None), ("/to", {"url": "http://1.1.1.1/x.nzb"})):
            error = await failure(asked, path, params=params, same_hosts_only=True)
            assert error.kind == "refused"
            assert "the settings don't name" in error.sentence


# --- what is told


@pytest.mark.parametrize("path", ["/404", "/to", f"/{SECRET}/404", "http://1.1.1.1:1/x"])
async def test_no_secret_in_errors_and_logs(server: Server, path: str) -> None:
    with capture_logs() as logs:
        async with upstream(server.url) as asked:
            location = f"http://127.0.0.1:1/{SECRET}?key={SECRET}"
            params = {"apikey": SECRET, "url": location}
            error = await failure(asked, path, params=params, same_hosts_only=True)
    told = repr((error, error.__dict__, logs)).lower()
    assert "s3cr3t" not in told
    assert "apikey" not in told


async def test_one_line_of_log_for_each_request(server: Server) -> None:
    with capture_logs() as logs:
        async with upstream(server.url) as asked:
            await asked.get("/to-ok", params={"key": SECRET}, max_bytes=MAX_BYTES)
    lines = [line for line in logs if line["event"] == "upstream.request"]
    assert [(line["upstream"], line["path"], line["status"]) for line in lines] == [
        ("The tests", "/to-ok", 301),
        ("The tests", "/ok", 200),
    ]
    assert all(isinstance(line["ms"], int) for line in lines)


# --- how often


async def test_the_rate_is_kept(server: Server) -> None:
    started = time.monotonic()
    async with upstream(server.url, rate_per_s=10) as asked, asyncio.TaskGroup() as tasks:
        for _ in range(15):
            tasks.create_task(asked.get("/ok", max_bytes=MAX_BYTES))
    assert 0.4 < time.monotonic() - started < 4


async def test_a_queue_without_end_is_refused(server: Server) -> None:
    async with upstream(server.url, rate_per_s=0.01) as asked:
        await asked.get("/ok", max_bytes=MAX_BYTES)
        assert (await failure(asked, "/ok")).kind == "rate_limited"


async def test_a_server_that_keeps_failing_is_left_alone(server: Server) -> None:
    async with upstream(server.url) as asked:
        for _ in range(FAILURES_TO_OPEN):
            await failure(asked, "/500")
        error = await failure(asked, "/ok")
    assert (error.kind, error.status) == ("unreachable", None)
    assert "asked again in 30 s" in error.sentence
    assert server.count("/ok") == 0


async def test_answers_that_are_no_failures_leave_it_closed(server: Server) -> None:
    async with upstream(server.url) as asked:
        for _ in range(FAILURES_TO_OPEN + 1):
            await failure(asked, "/404")
        assert (await asked.get("/ok", max_bytes=MAX_BYTES)).status == 200


async def test_cancelling_leaves_a_working_upstream(server: Server) -> None:
    async with upstream(server.url) as asked:
        for _ in range(15):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await asked.get("/slow-start", max_bytes=MAX_BYTES)
        assert (await asked.get("/ok", max_bytes=MAX_BYTES)).status == 200
