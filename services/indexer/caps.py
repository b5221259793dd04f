"""What an indexer can do (`t=caps`), and the questions that follow from it. Pure.

Source: Newznab API specification, "CAPS"; Torznab 1.3 draft, "Capabilities".
"""

import re
import unicodedata
from typing import Final, Literal

from libs.common.events import TitleRef, Wire
from services.indexer.markup import FeedRefused, check_root, read

DEPTH_MAX: Final = 16
ELEMENTS_MAX: Final = 20_000
PARAMS_MAX: Final = 50
WORDS_CHARS_MAX: Final = 120
MOVIES_CATEGORY: Final = 2000
ITEMS_ASKED: Final = 100
"""What most indexers give at most."""

_IMDB_ID = re.compile(r"tt(\d{1,10})", re.ASCII)
_OLD_MOVIE_PARAMS = ("q", "imdbid")
"""What indexers take that say nothing of their parameters; the attribute came late."""

Form = Literal["id", "title", "text"]
"""How a question names a film: by its id, as the title of a film, or as words like any other."""


class Caps(Wire, frozen=True, kw_only=True):
    """What one indexer can be asked. The defaults are what is assumed of one that doesn't tell."""

    movie_params: tuple[str, ...] = _OLD_MOVIE_PARAMS
    """Of `t=movie`, in lower case; empty: it has no such search."""
    text_search: bool = True
    limit_max: int = ITEMS_ASKED


class Question(Wire, frozen=True, kw_only=True):
    """One search, without the key."""

    form: Form
    params: dict[str, str | int]


def parse_caps(document: bytes) -> Caps:
    """Raises ApiRefused for the indexer's own errors, FeedRefused for what is no such document."""
    target = _CapsTarget()
    read(document, target)
    return Caps(movie_params=target.movie_params, text_search=target.text_search, limit_max=target.limit_max)


class _CapsTarget:
    def __init__(self) -> None:
        self.movie_params: tuple[str, ...] = ()
        self.text_search = False
        self.limit_max = ITEMS_ASKED
        self._depth = 0
        self._elements = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if self._depth == 0:
            check_root(name, attributes, "caps", "list of capabilities")
        self._depth += 1
        self._elements += 1
        if self._depth > DEPTH_MAX or self._elements > ELEMENTS_MAX:
            raise FeedRefused("sent capabilities that are nested too deeply or have too many elements")
        available = attributes.get("available", "").lower() == "yes"
        if name == "search":
            self.text_search = available
        elif name == "movie-search":
            self.movie_params = _params(attributes) if available else ()
        elif name == "limits":
            self.limit_max = _limit(attributes.get("max", ""))

    def data(self, _text: str) -> None:
        pass

    def end(self, _name: str) -> None:
        self._depth -= 1

    def close(self) -> None:
        pass


def _params(attributes: dict[str, str]) -> tuple[str, ...]:
    told = next((value for name, value in attributes.items() if name.lower() == "supportedparams"), None)
    if told is None:
        return _OLD_MOVIE_PARAMS
    names = [name.strip().lower() for name in told[:2000].split(",")]
    return tuple(name for name in names if name)[:PARAMS_MAX]


def _limit(text: str) -> int:
    known = text.isascii() and text.isdigit() and len(text) < 6
    return max(1, min(int(text), ITEMS_ASKED)) if known else ITEMS_ASKED


def questions(caps: Caps, title: TitleRef) -> tuple[Question, ...]:
    """How to ask for a film, the surest first; the next is for when one finds nothing.

    A film that has no IMDb id is asked for in every way there is: its titles alone lead to it.
    """
    asked: list[Question] = []
    imdb, words = imdb_number(title), search_words(title)
    common: dict[str, str | int] = {"extended": 1, "limit": caps.limit_max}
    if imdb and "imdbid" in caps.movie_params:
        # The specification has the digits alone, and some indexers find nothing with the "tt".
        asked.append(Question(form="id", params={"t": "movie", "imdbid": imdb, **common}))
    elif "tmdbid" in caps.movie_params and title.key.startswith("tmdb:movie:"):
        asked.append(Question(form="id", params={"t": "movie", "tmdbid": title.movie_id, **common}))
    if not words:
        return tuple(asked)
    films: dict[str, str | int] = {"q": words, "cat": MOVIES_CATEGORY, **common}
    if "q" in caps.movie_params:
        asked.append(Question(form="title", params={"t": "movie", **films}))
    if caps.text_search and ("q" not in caps.movie_params or not imdb):
        asked.append(Question(form="text", params={"t": "search", **films}))
    return tuple(asked)


def imdb_number(title: TitleRef) -> str | None:
    """The digits of the title's IMDb id, if it has a proper one."""
    known = _IMDB_ID.fullmatch(title.imdb_id or "")
    return known[1] if known else None


def search_words(title: TitleRef) -> str:
    """The title's words and its year; signs, which indexers take for operators, are left out."""
    name = unicodedata.normalize("NFC", title.name).replace("\u2019", "").replace("'", "")
    words = re.findall(r"\w+", name.replace("_", " "))
    if not words:
        return ""
    year = [str(title.year)] if title.year else []
    return " ".join([*words, *year])[:WORDS_CHARS_MAX]
