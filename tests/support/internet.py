"""The sandbox internet as one process for a whole test session, told over HTTP what to do wrong."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import msgspec

FILMS = Path(__file__).parents[2] / ".pytest_cache" / "films"
"""Films are the same every time: made once per machine."""


class Offer(msgspec.Struct, frozen=True):
    """A release as the sandbox's indexer lists it."""

    id: str
    title: str
    link: str
    size_bytes: int
    movie_id: int


class Internet:
    def __init__(self, directory: Path, *arguments: str) -> None:
        self._directory = directory
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "libs.sandbox",
                "--dir",
                directory,
                "--cache",
                FILMS,
                "--lifeline",
                *arguments,
            ],
            stdin=subprocess.PIPE,
        )
        self.addresses = self._wait()
        self._http = httpx.Client(base_url=self.addresses["control_url"].removesuffix("/control"), timeout=60)

    def _wait(self) -> dict[str, Any]:
        deadline = time.monotonic() + 120
        file = self._directory / "sandbox.json"
        while not file.exists():
            assert self._process.poll() is None, "the sandbox died"
            assert time.monotonic() < deadline, "the sandbox did not start"
            time.sleep(0.02)
        return json.loads(file.read_text())

    def close(self) -> None:
        self._http.close()
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    # What a settings file would say -----------------------------------------------------------------------

    def environment(self, **usenet: Any) -> dict[str, str]:
        """The settings that point Matinee at this internet, as variables; `usenet` overrides server keys."""
        a = self.addresses
        indexer = {"name": "Sandbox", "url": a["newznab_url"], "api_key": a["newznab_api_key"]}
        server = {
            "host": a["nntp_host"],
            "port": a["nntp_port"],
            "username": a["nntp_username"],
            "password": a["nntp_password"],
            "ca_file": a["ca_file"],
            "connections": 8,
        }
        return {
            "MATINEE_TMDB_URL": a["tmdb_url"],
            "MATINEE_TMDB_TOKEN": a["tmdb_token"],
            "MATINEE_JIKAN_URL": a["jikan_url"],
            "MATINEE_INDEXERS": json.dumps([indexer]),
            "MATINEE_USENET": json.dumps([server | usenet]),
        }

    # What it can be told and asked ------------------------------------------------------------------------

    def misbehave(self, **faults: Any) -> None:
        """Replaces all faults; without arguments everything is healthy again."""
        self._http.post("/control/faults", json=faults).raise_for_status()

    def counters(self) -> dict[str, Any]:
        return self._http.get("/control/counters").raise_for_status().json()

    def post(self, path: Path, title: str, *beside: Path, **more: Any) -> dict[str, Any]:
        """Posts a file, or several, as a release: `id`, `title`, `size_bytes`, `message_ids`."""
        body = {"paths": [str(path), *map(str, beside)], "title": title, **more}
        return self._http.post("/control/posts", json=body).raise_for_status().json()

    def add_title(self, movie_id: int, title: str, imdb_id: str) -> None:
        """A title more in the film database."""
        body = {"id": movie_id, "title": title, "release_date": "2024-01-01", "imdb_id": imdb_id}
        self._http.post("/control/titles", json=body).raise_for_status()

    def offers(self) -> list[Offer]:
        """Everything the indexer lists."""
        query = {"t": "search", "q": "", "apikey": self.addresses["newznab_api_key"], "limit": 500}
        feed = ElementTree.fromstring(self._http.get("/api", params=query).raise_for_status().content)
        return [_offer(item) for item in feed.iter("item")]

    def film_of(self, movie_id: int) -> bytes:
        """The true bytes of a title's film."""
        [path] = FILMS.glob(f"recipe-*/{movie_id}.m[kp][v4]")
        return path.read_bytes()


def _offer(item: ElementTree.Element) -> Offer:
    link = item.findtext("link") or ""
    enclosure = item.find("enclosure")
    attributes = {a.get("name"): a.get("value") for a in item if a.tag.endswith("attr")}
    return Offer(
        id=(re.search(r"[?&]id=([^&]+)", link) or [""] * 2)[1],
        title=item.findtext("title") or "",
        link=link,
        size_bytes=int(enclosure.get("length", "0")) if enclosure is not None else 0,
        # The sandbox numbers both alike: tt9000001 is 900001.
        movie_id=int((attributes.get("imdb") or "0").replace("9000", "900", 1)),
    )
