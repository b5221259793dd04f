"""A small internet on loopback: TMDB, indexers, a news server, and films of its own making."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import msgspec
import trustme

from libs.sandbox.control import Control, NewPost
from libs.sandbox.faults import Counters, FaultSwitch
from libs.sandbox.jikan import PREFIX as JIKAN
from libs.sandbox.jikan import Jikan
from libs.sandbox.newznab import Newznab
from libs.sandbox.nntp import NewsServer
from libs.sandbox.opensubtitles import PREFIX as OPENSUBTITLES
from libs.sandbox.opensubtitles import OpenSubtitles
from libs.sandbox.posts import ArticleIndex
from libs.sandbox.prowlarr import PREFIX as PROWLARR
from libs.sandbox.prowlarr import Prowlarr
from libs.sandbox.releases import Release, ReleaseIndex
from libs.sandbox.series import load_broadcasts
from libs.sandbox.studio import Studio
from libs.sandbox.titles import FEW, Programme, load_titles
from libs.sandbox.tmdb import Tmdb
from libs.sandbox.web import Request, Response, WebServer

HOST = "127.0.0.1"
READY_FILMS = 4
"""So many of the most popular films are there when the sandbox says that it is ready."""
START_TIMEOUT_S = 180


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """How the sandbox is reached: the content of `sandbox.json`. All its indexers take the same key."""

    tmdb_url: str
    tmdb_token: str
    jikan_url: str
    newznab_url: str
    torznab_url: str
    prowlarr_url: str
    newznab_api_key: str
    opensubtitles_url: str
    opensubtitles_api_key: str
    nntp_host: str
    nntp_port: int
    nntp_tls: bool
    nntp_username: str
    nntp_password: str
    ca_file: str
    control_url: str


class Sandbox:
    """`async with Sandbox(directory) as sandbox:` serves until the block is left.

    Entering waits until everything listens and the first films are posted; an answer about a film that is
    still being made waits for it. `films`: which titles get films, all, a few (`titles.FEW`) or these ids.
    `cache` may be shared by many sandboxes, also at the same time. Ports default to free ones.
    """

    tmdb_token = "sandbox-tmdb-token"  # noqa: S105 - the sandbox keeps no secrets
    newznab_api_key = "sandbox-newznab-key"
    opensubtitles_api_key = "sandbox-opensubtitles-key"
    opensubtitles_username = "sandbox"
    opensubtitles_password = "sandbox-opensubtitles-password"  # noqa: S105 - as above
    nntp_host = HOST
    nntp_username = "sandbox"
    nntp_password = "sandbox-password"  # noqa: S105

    def __init__(
        self,
        directory: Path,
        *,
        films: Literal["all", "few"] | Sequence[int] = "all",
        cache: Path | None = None,
        tmdb_port: int = 0,
        newznab_port: int = 0,
        nntp_port: int = 0,
        nntp_tls: bool = True,
    ) -> None:
        self._directory = directory
        self._ports = (tmdb_port, newznab_port, nntp_port)
        self._nntp_tls = nntp_tls
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.faults = FaultSwitch()
        self.counters = Counters()
        self._articles = ArticleIndex()
        self.releases = ReleaseIndex()
        self.programme = Programme(load_titles())
        self.broadcasts = load_broadcasts()
        titles = [title for title in self.programme if films == "all" or title.id in _chosen(films)]
        self._studio = Studio(titles, cache or directory / "films", self._articles, self.releases)
        self._control = Control(
            self.programme, self._articles, self.releases, self.faults, self.counters, directory=directory
        )

    async def __aenter__(self) -> Self:
        self._directory.mkdir(parents=True, exist_ok=True)
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(ready), name="sandbox")
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await asyncio.wait((ready, self._task), return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            self._task.cancel()
            await asyncio.wait((self._task,))
            raise
        if self._task.done():
            self._task.result()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._task is not None:
            await self._task

    async def stopped(self) -> None:
        """Waits until the sandbox stops; it does so by itself only with the error that is raised here."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def until_posted(self) -> None:
        """Waits until every film is made and posted."""
        await self._studio.until_posted(lambda _: True)

    async def post(self, new: NewPost) -> Release:
        """Posts files as a new release, as `POST /control/posts` does."""
        return await self._control.post(new)

    @property
    def addresses(self) -> Addresses:
        return Addresses(
            tmdb_url=self.tmdb_url,
            tmdb_token=self.tmdb_token,
            jikan_url=self.jikan_url,
            newznab_url=self.newznab_url,
            torznab_url=self.torznab_url,
            prowlarr_url=self.prowlarr_url,
            newznab_api_key=self.newznab_api_key,
            opensubtitles_url=self.opensubtitles_url,
            opensubtitles_api_key=self.opensubtitles_api_key,
            nntp_host=self.nntp_host,
            nntp_port=self.nntp_port,
            nntp_tls=self._nntp_tls,
            nntp_username=self.nntp_username,
            nntp_password=self.nntp_password,
            ca_file=str(self.ca_file),
            control_url=self.control_url,
        )

    async def _run(self, ready: asyncio.Future[None]) -> None:
        tmdb_port, newznab_port, nntp_port = self._ports
        news = NewsServer(
            self._articles,
            self.faults,
            self.counters,
            username=self.nntp_username,
            password=self.nntp_password,
        )
        with (
            socket.create_server((HOST, tmdb_port)) as tmdb_listener,
            socket.create_server((HOST, newznab_port)) as newznab_listener,
        ):
            try:
                self.nntp_port = await news.start(HOST, nntp_port, self._tls() if self._nntp_tls else None)
                await self._serve(self._tmdb(tmdb_listener), self._newznab(newznab_listener), ready)
            finally:
                await news.close()

    async def _serve(self, tmdb: WebServer, newznab: WebServer, ready: asyncio.Future[None]) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(tmdb.serve(), name="sandbox-tmdb")
            group.create_task(newznab.serve(), name="sandbox-newznab")
            making = group.create_task(self._studio.run(), name="sandbox-studio")
            await self._studio.until_first(READY_FILMS)
            ready.set_result(None)
            await self._stop.wait()
            making.cancel()
            tmdb.close()
            newznab.close()

    def _tmdb(self, listener: socket.socket) -> WebServer:
        tmdb = Tmdb(
            self.programme,
            self.faults,
            self.counters,
            token=self.tmdb_token,
            broadcasts=self.broadcasts,
        )
        server = WebServer(tmdb.handle, listener)
        self.tmdb_url = tmdb.base_url = server.url
        return server

    def _newznab(self, listener: socket.socket) -> WebServer:
        newznab = Newznab(
            self.releases, self._studio, self.faults, self.counters, api_key=self.newznab_api_key
        )
        texts = OpenSubtitles(
            self.programme,
            self.faults,
            self.counters,
            api_key=self.opensubtitles_api_key,
            username=self.opensubtitles_username,
            password=self.opensubtitles_password,
        )

        prowlarr = Prowlarr(
            self.releases, self._studio, self.faults, self.counters, api_key=self.newznab_api_key
        )

        jikan = Jikan(self.broadcasts, self.faults, self.counters)

        async def by_path(request: Request) -> Response:
            if request.path.startswith("/control/"):
                return await self._control.handle(request)
            if request.path.startswith(f"{OPENSUBTITLES}/"):
                return await texts.handle(request)
            if request.path.startswith(f"{JIKAN}/"):
                return await jikan.handle(request)
            if request.path.startswith(f"{PROWLARR}/"):
                return await prowlarr.handle(request)
            return await newznab.handle(request)

        server = WebServer(by_path, listener)
        self.newznab_url = newznab.base_url = texts.base_url = prowlarr.base_url = server.url
        self.opensubtitles_url = f"{server.url}{OPENSUBTITLES}"
        self.torznab_url, self.prowlarr_url = f"{server.url}/torznab", f"{server.url}{PROWLARR}"
        self.jikan_url = f"{server.url}{JIKAN}"
        self.control_url = f"{server.url}/control"
        return server

    def _tls(self) -> ssl.SSLContext:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_file))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST, "localhost").configure_cert(context)
        return context

    @property
    def ca_file(self) -> Path:
        """PEM of the authority that signed the news server's certificate."""
        return self._directory.resolve() / "ca.pem"


def _chosen(films: Literal["all", "few"] | Sequence[int]) -> Sequence[int]:
    return FEW if isinstance(films, str) else films
