"""What one `fill` tells of each posted file, and when the file is through. No waiting, no I/O."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from services.downloader.source import Landed, Lost, Span
from services.downloader.usenet.articles import Parts
from services.downloader.usenet.requests import Place

Finish = Callable[[int], Sequence[Span]]
"""Called once for each file, when its last part has been settled; gives the file's holes."""
Reason = Callable[[Place], str]
"""Why a part is lost."""


class Filling:
    """Follows the parts of some files from the moment of its making until each is there or lost."""

    def __init__(self, parts: Sequence[Parts], files: Sequence[int], finish: Finish, reason: Reason) -> None:
        self._parts = parts
        self._finish = finish
        self._reason = reason
        self._surveys = {file: parts[file].survey() for file in files}
        self._unsettled = {file: len(absent) for file, (_, absent) in self._surveys.items()}
        self._told_lost: defaultdict[int, list[Span]] = defaultdict(list)

    def absent(self) -> Iterator[Place]:
        """What has to be fetched, in order."""
        return ((file, slot) for file, (_, absent) in self._surveys.items() for slot in absent)

    def already_there(self) -> Iterator[Landed | Lost]:
        for file, (landed, absent) in self._surveys.items():
            for span in landed:
                yield Landed(file=file, span=span)
            if not absent:
                yield from self._finished(file)

    def settled(self, place: Place) -> Iterator[Landed | Lost]:
        """This part, one of `absent`, is there now or won't come."""
        file, slot = place
        if (span := self._parts[file].landed(slot)) is not None:
            yield Landed(file=file, span=span)
        elif (span := self._parts[file].expected(slot)) is not None:
            self._told_lost[file].append(span)
            yield Lost(file=file, span=span, reason=self._reason(place))
        self._unsettled[file] -= 1
        if not self._unsettled[file]:
            yield from self._finished(file)

    def _finished(self, file: int) -> Iterator[Lost]:
        for span in without(self._finish(file), self._told_lost[file]):
            yield Lost(file=file, span=span, reason="none of the listed articles has these bytes")


def without(holes: Iterable[Span], told: Iterable[Span]) -> list[Span]:
    """What of the `holes` (ascending, disjoint) isn't covered by `told`."""
    left: list[Span] = []
    ascending = sorted(told)
    index = 0
    for hole in holes:
        position = hole.start
        while index < len(ascending) and ascending[index].start < hole.end:
            if position < ascending[index].start:
                left.append(Span(position, ascending[index].start))
            position = max(position, ascending[index].end)
            if position > hole.end:
                break
            index += 1
        if position < hole.end:
            left.append(Span(position, hole.end))
    return left
