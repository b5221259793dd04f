"""A release that must be unpacked, over the wire: news server, instance, log and store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.common.bus import Bus
from libs.common.jobs import Phase
from libs.sandbox.archives.names import Files, part_names
from tests.conftest import NatsServer
from tests.support.instances import JOB, Box
from tests.support.internet import Internet
from tests.support.packers import deflated, rar5_volumes, sevenzipped
from tests.support.par2_sets import create_par2
from tests.support.releases import EBML

TITLE = "The.Long.Intermission.2024.1080p.WEB-DL.x264-PACKED"
FILM = EBML + bytes(range(256)) * 20_000


@pytest.fixture
async def box(tmp_path: Path, bus: Bus, nats_server: NatsServer, internet: Internet) -> AsyncIterator[Box]:
    box = Box(tmp_path / "data", bus, nats_server, internet)
    yield box
    await box.close()


def post(box: Box, directory: Path, title: str, files: Files) -> None:
    paths: list[Path] = []
    for name, data in files:
        path = directory / name
        path.write_bytes(data)
        paths.append(path)
    box.internet.post(paths[0], title, *paths[1:], packing="plain", article_bytes=100_000)


def packed(directory: Path, how: str) -> Files:
    match how:
        case "rar":
            volumes = part_names(rar5_volumes("film.mkv", FILM, 1_000_000))
            return [*volumes, *create_par2(directory, volumes, slice_bytes=100_000, recovery_blocks=30)]
        case "7z":
            return [("a.7z", sevenzipped(directory, [("film.mkv", FILM), ("film.nfo", b"about")]))]
        case _:
            return [("a.zip", deflated([("setup.exe", b"MZ" + bytes(90_000))]))]


@pytest.mark.parametrize("how", ["rar", "7z"])
async def test_a_packed_film_becomes_ready(box: Box, tmp_path: Path, how: str) -> None:
    (tmp_path / "packing").mkdir()
    title = f"{TITLE}{how}"
    post(box, tmp_path, title, packed(tmp_path / "packing", how))
    box.internet.misbehave(nntp={"missing_every": {title: 8}} if how == "rar" else {})
    await box.queue(title)
    said = await box.run()
    state = await box.state()
    assert ("mended" in said) == (how == "rar")
    assert (state.phase, state.error_message) == (Phase.READY, None)
    assert (state.file_name, state.file_bytes) == ("film.mkv", len(FILM))
    assert box.stored()[f"movies/{JOB}/movie.mkv"] == FILM
    assert box.scratch() == []


async def test_a_packed_program_is_refused(box: Box, tmp_path: Path) -> None:
    title = f"{TITLE}exe"
    post(box, tmp_path, title, packed(tmp_path, "exe"))
    await box.queue(title)
    await box.run()
    [failure] = (await box.state()).failures
    assert (failure.blame, failure.message) == (
        "release",
        "this release contains only a program (“setup.exe”), and no film",
    )
    assert (box.stored(), box.scratch()) == ({}, [])
