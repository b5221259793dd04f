"""Films that only one test knows, so that no test's job is in another one's way."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.support.internet import Internet

FIRST_ID = 920_001
SHORT_FILM_ID = 900_004
"""The sandbox's shortest of a few: an MP4 of 28 s."""

BEST, SECOND = "1080p.WEB-DL.H.264-BEST", "720p.HDTV.x264-SECOND"
"""Ends of release names, in the order in which Matinee takes them."""

ARTICLE_BYTES = 20_000
"""Many small articles: progress that can be seen, and faults that end soon after they are lifted."""


class Premiere(msgspec.Struct, frozen=True):
    movie_id: int
    title: str
    releases: tuple[str, ...]
    """Their names, the best one first."""

    @property
    def path(self) -> str:
        return f"/title/{self.movie_id}"


class Premieres:
    def __init__(self, internet: Internet, directory: Path) -> None:
        self._internet = internet
        self._film = directory / "film.mp4"
        self._film.write_bytes(internet.film_of(SHORT_FILM_ID))
        self._next_id = FIRST_ID

    def give(
        self,
        title: str,
        *endings: str,
        packing: str = "plain",
        film: Path | None = None,
        beside: Sequence[Path] = (),
    ) -> Premiere:
        """A new title, and a post of a film (the short one) for each ending of a release's name.

        `beside`: more files of each post.
        """
        movie_id = self._next_id
        self._next_id += 1
        imdb_id = f"tt{movie_id}9"
        self._internet.add_title(movie_id, title, imdb_id)
        names = tuple(f"{title.replace(' ', '.')}.2024.{ending}" for ending in endings)
        for name in names:
            self._internet.post(
                film or self._film,
                name,
                *beside,
                imdb_id=imdb_id,
                article_bytes=ARTICLE_BYTES,
                packing=packing,
            )
        return Premiere(movie_id, title, names)
