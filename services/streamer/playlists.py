"""The stored playlists of a prepared film (RFC 8216): read strictly, and told with addresses that answer.

The master names media playlists; such a one has every segment as a byte range of one object, `movie.mp4`.
"""

import re

import msgspec

from libs.common.play import is_media_name, is_text_name

MAX_BYTES = 1024 * 1024
"""Of one playlist: some 10,000 segments, which is 16 hours."""
FILM_NAME = "movie.mp4"

_RANGE = re.compile(r"(\d{1,15})@(\d{1,15})", re.ASCII)
_ATTRIBUTE_URI = re.compile(r'[:,]URI="([^"]*)"')
_MAP, _BYTERANGE = "#EXT-X-MAP:", "#EXT-X-BYTERANGE:"
_MAP_RANGE = re.compile(r'[:,]BYTERANGE="([^"]*)"')


class BadPlaylist(Exception):
    """It isn't one that we make."""


class Stretch(msgspec.Struct, frozen=True):
    """Bytes of the film's object; `length` isn't 0."""

    offset: int
    length: int


class MediaPlaylist(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    init: Stretch
    segments: tuple[Stretch, ...]

    def signed(self, film_url: str) -> str:
        """The playlist with every byte range at this address, which must fit between quotes."""
        return "\n".join(_moved(line, film_url) for line in _lines(self.text))


def read_master(data: bytes) -> str:
    """The text of a master playlist that names media playlists of ours only. Raises BadPlaylist."""
    text = _text(data)
    for line in _lines(text):
        for uri in _ATTRIBUTE_URI.findall(line) if line.startswith("#") else [line] if line else []:
            if not is_media_name(uri) or not uri.endswith(".m3u8"):
                raise BadPlaylist("it names what is no part of the film")
    return text


def read_media(data: bytes) -> MediaPlaylist:
    """Raises BadPlaylist."""
    text = _text(data)
    init: Stretch | None = None
    ranged: Stretch | None = None
    segments: list[Stretch] = []
    for line in _lines(text):
        if line.startswith(_MAP):
            found = _MAP_RANGE.search(line)
            if init is not None or found is None or _ATTRIBUTE_URI.findall(line) != [FILM_NAME]:
                raise BadPlaylist("its beginning is no part of the film")
            init = _stretch(found[1])
        elif line.startswith(_BYTERANGE):
            ranged = _stretch(line.removeprefix(_BYTERANGE))
        elif line.startswith("#"):
            if _ATTRIBUTE_URI.search(line):
                raise BadPlaylist("it names what is no part of the film")
        elif line:
            if ranged is None or line != FILM_NAME:
                raise BadPlaylist("a segment of it is no part of the film")
            segments.append(ranged)
            ranged = None
    if init is None or not segments:
        raise BadPlaylist("it has no segments")
    return MediaPlaylist(text=text, init=init, segments=tuple(segments))


def read_text(data: bytes) -> str:
    """The playlist of a film's text that names documents of ours only. Raises BadPlaylist."""
    text = _text(data)
    for line in _lines(text):
        is_bad = _ATTRIBUTE_URI.search(line) if line.startswith("#") else line and not is_text_name(line)
        if is_bad:
            raise BadPlaylist("it names what is no text of the film")
    return text


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise BadPlaylist(f"it has more than {MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadPlaylist("it isn't UTF-8") from error
    if not text.startswith("#EXTM3U"):
        raise BadPlaylist("it doesn't begin as a playlist")
    return text


def _lines(text: str) -> list[str]:
    # Only these end a line (RFC 8216 §4.1): a track's name may have what Unicode calls a line's end.
    return text.replace("\r\n", "\n").split("\n")


def _stretch(text: str) -> Stretch:
    found = _RANGE.fullmatch(text.strip())
    if found is None or not int(found[1]):
        raise BadPlaylist("a byte range of it is none")
    return Stretch(offset=int(found[2]), length=int(found[1]))


def _moved(line: str, film_url: str) -> str:
    if line == FILM_NAME:
        return film_url
    return line.replace(f'URI="{FILM_NAME}"', f'URI="{film_url}"') if line.startswith(_MAP) else line
