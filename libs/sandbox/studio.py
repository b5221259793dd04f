"""Makes the films in processes of their own, the most popular first, and posts each as soon as it is there.

As a program (`python -m libs.sandbox.studio CACHE`) it is such a process: it renders the titles whose ids it
reads, one a line, answers each with the same line, and ends with its standard input.
"""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from libs.sandbox.films import RECIPE, render_film
from libs.sandbox.packing import pack
from libs.sandbox.posts import FILM_ARTICLE_BYTES, ArticleIndex
from libs.sandbox.releases import ReleaseIndex, ReleaseRecipe, recipes_of
from libs.sandbox.titles import Title, load_titles

WORKERS = 2
RENDER_TIMEOUT_S = 120
PACKAGE_ROOT = Path(__file__).parents[2]


class StudioError(Exception):
    """A film could not be made."""


def film_path(cache: Path, title: Title) -> Path:
    """Where a title's film lies, or will lie, in the cache; a new recipe gives new paths."""
    container = title.film.container if title.film else ""
    return cache / f"recipe-{RECIPE}" / f"{title.id}.{container}"


class Studio:
    """Renders and posts the films of the titles given; what the cache has is posted without rendering."""

    def __init__(
        self, titles: Sequence[Title], cache: Path, articles: ArticleIndex, releases: ReleaseIndex
    ) -> None:
        self._titles = {title.id: title for title in titles if title.film is not None}
        self._cache = cache
        self._articles = articles
        self._releases = releases
        self._queue = deque(self._titles.values())
        self._posted = {title_id: asyncio.Event() for title_id in self._titles}

    async def run(self) -> None:
        """Returns when every film is posted; the first that can't be made is a StudioError."""
        self._cache.mkdir(parents=True, exist_ok=True)
        cached = [title for title in self._queue if film_path(self._cache, title).exists()]
        self._queue = deque(title for title in self._queue if title not in cached)
        async with asyncio.TaskGroup() as group:
            for number in range(min(WORKERS, len(self._queue))):
                group.create_task(self._work(), name=f"sandbox-studio-{number}")
            for title in cached:
                await self._post(title)

    async def until_first(self, count: int) -> None:
        """Waits for the `count` most popular films."""
        for event in list(self._posted.values())[:count]:
            await event.wait()

    async def until_posted(self, wanted: Callable[[ReleaseRecipe], bool]) -> None:
        """Waits for the films with such a release."""
        for title_id, event in self._posted.items():
            if not event.is_set() and any(wanted(recipe) for recipe in recipes_of(self._titles[title_id])):
                await event.wait()

    async def _work(self) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "libs.sandbox.studio",
            str(self._cache.resolve()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=PACKAGE_ROOT,
        )
        try:
            while self._queue and process.stdin and process.stdout:
                title = self._queue.popleft()
                await _render(process.stdin, process.stdout, title)
                await self._post(title)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _post(self, title: Title) -> None:
        source = film_path(self._cache, title)
        for recipe in recipes_of(title):
            folder = source.parent / recipe.folder
            paths = await asyncio.to_thread(pack, source, recipe.name, recipe.packing, folder)
            posted_at = datetime.now(UTC) - timedelta(days=recipe.age_days)
            post = self._articles.post(
                paths, title=recipe.name, article_bytes=FILM_ARTICLE_BYTES, posted_at=posted_at
            )
            self._releases.add(recipe, post, posted_at)
        self._posted[title.id].set()


async def _render(orders: asyncio.StreamWriter, answers: asyncio.StreamReader, title: Title) -> None:
    try:
        async with asyncio.timeout(RENDER_TIMEOUT_S):
            orders.write(f"{title.id}\n".encode())
            await orders.drain()
            answer = await answers.readline()
    except (TimeoutError, ConnectionError) as error:
        raise StudioError(f"the film {title.title!r} could not be made: its process hung or died") from error
    if answer.strip() != str(title.id).encode():
        raise StudioError(f"the film {title.title!r} could not be made: its process died; see its output")


def main(cache: Path) -> None:
    """Renders what is asked for on standard input."""
    os.nice(5)
    titles = {title.id: title for title in load_titles()}
    for line in sys.stdin:
        title = titles[int(line)]
        if title.film is not None:
            render_film(title, title.film, film_path(cache, title))
        sys.stdout.write(f"{title.id}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
