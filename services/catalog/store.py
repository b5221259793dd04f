"""The catalog's SQLite slice: TMDB's answers, for a while. The file may be deleted at any time."""

from pathlib import Path

from libs.common.cache import Cache

ROWS_MAX = 5_000
"""At some 10 KiB a row, about 50 MiB."""


def answers_cache(path: Path) -> Cache:
    return Cache(path, rows_max=ROWS_MAX)
