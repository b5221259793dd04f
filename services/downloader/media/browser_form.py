"""A film as browsers want it, on its way into the store: the segments that players get, one after the other.

Memory: SEGMENTS_AHEAD + 1 segments, and what `publish.Streaming` takes.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import aclosing, suppress
from typing import Final

from msgspec.structs import replace

from libs.common.events import Film
from libs.common.objects import ObjectStore, StoreError, Upload
from services.downloader.media.companions import Companion, Companions
from services.downloader.media.messages import Outline
from services.downloader.media.parts import MASTER, PLAYLIST_TYPE, PREPARED, PREPARED_TYPE, playlist_name
from services.downloader.media.process import MediaFailed
from services.downloader.media.theatre import Theatre
from services.downloader.publish import ABORT_S, Streaming

SEGMENTS_AHEAD: Final = 2
"""Asked for while earlier ones go up, so that the media process is never idle."""


class BrowserForm:
    """A `Publication`: movie.mp4, and playlists that tell where in it each segment lies."""

    def __init__(
        self, theatre: Theatre, outline: Outline, store: ObjectStore, prefix: str, upload: Upload
    ) -> None:
        """`upload`: of movie.mp4 under the prefix."""
        self._theatre = theatre
        self._outline = outline
        self._store = store
        self._prefix = prefix
        self._pieces = self._made()
        self._streaming = Streaming(self._pieces, upload)
        self._ranges: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        self._companions = Companions(theatre, outline)
        self._beside: list[Companion] = []
        self._put: list[str] = []

    @classmethod
    async def start(
        cls, theatre: Theatre, outline: Outline, store: ObjectStore, prefix: str
    ) -> "BrowserForm":
        """Raises `StoreError`."""
        upload = await store.start_upload(
            prefix + PREPARED, size_bytes=outline.stored_bytes, content_type=PREPARED_TYPE
        )
        return cls(theatre, outline, store, prefix, upload)

    @property
    def landed_bytes(self) -> int:
        """Of movie.mp4."""
        return self._streaming.landed_bytes

    @property
    def share(self) -> float:
        """How much of it is made, from 0 to 1."""
        made = sum(len(ranges) for ranges in self._ranges.values())
        return made / (self._outline.segments * len(self._outline.renditions) or 1)

    async def run(self) -> None:
        """Raises `MediaFailed` if the film can't be prepared to its end; other errors in a group."""
        failure: MediaFailed | None = None
        try:
            async with aclosing(self._pieces):
                await self._streaming.run()
        except* MediaFailed as errors:
            failure = next(_leaves(errors))
        if failure:
            raise failure
        for rendition, ranges in self._ranges.items():
            playlist = await self._theatre.stored_playlist(rendition, tuple(ranges))
            self._beside.append(Companion(playlist_name(rendition), playlist, PLAYLIST_TYPE))
        companions, texts = await self._companions.finish()
        master = await self._theatre.master(texts)
        self._beside += [*companions, Companion(MASTER, master, PLAYLIST_TYPE)]

    async def _made(self) -> AsyncGenerator[bytes]:
        """movie.mp4, in order; notes where each segment lies."""
        head = await self._theatre.head()
        yield head
        offset = len(head)
        asked: deque[tuple[str | None, asyncio.Task[bytes]]] = deque()
        ahead = self._steps()
        try:
            while True:
                while len(asked) <= SEGMENTS_AHEAD and (step := next(ahead, None)):
                    asked.append((step[0], asyncio.create_task(step[1])))
                if not asked:
                    return
                segment = await asked[0][1]
                rendition, _ = asked.popleft()
                if rendition is None:
                    continue
                self._ranges[rendition].append((offset, len(segment)))
                offset += len(segment)
                yield segment
        finally:
            for _, task in asked:
                task.cancel()
            await asyncio.gather(*(task for _, task in asked), return_exceptions=True)

    def _steps(self) -> Iterator[tuple[str | None, Coroutine[None, None, bytes]]]:
        """Each segment by its rendition; then, by none, what is made of the same bytes beside the film."""
        for number in range(self._outline.segments):
            for rendition in self._outline.renditions:
                yield rendition, self._theatre.segment(rendition, number)
            yield None, self._companions.follow(number)

    async def complete(self) -> Film:
        """What is beside it first: whoever finds movie.mp4 finds that as well."""
        for beside in self._beside:
            self._put.append(self._prefix + beside.name)
            await self._store.put(
                self._prefix + beside.name, beside.content, content_type=beside.content_type
            )
        film = await self._streaming.complete()
        return replace(film, playlist_key=self._prefix + MASTER)

    async def abort(self) -> None:
        await self._streaming.abort()
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(ABORT_S):
                for key in self._put:
                    await self._store.delete_prefix(key)


def _leaves(group: "BaseExceptionGroup[MediaFailed]") -> Iterator[MediaFailed]:
    for error in group.exceptions:
        if isinstance(error, MediaFailed):
            yield error
        else:
            yield from _leaves(error)
