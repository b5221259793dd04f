"""The releases of each title: scene-style names, how each is packed, and what an indexer knows of it."""

import random
import re
import unicodedata
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

import msgspec

from libs.sandbox.packing import Packing
from libs.sandbox.posts import Post
from libs.sandbox.titles import Title


class ReleaseRecipe(msgspec.Struct, frozen=True, kw_only=True):
    """A release before it is posted. `id` is a function of the name: 32 hexadecimal digits."""

    name: str
    packing: Packing
    category: int
    age_days: float
    grabs: int
    imdb_id: str | None = None

    @property
    def id(self) -> str:
        return blake2b(self.name.encode(), digest_size=16).hexdigest()

    @property
    def folder(self) -> Path:
        """Where its files lie, relative to the cache."""
        return Path("releases") / self.id


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A posted release. `size_bytes` is the sum of its segments' sizes, which is what indexers count."""

    recipe: ReleaseRecipe
    posted_at: datetime
    post: Post

    @property
    def id(self) -> str:
        return self.recipe.id

    @property
    def size_bytes(self) -> int:
        return self.post.size_bytes


MOVIES_SD, MOVIES_HD, MOVIES_UHD, MOVIES_BLURAY, MOVIES_WEB = 2030, 2040, 2045, 2050, 2080


def recipes_of(title: Title) -> list[ReleaseRecipe]:
    """The releases of a title with a film, the best 1080p one first: plain for even ids, else RAR5 + par2."""
    if title.film is None:
        return []
    even = title.id % 2 == 0
    best: Packing = "plain" if even else "rar5-volumes+par2"
    second: Packing = "rar5-volumes+par2" if even else "plain+par2"
    blu_ray = title.id % 3 == 0
    kinds: list[tuple[str, Packing, int, float, int]] = [
        ("1080p.BluRay.x264-LANTERNA", best, MOVIES_BLURAY, 41.5, 2210)
        if blu_ray
        else ("1080p.WEB-DL.DDP5.1.H.264-LANTERNA", best, MOVIES_WEB, 23.25, 1873),
        ("1080p.WEBRip.x264-USHER", second, MOVIES_HD, 19.0, 640),
        ("720p.HDTV.x264-BALCONY", "plain+par2", MOVIES_HD, 88.75, 312),
        ("2160p.UHD.BluRay.HDR.x265.10bit-GRANDLOGE", "rar5", MOVIES_UHD, 12.0, 451),
        ("480p.DVDRip.XviD-MATINEUR", "rar5-volumes+par2", MOVIES_SD, 402.0, 77),
        ("HDCAM.x264-POPKORN", "plain", MOVIES_SD, 131.5, 1502),
    ]
    stem, rng = f"{_dotted(title.title)}.{title.year}", random.Random(title.id)
    return [
        ReleaseRecipe(
            name=f"{stem}.{kind}",
            packing=packing,
            category=category,
            age_days=round(age_days * rng.uniform(0.8, 1.2), 3),
            grabs=int(grabs * rng.uniform(0.7, 1.3)),
            imdb_id=title.imdb_id,
        )
        for kind, packing, category, age_days, grabs in kinds
    ]


def _dotted(title: str) -> str:
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().replace("'", "")
    return ".".join(re.findall(r"[A-Za-z0-9]+", plain))


class ReleaseIndex:
    """Every posted release of one sandbox, found by id, by IMDb id or by words."""

    def __init__(self) -> None:
        self._releases: dict[str, Release] = {}

    def add(self, recipe: ReleaseRecipe, post: Post, posted_at: datetime) -> Release:
        """Adds a release; one with the same name replaces the earlier."""
        release = Release(recipe=recipe, posted_at=posted_at, post=post)
        self._releases[release.id] = release
        return release

    def get(self, release_id: str) -> Release | None:
        return self._releases.get(release_id)

    def find(self, *, imdb_id: str | None = None, words: str = "") -> list[Release]:
        """Releases with that IMDb id and every one of those words in their names, the newest first."""
        found = [release for release in self._releases.values() if matches(release.recipe, imdb_id, words)]
        return sorted(found, key=lambda release: release.posted_at, reverse=True)


def matches(recipe: ReleaseRecipe, imdb_id: str | None, words: str) -> bool:
    """Whether the release is of that IMDb id, if one is given, and has every one of the words in its name."""
    return (imdb_id is None or recipe.imdb_id == imdb_id) and _words(words) <= _words(recipe.name)


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower().replace("'", "")))
