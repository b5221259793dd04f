"""Every form a film is posted in, under every fault: byte for byte the film, or a failure in words.

Real NNTP over TLS, the real pipeline, a store of files. Each row posts nothing: releases are made once.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, nullcontext
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme

from libs.common.objects.files import FilesStore
from libs.sandbox.faults import Counters, Faults, FaultSwitch, NntpFaults
from libs.sandbox.nntp import NewsServer
from libs.sandbox.nzb_faults import NzbFault, broken_nzb
from libs.sandbox.packing import pack
from libs.sandbox.posts import ArticleIndex
from services.downloader.errors import ReleaseError
from services.downloader.pipeline import Pipeline, Target
from services.downloader.progress import Reporter
from services.downloader.usenet.nzb import parse_nzb
from services.downloader.usenet.pool import Engine
from services.downloader.usenet.servers import Server
from services.downloader.usenet.source import UsenetSource
from tests.support.box import synthetic_film
from tests.support.pipelines import Listener, nobody

FILM_BYTES = 1_000_000
ARTICLE_BYTES = 20_000
PREFIX = "movies/job_1_00/"


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How a release is posted."""

    packing: str
    obfuscate: bool = False
    nameless: bool = False
    uuencoded: bool = False

    @property
    def name(self) -> str:
        told = {"obfuscated": self.obfuscate, "nameless": self.nameless, "uuencoded": self.uuencoded}
        return " ".join([self.packing, *(word for word, is_so in told.items() if is_so)])

    @property
    def mendable(self) -> bool:
        return self.packing.endswith("+par2")


SHAPES = [
    *(
        Shape(packing=f"{form}+par2")
        for form in (
            "plain",
            "split",
            "rar4",
            "rar4-volumes",
            "rar4-old-names",
            "rar5",
            "rar5-volumes",
            "rar5-old-names",
            "zip",
            "zip64",
            "7z",
            "7z-split",
            "split-in-rar",
            "rar-in-rar",
            "folders-in-rar",
        )
    ),
    Shape(packing="split+par2", obfuscate=True),
    Shape(packing="7z-split+par2", nameless=True),
    Shape(packing="rar4-old-names+par2", nameless=True),
    Shape(packing="rar4-volumes", nameless=True),
    Shape(packing="rar5-volumes", nameless=True),
    Shape(packing="rar-in-rar", obfuscate=True),
    Shape(packing="zip", obfuscate=True),
    Shape(packing="plain", nameless=True),
    Shape(packing="plain", uuencoded=True),
    Shape(packing="rar4-old-names+par2", uuencoded=True),
    Shape(packing="rar5-volumes+par2", uuencoded=True, obfuscate=True),
]


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """A release on the servers: its NZB, and the message-ids of each of its files that is no par2."""

    nzb: bytes
    volumes: Sequence[Sequence[str]]

    @property
    def articles(self) -> Sequence[str]:
        return [article for volume in self.volumes for article in volume]


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a release; `says` is what a failure says."""

    missing: Callable[[Posted], Sequence[str]] = lambda _: ()
    corrupt: Callable[[Posted], Sequence[str]] = lambda _: ()
    nzb: NzbFault | None = None
    drop_every: int | None = None
    backup: bool = False
    """A second server has everything."""
    mendable: Callable[[Posted], bool] = lambda _: True
    """If the release brings par2."""
    harmless: bool = False
    says: str = ""


LOST = "gone from the news|can't be had|no news server has this release|can't be mended"
GAP = "of the archive is missing from the release|piece 001 of .* is missing from the release"

FAULTS = {
    "healthy": Fault(harmless=True),
    "holes that par2 mends": Fault(missing=lambda p: p.articles[7::20], says=f"{LOST}|{GAP}"),
    "holes beyond": Fault(missing=lambda p: p.articles[1::3], mendable=lambda _: False, says=f"{LOST}|{GAP}"),
    "one corrupt article": Fault(corrupt=lambda p: p.articles[20:21], says=LOST),
    "missing on server 1 only": Fault(missing=lambda p: p.articles[::3], backup=True, harmless=True),
    "first volume missing": Fault(
        missing=lambda p: p.volumes[0], mendable=lambda p: len(p.volumes) >= 10, says=f"{LOST}|{GAP}"
    ),
    "first volume not listed": Fault(
        nzb="first_file_unlisted",
        mendable=lambda p: len(p.volumes) >= 10,
        says=f"{LOST}|{GAP}|lists no articles|nothing but recovery data",
    ),
    "wrong order in the NZB": Fault(nzb="shuffled", harmless=True),
    "duplicate segments": Fault(nzb="duplicated", harmless=True),
    "wrong sizes in the NZB": Fault(nzb="wrong_sizes", harmless=True),
    "bogus subjects": Fault(nzb="bogus_subjects", harmless=True),
    "connections cut in every fifth article": Fault(drop_every=5, harmless=True),
}


class Playground:
    """Releases made once, on servers that are started for each row."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.film_path = directory / "film.mkv"
        self.film = synthetic_film(self.film_path, FILM_BYTES)
        self.articles = ArticleIndex()
        self.posted = {shape.name: self._post(shape) for shape in SHAPES}
        authority = trustme.CA()
        self.ca_file = directory / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self._tls)

    def _post(self, shape: Shape) -> Posted:
        paths = pack(self.film_path, shape.name, shape.packing, self.directory / shape.name)
        paths.sort(key=lambda path: path.suffix == ".par2")
        post = self.articles.post(
            paths,
            title=shape.name,
            article_bytes=ARTICLE_BYTES,
            obfuscate=shape.obfuscate,
            nameless=shape.nameless,
            encoding="uu" if shape.uuencoded else "yenc",
        )
        files = parse_nzb(post.nzb).files
        volumes = [file for path, file in zip(paths, files, strict=True) if path.suffix != ".par2"]
        return Posted(nzb=post.nzb, volumes=[[s.message_id for s in file.segments] for file in volumes])

    async def serve(self, stack: AsyncExitStack, priority: int = 0, **faults: Any) -> Server:
        switch = FaultSwitch()
        switch.set(Faults(nntp=NntpFaults(**faults)))
        server = NewsServer(self.articles, switch, Counters(), username="bob", password="secret")
        port = await server.start("127.0.0.1", 0, self._tls)
        stack.push_async_callback(server.close)
        return Server(
            host="localhost",
            port=port,
            ca_file=self.ca_file,
            username="bob",
            password="secret",
            connections=4,
            priority=priority,
        )


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    return Playground(tmp_path_factory.mktemp("matrix"))


async def fetch(playground: Playground, posted: Posted, fault: Fault, directory: Path) -> None:
    """Into a store in this directory."""
    async with AsyncExitStack() as stack:
        missing, corrupt = frozenset(fault.missing(posted)), frozenset(fault.corrupt(posted))
        wrong = {"missing": missing, "corrupt": corrupt, "drop_every": fault.drop_every}
        servers = [await playground.serve(stack, **wrong)]
        if fault.backup:
            servers.append(await playground.serve(stack, priority=1))
        nzb = parse_nzb(broken_nzb(fault.nzb, posted.nzb) if fault.nzb else posted.nzb)
        source = UsenetSource(nzb, Engine(servers), directory / "scratch" / "spool")
        stack.push_async_callback(source.close)
        pipeline = Pipeline(
            source,
            FilesStore(directory / "store", public_url="http://127.0.0.1:1", secret=b"x" * 32),
            Target(prefix=PREFIX, sidecar={}, max_film_bytes=10**9),
            scratch=directory / "scratch",
            reporter=Reporter(nobody, job_id="job_1_00", attempt=1, delivery=1),
            listener=Listener(),
        )
        async with asyncio.timeout(30):
            await pipeline.run()


def left_in(directory: Path) -> tuple[dict[str, bytes], set[str]]:
    """The files in the store, and what the scratch directory holds."""
    stored = {p.name: p.read_bytes() for p in (directory / "store").rglob("*") if p.is_file()}
    return stored, {p.name for p in directory.glob("scratch/*")}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
async def test_the_film_or_a_failure(
    playground: Playground, shape: Shape, fault: str, tmp_path: Path
) -> None:
    posted, wrong = playground.posted[shape.name], FAULTS[fault]
    good = wrong.harmless or (shape.mendable and wrong.mendable(posted))
    expected = nullcontext() if good else pytest.raises(ReleaseError, match=wrong.says)
    with expected:
        await fetch(playground, posted, wrong, tmp_path)
    stored, scratch = left_in(tmp_path)
    assert stored.keys() == ({"movie.mkv", "movie.json"} if good else set())
    assert stored.get("movie.mkv", playground.film) == playground.film
    assert scratch <= {"spool", "promised"}
