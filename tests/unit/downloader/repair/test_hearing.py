"""How far the par2 program is, by what it says."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.downloader.repair.hearing import Hearing

SAID = (
    b'Loading "index.par2".\nLoading: 1.0%\rLoading: 98.7%\rLoaded 4 new packets\n\n'
    b'Verifying source files:\n\nOpening: "00001"\nScanning: 0.0%\rScanning: 99.9%\r'
    b'Target: "00001" - damaged. Found 138 of 143 data blocks.\n'
    b'Opening: "00002"\nScanning: 50.0%\rTarget: "00002" - found.\n\nRepair is required.\n\n'
    b"Computing Reed Solomon matrix.\nConstructing: 100.0%\rConstructing: done.\nSolving: 20.0%\r\n"
    b"Repairing: 0.5%\rRepairing: 50.0%\rRepairing: 100.0%\rWriting recovered data\n\n"
    b'Verifying repaired files:\n\nOpening: "00001"\nScanning: 3.0%\rTarget: "00001" - found.\n\n'
    b"Repair complete.\n"
)


def shares(pieces: list[bytes], files: int = 2) -> list[float]:
    hearing = Hearing()
    hearing.files = files
    found: list[float] = []
    for piece in pieces:
        hearing.hear(piece)
        found.append(hearing.share)
    return found


@pytest.mark.parametrize(
    ("until", "share"),
    [
        (b'Opening: "00001"', 0),
        (b'Opening: "00002"', 1 / 6),
        (b"Repair is required.", 1 / 3),
        (b"Repairing: 50.0%\r", 1 / 3),
        (b"Repairing: 100.0%\r", 1 / 2),
        (b"Writing recovered data", 2 / 3),
        (b"Repair complete.", 5 / 6),
    ],
)
def test_each_of_three_stages_counts_for_a_third(until: bytes, share: float) -> None:
    assert shares([SAID[: SAID.index(until)]]) == [pytest.approx(share, abs=0.002)]


@given(st.lists(st.integers(0, len(SAID)), max_size=30).map(sorted))
def test_it_never_falls_and_pieces_make_no_difference(cuts: list[int]) -> None:
    places = [0, *cuts, len(SAID)]
    found = shares([SAID[a:b] for a, b in pairwise(places)])
    assert found == sorted(found)
    assert found[-1] == shares([SAID])[-1]


@given(st.lists(st.binary(max_size=2000), max_size=20), st.integers(0, 3))
def test_whatever_it_says(pieces: list[bytes], files: int) -> None:
    assert all(0 <= share <= 1 for share in shares(pieces, files))
