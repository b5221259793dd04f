"""What the par2 program gets to see: proven blocks and pieces of files, under names of our own."""

from collections.abc import Sequence
from hashlib import md5
from pathlib import Path

from services.downloader.repair.packets import Kind, Par2Set, packed, packets, parse
from services.downloader.repair.pieces import cut
from services.downloader.repair.workshop import DATA, INDEX, Workshop
from services.downloader.source import Span
from tests.support.par2_sets import create_par2

FILM = bytes(range(256)) * 39 + b"the end"
SLICE_BYTES = 512


class Set:
    def __init__(self, directory: Path, holes: Sequence[Span] = ()) -> None:
        for name in ("made", "shop"):
            (directory / name).mkdir()
        (index, *self.volumes) = create_par2(
            directory / "made", [("film.mkv", FILM)], slice_bytes=SLICE_BYTES, recovery_blocks=3
        )
        self.par2: Par2Set = parse(index[1])
        protected = dict(enumerate(self.par2.files.values()))
        pieces = cut(self.par2, protected, lambda _: holes, lambda _: len(FILM))
        self.workshop = Workshop(directory / "shop", self.par2, pieces)
        self.directory = directory

    def index_of(self, *volumes: bytes) -> tuple[int, bytes]:
        """How many blocks are counted in such volumes, and the index that is made of them."""
        paths = [self.directory / f"{number}.volume" for number in range(len(volumes))]
        for path, data in zip(paths, volumes, strict=True):
            path.write_bytes(data)
        count = self.workshop.take_over(paths)
        self.workshop.describe()
        return count, (self.directory / "shop" / INDEX).read_bytes()


def test_the_blocks_of_all_volumes_are_taken_over_once(tmp_path: Path):
    made = Set(tmp_path)
    (_, one), (_, two) = made.volumes
    count, index = made.index_of(one, two, two, b"")
    assert count == parse(index).recovery_blocks == 3
    assert [packet.kind for packet in packets(index)].count(Kind.RECOVERY) == 3


def test_nothing_but_proven_blocks_of_this_set_is_taken_over(tmp_path: Path):
    made = Set(tmp_path)
    (_, one), (_, two) = made.volumes
    file_id = next(iter(made.par2.files))
    block = (9).to_bytes(4, "little") + bytes(SLICE_BYTES)
    hostile = (
        packed(Kind.FILE, made.par2.set_id, file_id + bytes(40) + b"../../evil\x00\x00")
        + packed(Kind.RECOVERY, b"another set     ", block)
        + packed(Kind.RECOVERY, made.par2.set_id, block + bytes(4))
        + packed(Kind.RECOVERY, made.par2.set_id, block)[:-4]
    )
    broken = bytearray(two)
    broken[next(packet.start for packet in packets(two) if packet.kind == Kind.RECOVERY) + 99] ^= 1

    count, index = made.index_of(hostile + one, bytes(broken))

    assert count == 1 + 1
    assert b"evil" not in index
    assert b"film" not in index
    assert [file.name for file in parse(index).files.values()] == ["00000"]


def test_only_what_was_given_is_shown(tmp_path: Path):
    made = Set(tmp_path)
    assert list((tmp_path / "shop" / DATA).iterdir()) == []
    made.workshop.give(0, 300, FILM[300:400])
    made.workshop.give(0, 100, FILM[100:200])
    shown = made.workshop.path(0).read_bytes()
    assert shown == (bytes(100) + FILM[100:200] + bytes(100) + FILM[300:400]).ljust(len(FILM), b"\0")


def test_slices_are_described_as_files_of_their_own(tmp_path: Path):
    made = Set(tmp_path, [Span(600, 1100)])
    slices = [
        FILM[at : at + SLICE_BYTES].ljust(SLICE_BYTES, b"\0") for at in range(0, len(FILM), SLICE_BYTES)
    ]
    for number, piece in enumerate(made.workshop.pieces):
        for span in piece.given:
            made.workshop.give(number, 0, FILM[span.start : span.end])

    described = parse(made.index_of(made.volumes[0][1])[1])

    files = list(described.files.values())
    assert [made.workshop.path(number).exists() for number in range(4)] == [True, False, False, True]
    assert [file.size_bytes for file in files] == [SLICE_BYTES] * len(slices)
    assert [file.md5 for file in files] == [md5(data, usedforsecurity=False).digest() for data in slices]
    assert [file.md5_16k for file in files] == [file.md5 for file in files]


def test_what_the_program_made_is_believed_by_its_md5_only(tmp_path: Path):
    made = Set(tmp_path, [Span(600, 610)])
    lost = made.workshop.path(1)
    assert not made.workshop.is_made(1)
    lost.write_bytes(bytes(SLICE_BYTES))
    assert not made.workshop.is_made(1)
    lost.write_bytes(FILM[SLICE_BYTES : 2 * SLICE_BYTES])
    assert made.workshop.is_made(1)


def test_what_was_given_and_left_as_it_was_was_not_made(tmp_path: Path):
    made = Set(tmp_path)
    made.workshop.give(0, 0, FILM)
    assert not made.workshop.is_made(0)
