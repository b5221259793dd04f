"""The small pictures of one film, made row by row while it comes in, and kept until all are there."""

from typing import BinaryIO

from libs.common.media import Media
from services.downloader.media import sprites
from services.downloader.media.sprites import COLUMNS, NoPreviews

_COARSE = 0


class FilmSheet:
    """At most 10 rows of some 1 MB (`sprites.HEIGHT_MAX`: 3 MB)."""

    def __init__(self, media: Media) -> None:
        """Raises NoPreviews."""
        if media.video is None:
            raise NoPreviews("There is no picture to make small.")
        self._how = sprites.plan(media.duration_s, media.video.width, media.video.height)
        self._rows: list[bytes] = []

    def grow(self, film: BinaryIO, until_s: float) -> None:
        """Makes the next row, if all of its pictures show before this. Raises as `sprites.strip`."""
        times = self._how.times(_COARSE)[len(self._rows) * COLUMNS : (len(self._rows) + 1) * COLUMNS]
        if times and times[-1] < until_s:
            self._add_row(film)

    def whole(self, film: BinaryIO) -> bytes:
        """JPEG; makes what is missing. Raises as `sprites.strip`."""
        while len(self._rows) < self._how.rows(_COARSE):
            self._add_row(film)
        return sprites.joined(self._how, self._rows)

    def index(self) -> str:
        return sprites.vtt(self._how, [_COARSE])

    def _add_row(self, film: BinaryIO) -> None:
        self._rows.append(sprites.strip(film, self._how, _COARSE, len(self._rows)))
