"""What the par2 program gets to see: proven blocks, under names of our own."""

from pathlib import Path

from services.downloader.repair.packets import Kind, Par2Set, packed, packets, parse
from services.downloader.repair.workshop import DATA, INDEX, Workshop
from tests.support.par2_sets import create_par2


class Set:
    def __init__(self, directory: Path) -> None:
        for name in ("made", "shop"):
            (directory / name).mkdir()
        (index, *self.volumes) = create_par2(
            directory / "made", [("film.mkv", bytes(range(256)) * 40)], slice_bytes=512, recovery_blocks=3
        )
        self.par2: Par2Set = parse(index[1])
        self.workshop = Workshop(directory / "shop", self.par2)
        self.directory = directory

    def index_of(self, *volumes: bytes) -> tuple[int, bytes]:
        """How many blocks `write_index` counts in such volumes, and the file it writes."""
        paths = [self.directory / f"{number}.volume" for number in range(len(volumes))]
        for path, data in zip(paths, volumes, strict=True):
            path.write_bytes(data)
        return self.workshop.write_index(paths), (self.directory / "shop" / INDEX).read_bytes()


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
    block = (9).to_bytes(4, "little") + bytes(512)
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


def test_only_files_that_are_there_are_shown(tmp_path: Path):
    made = Set(tmp_path)
    file_id = next(iter(made.par2.files))
    made.workshop.link({file_id: tmp_path / "never filled"})
    assert list((tmp_path / "shop" / DATA).iterdir()) == []
