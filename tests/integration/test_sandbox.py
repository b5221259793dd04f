"""The sandbox over its real wires: HTTP, NNTP over TLS, its own process. Oracles that are not ours."""

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import av
import httpx
import pytest
import rarfile
import sabctools
from defusedxml import ElementTree

from libs.sandbox.control import NewPost
from libs.sandbox.faults import Faults, NntpFaults, TmdbFaults
from libs.sandbox.packing import par2_program
from libs.sandbox.sandbox import Sandbox
from libs.sandbox.studio import PACKAGE_ROOT
from libs.sandbox.titles import FEW

NZB = "{http://www.newzbin.com/DTD/2003/nzb}"
ATTRIBUTE = "{http://www.newznab.com/DTD/2010/feeds/attributes/}attr"
TIMEOUT_S = 60


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture
async def sandbox(tmp_path: Path, cache: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox(tmp_path, films="few", cache=cache) as running:
        yield running


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {sandbox.tmdb_token}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=TIMEOUT_S) as client:
        yield client


class Wire:
    """One NNTP connection, line by line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, *lines: str) -> None:
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())
        await self.writer.drain()

    async def hear(self) -> str:
        return (await self.reader.readline()).decode().rstrip("\r\n")

    async def ask(self, line: str) -> str:
        await self.say(line)
        return await self.hear()

    async def hear_block(self) -> list[str]:
        block = await self.reader.readuntil(b"\r\n.\r\n")
        return block.decode("latin-1").split("\r\n")[:-2]

    async def log_in(self, sandbox: Sandbox) -> None:
        await self.hear()
        await self.say(f"AUTHINFO USER {sandbox.nntp_username}", f"AUTHINFO PASS {sandbox.nntp_password}")
        assert [await self.hear(), await self.hear()] == ["381 password required", "281 welcome"]

    async def body(self, message_id: str) -> sabctools.NNTPResponse:
        await self.say(f"BODY <{message_id}>")
        data = await self.reader.readuntil(b"\r\n.\r\n")
        decoder = sabctools.Decoder(len(data))
        memoryview(decoder)[: len(data)] = data
        decoder.process(len(data))
        return next(decoder)


@asynccontextmanager
async def connect(sandbox: Sandbox, host: str = "127.0.0.1", *, tls: bool = True) -> AsyncIterator[Wire]:
    context = ssl.create_default_context(cafile=sandbox.ca_file) if tls else None
    async with asyncio.timeout(TIMEOUT_S):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            sandbox.nntp_port,
            ssl=context,
            server_hostname=host if tls else None,
            limit=4 << 20,
        )
        try:
            yield Wire(reader, writer)
        finally:
            writer.transport.abort()


async def search(http: httpx.AsyncClient, sandbox: Sandbox, **query: str) -> ElementTree:
    parameters = {"apikey": sandbox.newznab_api_key, **query}
    answer = await http.get(f"{sandbox.newznab_url}/api", params=parameters)
    assert answer.status_code == 200
    return ElementTree.fromstring(answer.content)


def attributes(item) -> dict[str, str]:
    return {attribute.get("name"): attribute.get("value") for attribute in item.iter(ATTRIBUTE)}


async def segments(http: httpx.AsyncClient, sandbox: Sandbox, words: str) -> list[list[str]]:
    """The message-ids of each file of the release with those words in its name."""
    (item,) = (await search(http, sandbox, t="search", q=words)).iter("item")
    nzb = ElementTree.fromstring((await http.get(item.findtext("link"))).content)
    return [[segment.text for segment in file.iter(f"{NZB}segment")] for file in nzb.iter(f"{NZB}file")]


async def download(sandbox: Sandbox, files: Sequence[Sequence[str]], directory: Path) -> None:
    async with connect(sandbox) as wire:
        await wire.log_in(sandbox)
        for message_ids in files:
            parts = [await wire.body(message_id) for message_id in message_ids]
            assert None not in [part.crc for part in parts]
            (directory / str(parts[0].file_name)).write_bytes(b"".join(bytes(p.data or b"") for p in parts))


def par2_verify(index: Path) -> int:
    return subprocess.run(
        [par2_program(), "verify", "-q", index], capture_output=True, check=False
    ).returncode


def film(cache: Path, title_id: int) -> Path:
    (path,) = cache.glob(f"recipe-*/{title_id}.*")
    return path


# The news server


async def test_a_session_runs_in_the_order_of_the_rfc(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    files = await segments(http, sandbox, "paper lanterns web-dl")
    message_id = files[0][0]
    async with connect(sandbox) as wire:
        assert (await wire.hear()).startswith("200 ")
        assert (await wire.ask(f"BODY <{message_id}>")).startswith("480 ")
        assert (await wire.ask("AUTHINFO PASS early")).startswith("482 ")
        assert (await wire.ask("AUTHINFO USER sandbox")).startswith("381 ")
        assert (await wire.ask("AUTHINFO PASS wrong")).startswith("481 ")
        assert (await wire.ask(f"STAT <{message_id}>")).startswith("480 ")
        assert (await wire.ask("AUTHINFO USER sandbox")).startswith("381 ")
        assert (await wire.ask(f"AUTHINFO PASS {sandbox.nntp_password}")).startswith("281 ")
        assert (await wire.ask("AUTHINFO USER sandbox")).startswith("502 ")
        assert (await wire.ask("MODE READER")).startswith("201 ")
        assert (await wire.ask("DATE")).startswith("111 2")
        assert (await wire.ask("GROUP alt.binaries.matinee")).startswith("211 ")
        assert await wire.ask(f"stat <{message_id}>") == f"223 0 <{message_id}>"
        assert (await wire.ask("STAT <nobody@nowhere.invalid>")).startswith("430 ")
        assert (await wire.ask("BODY 1")).startswith("412 ")
        assert (await wire.ask("XYZZY")).startswith("500 ")
        assert (await wire.ask("CAPABILITIES")).startswith("101 ")
        assert "AUTHINFO USER" in await wire.hear_block()
        assert (await wire.ask("QUIT")).startswith("205 ")
        assert await wire.reader.read() == b""


async def test_head_and_article_carry_the_same_headers(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    ((message_id, *_),) = await segments(http, sandbox, "paper lanterns hdcam")
    async with connect(sandbox) as wire:
        await wire.log_in(sandbox)
        assert await wire.ask(f"HEAD <{message_id}>") == f"221 0 <{message_id}>"
        head = await wire.hear_block()
        assert await wire.ask(f"ARTICLE <{message_id}>") == f"220 0 <{message_id}>"
        article = await wire.hear_block()
    assert f"Message-ID: <{message_id}>" in head
    assert article[: len(head) + 1] == [*head, ""]
    assert article[len(head) + 1].startswith("=ybegin part=1 ")


async def test_pipelined_commands_are_answered_in_order(sandbox: Sandbox) -> None:
    async with connect(sandbox) as wire:
        await wire.log_in(sandbox)
        await wire.say("DATE", "STAT <a@b>", "MODE READER", "NOPE", "GROUP x", "QUIT")
        codes = [(await wire.hear())[:3] for _ in range(6)]
    assert codes == ["111", "430", "201", "500", "211", "205"]


async def test_an_endless_line_is_refused(sandbox: Sandbox) -> None:
    async with connect(sandbox) as wire:
        await wire.hear()
        await wire.say("A" * 100_000)
        assert (await wire.hear()).startswith("501 ")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_the_certificate_is_the_authority_s_own(sandbox: Sandbox, host: str) -> None:
    async with connect(sandbox, host) as wire:
        assert (await wire.hear()).startswith("200 ")


async def test_a_client_without_the_authority_does_not_trust_it(sandbox: Sandbox) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection("127.0.0.1", sandbox.nntp_port, ssl=ssl.create_default_context())


async def test_the_news_server_can_speak_without_tls(tmp_path: Path, cache: Path) -> None:
    async with (
        Sandbox(tmp_path, films="few", cache=cache, nntp_tls=False) as sandbox,
        connect(sandbox, tls=False) as wire,
    ):
        await wire.log_in(sandbox)


# From the index to the film


async def test_a_plain_release_is_the_film_and_pyav_opens_it(
    sandbox: Sandbox, http: httpx.AsyncClient, cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "got").mkdir()
    files = await segments(http, sandbox, "paper lanterns web-dl")
    await download(sandbox, files, tmp_path / "got")
    (path,) = (tmp_path / "got").iterdir()
    assert path.name == "Paper.Lanterns.2023.1080p.WEB-DL.DDP5.1.H.264-LANTERNA.mkv"
    assert path.read_bytes() == film(cache, 900002).read_bytes()
    with av.open(str(path)) as opened:
        assert opened.duration / av.time_base == pytest.approx(30, abs=0.1)


async def test_a_packed_release_verifies_and_unpacks_to_the_film(
    sandbox: Sandbox, http: httpx.AsyncClient, cache: Path, tmp_path: Path
) -> None:
    got = tmp_path / "got"
    got.mkdir()
    await download(sandbox, await segments(http, sandbox, "long intermission web-dl"), got)
    name = "The.Long.Intermission.2024.1080p.WEB-DL.DDP5.1.H.264-LANTERNA"
    assert par2_verify(got / f"{name}.par2") == 0
    with rarfile.RarFile(got / f"{name}.part01.rar") as archive:
        assert len(archive.volumelist()) == 5
        assert archive.read(f"{name}.mkv") == film(cache, 900001).read_bytes()


@pytest.mark.parametrize("title_id", FEW)
async def test_the_best_release_of_each_of_the_few_is_found_by_imdb_id(
    sandbox: Sandbox, http: httpx.AsyncClient, title_id: int
) -> None:
    feed = await search(http, sandbox, t="movie", imdbid=str(title_id).replace("900", "tt9000"))
    names = [item.findtext("title") for item in feed.iter("item")]
    assert len(names) == 6
    assert len([name for name in names if "1080p.WEB-DL" in name or "1080p.BluRay" in name]) == 1


# Misbehaviour of the news server


async def test_articles_can_be_missing(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    ((first, second, third, *_),) = await segments(http, sandbox, "paper lanterns hdcam")
    name = "Paper.Lanterns.2023.HDCAM.x264-POPKORN"
    async with connect(sandbox) as wire:
        await wire.log_in(sandbox)
        sandbox.faults.set(Faults(nntp=NntpFaults(missing=frozenset({first}), missing_every={name: 3})))
        codes = [(await wire.ask(f"STAT <{message_id}>"))[:3] for message_id in (first, second, third)]
        assert codes == ["430", "223", "430"]
        sandbox.faults.clear()
        assert (await wire.ask(f"STAT <{first}>"))[:3] == "223"


async def test_an_article_expires_with_its_file(sandbox: Sandbox, tmp_path: Path) -> None:
    source = tmp_path / "own.bin"
    source.write_bytes(bytes(100))
    release = await sandbox.post(NewPost(paths=(str(source),), title="Expired"))
    source.unlink()
    async with connect(sandbox) as wire:
        await wire.log_in(sandbox)
        assert (await wire.ask(f"BODY <{release.post.message_ids[0]}>")).startswith("430 ")
        assert (await wire.ask("DATE")).startswith("111 ")


async def test_articles_can_be_corrupt(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    ((first, second, *_),) = await segments(http, sandbox, "paper lanterns hdcam")
    sandbox.faults.set(Faults(nntp=NntpFaults(corrupt=frozenset({first}))))
    async with connect(sandbox) as wire:
        await wire.log_in(sandbox)
        assert (await wire.body(first)).crc is None
        assert (await wire.body(second)).crc is not None


async def test_a_connection_can_drop_in_the_middle_of_an_article(
    sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    ((first, second, *_),) = await segments(http, sandbox, "paper lanterns hdcam")
    sandbox.faults.set(Faults(nntp=NntpFaults(drop_every=2)))
    async with connect(sandbox) as wire:
        await wire.log_in(sandbox)
        assert (await wire.body(first)).crc is not None
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await wire.body(second)
    assert len(caught.value.partial) > 10_000


async def test_a_connection_can_be_slow(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    ((first, *_),) = await segments(http, sandbox, "paper lanterns hdcam")
    sandbox.faults.set(Faults(nntp=NntpFaults(bytes_per_s=400_000, delay_ms=50)))
    clock = asyncio.get_running_loop().time
    async with connect(sandbox) as wire:
        await wire.log_in(sandbox)
        started = clock()
        assert (await wire.body(first)).crc is not None
        assert clock() - started >= 0.05 + 103_000 / 400_000 * 0.8


async def test_credentials_and_connections_can_be_refused(sandbox: Sandbox) -> None:
    sandbox.faults.set(Faults(nntp=NntpFaults(refuse_credentials=True, max_connections=1)))
    async with connect(sandbox) as first:
        assert (await first.hear()).startswith("200 ")
        await first.ask(f"AUTHINFO USER {sandbox.nntp_username}")
        assert (await first.ask(f"AUTHINFO PASS {sandbox.nntp_password}")).startswith("481 ")
        async with connect(sandbox) as second:
            assert (await second.hear()).startswith("502 ")
            assert await second.reader.read() == b""


# Control


async def test_faults_are_replaced_as_a_whole_over_http(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    url = f"{sandbox.control_url}/faults"
    assert (await http.post(url, json={"nntp": {"delay_ms": 5}})).status_code == 200
    assert sandbox.faults.current == Faults(nntp=NntpFaults(delay_ms=5))
    assert (await http.get(url)).json()["nntp"]["delay_ms"] == 5
    assert (await http.post(url, json={})).status_code == 200
    assert sandbox.faults.current == Faults()


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("faults", b'{"nntp": {"dealy_ms": 5}}'),
        ("faults", b"{"),
        ("posts", b'{"paths": ["/no/such/file"], "title": "x"}'),
        ("titles", b'{"id": "x"}'),
    ],
)
async def test_wrong_orders_are_refused(
    sandbox: Sandbox, http: httpx.AsyncClient, path: str, content: bytes
) -> None:
    answer = await http.post(f"{sandbox.control_url}/{path}", content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_a_title_and_its_release_can_be_added(
    sandbox: Sandbox, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    source = tmp_path / "own.mkv"
    source.write_bytes(Random(3).randbytes(300_000))
    title = {"id": 950001, "title": "My Own Film", "release_date": "2026-01-02", "imdb_id": "tt9500001"}
    post = {
        "paths": [str(source)],
        "title": "My.Own.Film.2026.1080p.WEB-DL.x264-ME",
        "imdb_id": "tt9500001",
        "article_bytes": 50_000,
        "packing": "rar5-volumes+par2",
    }
    assert (await http.post(f"{sandbox.control_url}/titles", json=title)).status_code == 201
    posted = await http.post(f"{sandbox.control_url}/posts", json=post)
    assert posted.status_code == 201
    details = await http.get(f"{sandbox.tmdb_url}/3/movie/950001")
    assert details.json()["title"] == "My Own Film"
    (item,) = (await search(http, sandbox, t="movie", imdbid="9500001")).iter("item")
    assert attributes(item)["guid"] == posted.json()["id"]
    got = tmp_path / "got"
    got.mkdir()
    await download(sandbox, await segments(http, sandbox, "my own film"), got)
    with rarfile.RarFile(got / f"{post['title']}.part01.rar") as archive:
        assert archive.read(f"{post['title']}.mkv") == source.read_bytes()


async def test_what_was_served_is_counted(sandbox: Sandbox, http: httpx.AsyncClient, tmp_path: Path) -> None:
    source = tmp_path / "own.bin"
    source.write_bytes(bytes(2500))
    release = await sandbox.post(NewPost(paths=(str(source),), title="Counted", article_bytes=1000))
    await download(sandbox, [release.post.message_ids], tmp_path)
    await download(sandbox, [release.post.message_ids[:1]], tmp_path)
    counters = (await http.get(f"{sandbox.control_url}/counters")).json()
    first, second, third = release.post.message_ids
    assert counters["articles"] == {first: 2, second: 1, third: 1}
    assert (counters["articles_total"], counters["nntp"]["connections"]) == (4, 2)
    await search(http, sandbox, t="search", q="counted")
    assert (await http.get(f"{sandbox.control_url}/counters")).json()["http"] == {"newznab t=search": 1}


async def test_tmdb_can_hang_and_the_sandbox_still_stops(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    sandbox.faults.set(Faults(tmdb=TmdbFaults(hang=True)))
    with pytest.raises(httpx.ReadTimeout):
        await http.get(f"{sandbox.tmdb_url}/3/movie/popular", timeout=0.2)


# The process


async def start_process(directory: Path, cache: Path, *options: str) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", "libs.sandbox", "--films", "few", "--cache", str(cache))
    process = await asyncio.create_subprocess_exec(
        *command, "--dir", str(directory), *options, stdin=asyncio.subprocess.PIPE, cwd=PACKAGE_ROOT
    )
    async with asyncio.timeout(TIMEOUT_S):
        while not (directory / "sandbox.json").exists():
            await asyncio.sleep(0.02)
    return process


async def test_the_process_tells_its_addresses_and_ends_with_its_lifeline(
    tmp_path: Path, cache: Path
) -> None:
    process = await start_process(tmp_path, cache, "--lifeline")
    addresses = json.loads((tmp_path / "sandbox.json").read_text())
    async with httpx.AsyncClient(trust_env=False) as client:
        token = {"authorization": f"Bearer {addresses['tmdb_token']}"}
        answer = await client.get(f"{addresses['tmdb_url']}/3/movie/popular", headers=token)
        assert answer.status_code == 200
    assert process.stdin is not None
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), TIMEOUT_S) == 0
    assert not (tmp_path / "sandbox.json").exists()


@pytest.mark.parametrize("options", [(), ("--lifeline",)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_process_ends_by_signal(
    tmp_path: Path, cache: Path, number: signal.Signals, options: tuple[str, ...]
) -> None:
    process = await start_process(tmp_path, cache, *options)
    process.send_signal(number)
    assert await asyncio.wait_for(process.wait(), TIMEOUT_S) == 0
    assert not (tmp_path / "sandbox.json").exists()


async def test_a_taken_port_is_told_in_one_line(sandbox: Sandbox, tmp_path: Path, cache: Path) -> None:
    command = (sys.executable, "-m", "libs.sandbox", "--films", "few", "--cache", str(cache))
    process = await asyncio.create_subprocess_exec(
        *command,
        *("--dir", str(tmp_path / "second"), "--nntp-port", str(sandbox.nntp_port)),
        cwd=PACKAGE_ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert process.returncode == 1
    assert told.startswith(b"the sandbox stopped: ")
    assert str(sandbox.nntp_port).encode() in told
    assert told.count(b"\n") == 1


async def test_a_search_waits_for_the_film_that_is_being_made(tmp_path: Path, cache: Path) -> None:
    async with (
        Sandbox(tmp_path, films=[*FEW, 900013], cache=cache) as sandbox,
        httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as client,
    ):
        assert len(sandbox.releases.find()) == 24
        feed = await search(client, sandbox, t="search", q="small hours")
        assert len(list(feed.iter("item"))) == 6
        assert film(cache, 900013).suffix == ".mkv"


async def test_a_sandbox_left_in_the_middle_of_a_film_leaves_no_process(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1), Sandbox(tmp_path, films=[900001]):
            raise AssertionError("ready before its film was made")
    assert not [line for line in children_command_lines() if "libs.sandbox.studio" in line]


def children_command_lines() -> list[str]:
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [Path(f"/proc/{child}/cmdline").read_text() for child in children]
