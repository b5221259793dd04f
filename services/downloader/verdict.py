"""Whether a release can still become a film, by what the servers say of its articles. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from .errors import BytesLost
from .extents import VirtualFile
from .repair.blocks import NotEnoughBlocks, RecoveryFile, damaged_slices, needed_blocks
from .repair.packets import HEADER_BYTES, Par2File, Par2Set
from .source import Census, Span


def condemned(
    census: Census,
    film: VirtualFile | None,
    par2: Par2Set | None,
    protected: Mapping[int, Par2File],
    recovery: Sequence[RecoveryFile],
) -> BytesLost | None:
    """Why the film can't be had, if that is certain; None if it can, or if nobody knows.

    Without a `film` (its place can't be read before a repair) the whole protected set counts. Where the
    places of missing bytes are estimated, the fewest blocks that they can cost are counted.
    """
    lost = lost_bytes(census, film) if film else 1
    if not census.missing_articles or not lost:
        return None
    gone = f"{census.missing_articles} of {census.articles} articles are gone from the news servers"
    if par2 is None or not recovery:
        return BytesLost(f"{gone}, and the release brings nothing to mend them with.")
    if film is not None and (unprotected := lost_bytes(census, film, apart_from=protected)):
        return BytesLost(f"{gone}; {unprotected / 1e6:.1f} MB of the film are lost, which nothing protects.")
    needed = _needed(census, par2, protected)
    available = sum(_available(census, volume, par2) for volume in recovery)
    if needed <= available:
        return None
    return BytesLost(f"{gone}; {NotEnoughBlocks(needed, available)}.")


def lost_bytes(census: Census, film: VirtualFile, apart_from: Iterable[int] = ()) -> int:
    """How many of the film's bytes no server has, in other posted files than those."""
    passed_over = frozenset(apart_from)
    return sum(
        part.length
        for file, counted in enumerate(census.files)
        if file not in passed_over
        for hole in counted.missing
        for part in film.holding(file, hole)
    )


def _needed(census: Census, par2: Par2Set, protected: Mapping[int, Par2File]) -> int:
    # Files that were never posted count as well: `needed_blocks` knows them by their absence.
    protected = {index: file for index, file in protected.items() if index < len(census.files)}
    estimated = [file for file in protected if not census.files[file].exact]
    all_holes = needed_blocks(par2, protected, lambda file: census.files[file].missing)
    touched = sum(
        damaged_slices(protected[file], par2.slice_bytes, census.files[file].missing) for file in estimated
    )
    at_least = sum(_bytes(census.files[file].missing) // par2.slice_bytes for file in estimated)
    return all_holes - touched + min(touched, at_least)


def _available(census: Census, volume: RecoveryFile, par2: Par2Set) -> int:
    """At most so many blocks of this volume can be had."""
    packet_bytes = HEADER_BYTES + 4 + par2.slice_bytes
    return max(volume.blocks - _bytes(census.files[volume.file].missing) // packet_bytes, 0)


def _bytes(spans: Iterable[Span]) -> int:
    return sum(span.length for span in spans)
