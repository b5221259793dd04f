"""What posters call the volumes and pieces of a release."""

from collections.abc import Iterable

Files = list[tuple[str, bytes]]


def part_names(volumes: Iterable[bytes], stem: str = "film") -> Files:
    """stem.part01.rar, stem.part02.rar …"""
    return [(f"{stem}.part{number:02}.rar", data) for number, data in enumerate(volumes, 1)]


def old_names(volumes: Iterable[bytes], stem: str = "film") -> Files:
    """stem.rar, stem.r00 … stem.r99, stem.s00 …"""
    names = [f"{stem}.rar", *(f"{stem}.{letter}{number:02}" for letter in "rs" for number in range(100))]
    return list(zip(names, volumes, strict=False))


def pieces(data: bytes, piece_bytes: int, name: str = "film.mkv", first: int = 1) -> Files:
    """name.001, name.002 …"""
    starts = range(0, len(data), piece_bytes)
    return [(f"{name}.{n:03}", data[at : at + piece_bytes]) for n, at in enumerate(starts, first)]


def nameless(files: Files) -> Files:
    """The same under names that say nothing."""
    return [(f"{number * 0x9E3779B97F4A7C15 % 2**64:x}", data) for number, (_, data) in enumerate(files)]
