"""The catalog's caches: TMDB's answers, and texts, for a while. They may be deleted at any time.

Its titles are in titles.py.
"""

from pathlib import Path

from libs.common.cache import Cache

ROWS_MAX = 5_000
"""At some 10 KiB a row, about 50 MiB."""

SERIES_MAX = 200
"""At 900 KiB for the longest series, at most 180 MiB; usually a hundredth of that."""

TEXTS_MAX = 500
"""At some 100 KiB a text, about 50 MiB."""


def answers_cache(path: Path) -> Cache:
    return Cache(path, rows_max=ROWS_MAX)


def series_cache(path: Path) -> Cache:
    """Of its own: episode lists are long, and would put out everything else."""
    return Cache(path, rows_max=SERIES_MAX)


def texts_cache(path: Path) -> Cache:
    """Of its own: a text that is lost costs a download of the owner's quota."""
    return Cache(path, rows_max=TEXTS_MAX)
