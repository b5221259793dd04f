"""The sandbox's own switchboard: faults, counters, further posts and titles (`/control/…`, JSON)."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec

from libs.sandbox.faults import Counters, Faults, FaultSwitch
from libs.sandbox.packing import Packing, PackingError, pack
from libs.sandbox.posts import ARTICLE_BYTES, ArticleIndex, Encoding
from libs.sandbox.releases import MOVIES_HD, Release, ReleaseIndex, ReleaseRecipe
from libs.sandbox.titles import Programme, Title
from libs.sandbox.web import Request, Response, json_response


class NewPost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A release to be posted. `title` is its name in the index, in subjects and in the NZB.

    Any packing but plain takes exactly one file, and names what it makes by `name` (default: the title).
    """

    paths: tuple[str, ...]
    title: str
    name: str = ""
    imdb_id: str | None = None
    article_bytes: Annotated[int, msgspec.Meta(ge=1000, le=4_000_000)] = ARTICLE_BYTES
    packing: Packing = "plain"
    obfuscate: bool = False
    nameless: bool = False
    encoding: Encoding = "yenc"
    age_days: float = 0.0
    grabs: int = 0
    category: int = MOVIES_HD


class Control:
    """Changes a running sandbox; the same from inside its process and over HTTP."""

    def __init__(
        self,
        programme: Programme,
        articles: ArticleIndex,
        releases: ReleaseIndex,
        faults: FaultSwitch,
        counters: Counters,
        *,
        directory: Path,
    ) -> None:
        self._programme = programme
        self._articles = articles
        self._releases = releases
        self._faults = faults
        self._counters = counters
        self._directory = directory

    async def post(self, new: NewPost) -> Release:
        """Posts files as a new release, or in place of one of its title; plain files stay in place."""
        paths = [Path(path) for path in new.paths]
        for path in paths:
            if not path.is_file():
                raise PackingError(f"{path} is no file")
        recipe = ReleaseRecipe(
            name=new.title,
            packing=new.packing,
            category=new.category,
            age_days=new.age_days,
            grabs=new.grabs,
            imdb_id=new.imdb_id,
        )
        posted_at = datetime.now(UTC) - timedelta(days=new.age_days)
        if new.packing != "plain":
            paths = await asyncio.to_thread(self._pack, paths, new, posted_at)
        post = self._articles.post(
            paths,
            title=new.title,
            article_bytes=new.article_bytes,
            obfuscate=new.obfuscate,
            nameless=new.nameless,
            encoding=new.encoding,
            posted_at=posted_at,
        )
        return self._releases.add(recipe, post, posted_at)

    def _pack(self, paths: list[Path], new: NewPost, posted_at: datetime) -> list[Path]:
        if len(paths) != 1:
            raise PackingError(f"the packing {new.packing} takes one file, not {len(paths)}")
        folder = self._directory / "posts" / f"{posted_at:%Y%m%d%H%M%S%f}"
        return pack(paths[0], new.name or new.title, new.packing, folder)

    async def handle(self, request: Request) -> Response:
        """`POST /control/faults|posts|titles`, `GET /control/faults|counters`; wrong input is 400."""
        try:
            return await self._route(request)
        except (msgspec.ValidationError, msgspec.DecodeError, PackingError) as error:
            return json_response({"error": str(error)}, status=400)

    async def _route(self, request: Request) -> Response:
        match request.method, request.path:
            case "GET", "/control/counters":
                return json_response(self._counters.snapshot())
            case "GET", "/control/faults":
                return json_response(self._faults.current)
            case "POST", "/control/faults":
                self._faults.set(msgspec.json.decode(request.body, type=Faults))
                return json_response(self._faults.current)
            case "POST", "/control/posts":
                release = await self.post(msgspec.json.decode(request.body, type=NewPost))
                return json_response(_shown(release), status=201)
            case "POST", "/control/titles":
                title = msgspec.json.decode(request.body, type=Title)
                self._programme.add(title)
                return json_response(title, status=201)
            case _:
                return json_response({"error": f"no {request.method} {request.path} here"}, status=404)


def _shown(release: Release) -> dict[str, object]:
    return {
        "id": release.id,
        "title": release.recipe.name,
        "size_bytes": release.size_bytes,
        "message_ids": release.post.message_ids,
    }
