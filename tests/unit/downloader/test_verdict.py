"""When a release is given up before it is fetched, and when it isn't."""

from collections.abc import Sequence

import pytest

from services.downloader.extents import Extent, VirtualFile
from services.downloader.repair.blocks import RecoveryFile
from services.downloader.repair.packets import Par2File, Par2Set
from services.downloader.source import Census, FileCensus, Span
from services.downloader.verdict import condemned, lost_bytes

SLICE = 100
FILM = VirtualFile("film.mkv", [Extent(0, 50, 900), Extent(1, 50, 900)])
PROTECTED = {
    file: Par2File(
        file_id=bytes([file]), name=f"{file}.rar", size_bytes=1000, md5=b"", md5_16k=b"", checksums=b""
    )
    for file in (0, 1)
}
PAR2 = Par2Set(
    set_id=b"s", slice_bytes=SLICE, files={f.file_id: f for f in PROTECTED.values()}, recovery_blocks=0
)
VOLUMES = [RecoveryFile(2, 2), RecoveryFile(3, 2)]


def census(*missing: Sequence[Span], exact: bool = True) -> Census:
    files = [FileCensus(missing=spans, exact=exact) for spans in missing]
    files += [FileCensus()] * (4 - len(files))
    return Census(files=files, articles=100, missing_articles=sum(map(len, missing)), sure=True)


HOLE = [Span(100, 200)]
FIVE = [Span(at, at + 1) for at in range(100, 600, 100)]


@pytest.mark.parametrize(
    ("counted", "says"),
    [
        (census(), None),
        (census(HOLE), None),
        (census(HOLE, HOLE), None),
        (census(FIVE), "5 of 100 articles are gone .* 5 blocks are missing, the release brings 4"),
        # Four blocks would do, but a volume of two is gone as well.
        (census(FIVE[:4], [], [Span(0, 400)]), "4 blocks are missing, the release brings 2"),
        # What lies around the film in the archive is no reason to give up.
        (census([Span(0, 50)], [Span(950, 1000)]), None),
    ],
)
def test_blocks_are_set_against_holes(counted: Census, says: str | None):
    why = condemned(counted, FILM, PAR2, PROTECTED, VOLUMES)
    assert (why is None) is (says is None)
    if says is not None:
        with pytest.raises(type(why), match=says):
            raise why


def test_estimated_places_are_counted_at_their_least():
    # 190 bytes at unproven places touch three slices here, but may touch two only.
    counted = census([Span(199, 389)], exact=False)
    assert condemned(counted, FILM, PAR2, PROTECTED, [RecoveryFile(2, 2)]) is None


def test_without_recovery_any_lost_byte_of_the_film_is_one_too_many():
    assert "brings nothing to mend" in str(condemned(census(HOLE), FILM, None, {}, []))
    assert "brings nothing to mend" in str(condemned(census(HOLE), FILM, PAR2, PROTECTED, []))
    assert condemned(census([Span(0, 50)]), FILM, None, {}, []) is None


def test_what_the_set_does_not_protect_is_lost():
    assert "which nothing protects" in str(
        condemned(census([], HOLE), FILM, PAR2, {0: PROTECTED[0]}, VOLUMES)
    )


def test_before_a_repair_the_whole_set_counts():
    assert condemned(census(HOLE), None, PAR2, PROTECTED, VOLUMES) is None
    assert "can't be mended" in str(condemned(census(FIVE), None, PAR2, PROTECTED, VOLUMES))


def test_lost_bytes_are_those_of_the_film():
    assert lost_bytes(census([Span(0, 60)], [Span(900, 1000)]), FILM) == 60
