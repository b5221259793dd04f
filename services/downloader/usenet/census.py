"""From articles that are missing to bytes that are missing. No waiting, no I/O."""

from collections.abc import Collection, Sequence
from itertools import accumulate
from typing import Final

from services.downloader.source import FileCensus, Span
from services.downloader.usenet.articles import Parts, merged
from services.downloader.usenet.nzb import NzbFile
from services.downloader.usenet.requests import Place

PROOFS_MAX: Final = 16
"""Missing articles that are asked for in earnest before a STAT is believed: some servers' index is behind."""


PROOFS_ENOUGH: Final = 4
"""Answers that are waited for: some of them may stand behind articles on a slow line."""


def sample(missing: Sequence[Place]) -> list[Place]:
    """Some of them, from everywhere."""
    step = max(-(-len(missing) // PROOFS_MAX), 1)
    return list(missing[::step])


def file_census(post: NzbFile, parts: Parts, size_bytes: int, missing: Collection[int]) -> FileCensus:
    """`missing`: slots that no server has; `size_bytes`: what the file has, or claims to have."""
    exact = parts.absent(missing)
    if exact is not None:
        return FileCensus(missing=exact)
    ends = list(accumulate(max(segment.claimed_bytes, 1) for segment in post.segments))
    scale = size_bytes / ends[-1]
    starts = [0, *ends[:-1]]
    places = [
        Span(int(start * scale), int(end * scale))
        for segment, start, end in zip(post.segments, starts, ends, strict=True)
        if segment.number - 1 in missing
    ]
    return FileCensus(missing=merged(place for place in places if place.length), exact=False)
