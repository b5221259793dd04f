"""Texts of a title that its release doesn't have: what there is, and one of them as WebVTT; kept once had."""

import asyncio
import re
from collections.abc import Sequence
from typing import Final

import msgspec

from libs.common.cache import Cache
from libs.common.errors import ErrorCode, ServiceError
from libs.common.events import (
    FindSubtitles,
    GetSubtitle,
    Subtitle,
    SubtitleList,
    SubtitleText,
    decode,
    encode,
)
from libs.common.subtitles.cues import NoSubtitles
from libs.common.subtitles.reading import as_webvtt
from services.catalog.opensubtitles import OpenSubtitles

FOUND_FRESH_S: Final = 6 * 3600.0
VTT_BYTES_MAX: Final = 900_000
"""An answer over NATS is at most 1 MiB."""
LANGUAGES_MAX: Final = 10
ID_MAX: Final = 2**31 - 1

_FILM: Final = re.compile(r"tmdb:movie:(\d{1,10})", re.ASCII)
_EPISODE: Final = re.compile(r"tmdb:tv:(\d{1,10}):(\d{1,4}):(\d{1,5})", re.ASCII)
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:-[a-z]{2,4})?", re.ASCII)
_HASH: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)


class Texts:
    """Answers the catalog's questions about subtitles. Refusals are ServiceErrors."""

    def __init__(self, site: OpenSubtitles, cache: Cache, languages: Sequence[str]) -> None:
        """`languages`: those of the owner, for whoever names none."""
        self._site = site
        self._cache = cache
        self._languages = tuple(languages)
        self._downloads = asyncio.Lock()

    async def find(self, ask: FindSubtitles) -> SubtitleList:
        wanted = _wanted(ask.title_key, ask.moviehash)
        languages = _known(ask.languages) or self._languages
        key = "found/" + msgspec.json.encode([sorted(wanted.items()), sorted(languages)]).decode()
        kept = await self._cache.get(key)
        if kept and 0 <= kept.age_s < FOUND_FRESH_S and (found := _readable(kept.data)):
            return msgspec.structs.replace(found, quota=self._site.quota)
        found = SubtitleList(subtitles=await self._site.search(wanted, languages))
        await self._cache.put(key, encode(found))
        return msgspec.structs.replace(found, quota=self._site.quota)

    async def get(self, ask: GetSubtitle) -> SubtitleText:
        """The text asked for, else the best one in the language. Each is downloaded once."""
        found = await self.find(
            FindSubtitles(title_key=ask.title_key, languages=_known((ask.language,)), moviehash=ask.moviehash)
        )
        chosen = _chosen(found.subtitles, ask)
        # One after the other: whoever comes second finds it kept, and costs no download.
        async with self._downloads:
            key = f"text/{chosen.file_id}"
            kept = await self._cache.get(key)
            if kept is None:
                vtt = _converted(await self._site.download(chosen.file_id), chosen)
                await self._cache.put(key, vtt.encode())
            else:
                vtt = kept.data.decode()
        return SubtitleText(vtt=vtt, subtitle=chosen, quota=self._site.quota)


def _chosen(found: Sequence[Subtitle], ask: GetSubtitle) -> Subtitle:
    fitting = [s for s in found if ask.file_id in (None, s.file_id) and s.language == ask.language.lower()]
    if not fitting:
        message = f"OpenSubtitles has no such text of this title in “{ask.language[:20]}”."
        raise ServiceError(ErrorCode.NOT_FOUND, message)
    return fitting[0]


def _converted(data: bytes, subtitle: Subtitle) -> str:
    try:
        vtt = as_webvtt(data, language=_THREE_LETTERS.get(subtitle.language))
    except NoSubtitles as error:
        raise ServiceError(ErrorCode.SUBTITLES_ERROR, f"{error} It came from OpenSubtitles.") from error
    if len(vtt.encode()) > VTT_BYTES_MAX:
        raise ServiceError(ErrorCode.SUBTITLES_ERROR, "The text on OpenSubtitles is absurdly long.")
    return vtt


def _wanted(title_key: str, moviehash: str | None) -> dict[str, str | int]:
    wanted: dict[str, str | int]
    if film := _FILM.fullmatch(title_key):
        wanted = {"tmdb_id": int(film[1]), "type": "movie"}
    elif episode := _EPISODE.fullmatch(title_key):
        show, season, number = map(int, episode.groups())
        wanted = {
            "parent_tmdb_id": show,
            "season_number": season,
            "episode_number": number,
            "type": "episode",
        }
    else:
        raise ServiceError(ErrorCode.INVALID_INPUT, "A title's key is such as tmdb:movie:603.")
    if any(isinstance(value, int) and value > ID_MAX for value in wanted.values()):
        raise ServiceError(ErrorCode.INVALID_INPUT, "There is no title of that number.")
    return wanted | ({"moviehash": moviehash} if moviehash and _HASH.fullmatch(moviehash) else {})


def _known(languages: Sequence[str]) -> tuple[str, ...]:
    """Raises ServiceError for what is no language."""
    lower = tuple(language.lower() for language in languages[:LANGUAGES_MAX])
    if not all(_LANGUAGE.fullmatch(language) for language in lower):
        raise ServiceError(ErrorCode.INVALID_INPUT, "A language is such as 'en' or 'pt-br'.")
    return lower


def _readable(data: bytes) -> SubtitleList | None:
    try:
        return decode(data, SubtitleList)
    except ValueError:
        # Another version wrote it, or the file is damaged; what the site says now replaces it.
        return None


_THREE_LETTERS: Final = {
    "ru": "rus", "uk": "ukr", "bg": "bul", "sr": "srp", "mk": "mac", "pl": "pol", "cs": "cze", "sk": "slo",
    "hu": "hun", "hr": "hrv", "sl": "slv", "ro": "rum", "el": "gre", "tr": "tur", "he": "heb", "ar": "ara",
    "fa": "per", "et": "est", "lv": "lav", "lt": "lit", "vi": "vie", "th": "tha", "zh-cn": "chi",
    "zh-tw": "chi", "ja": "jpn", "ko": "kor", "en": "eng", "de": "ger", "fr": "fre", "es": "spa",
    "pt-pt": "por", "pt-br": "por", "it": "ita", "nl": "dut", "sv": "swe", "da": "dan", "no": "nor",
    "fi": "fin", "is": "ice",
}  # fmt: skip
"""For encodings."""
