"""Which of several films is the one that somebody asked for."""

from pathlib import Path

import pytest

from libs.sandbox.archives import rar5 as rar5
from services.downloader.choose import Wanted
from services.downloader.errors import NoFilm
from tests.support.releases import EBML, FILM, Release

LARGE, SMALL = FILM * 2, FILM
HEAT = Wanted(title="Heat", year=1995)


@pytest.mark.parametrize(
    ("names", "wanted", "film"),
    [
        (["a.mkv", "b.mkv"], None, "a.mkv"),
        (["a.mkv", "b.mkv"], HEAT, "a.mkv"),
        (["Ronin.1998.mkv", "Heat.1995.mkv"], HEAT, "Heat.1995.mkv"),
        (["Heat.1986.mkv", "Heat.1995.mkv"], HEAT, "Heat.1995.mkv"),
        (["Heat.1986.mkv", "Ronin.1998.mkv"], HEAT, "Heat.1986.mkv"),
        (["Heatwave.1995.mkv", "heat.mkv"], HEAT, "heat.mkv"),
        (["Heat.Wave.2022.mkv", "The.Heat.(1995).mkv"], HEAT, "The.Heat.(1995).mkv"),
        (["x.mkv", "Amélie.2001.DD5.1.mkv"], Wanted(title="AMELIE", year=2001), "Amélie.2001.DD5.1.mkv"),
        (["x.mkv", "Oceans.Eleven.mkv"], Wanted(title="Ocean's Eleven"), "Oceans.Eleven.mkv"),
        (["x.mkv", "2001.A.Space.Odyssey.1968.mkv"], Wanted(title="2001: A Space Odyssey", year=1968), None),
        (["x.mkv", "Heat.1995.trailer.mkv"], HEAT, "x.mkv"),
        (["Making-of.the.film-featurette.mkv", "x.mkv"], None, "x.mkv"),
        (["Heat.1995-trailer.mkv", "Ronin-trailer.mkv"], HEAT, "Heat.1995-trailer.mkv"),
    ],
)
async def test_the_wanted_film(tmp_path: Path, names: list[str], wanted: Wanted | None, film: str | None):
    """The first file is the larger one."""
    release = Release(tmp_path, list(zip(names, (LARGE, SMALL), strict=True)))
    assert (await release.described(wanted)).film.name == (film or names[1])


async def test_the_directory_in_an_archive_may_have_the_title(tmp_path: Path):
    files = [("Ronin (1998)/a.mkv", LARGE), ("Heat (1995)/b.mkv", SMALL), ("Extras/c.mkv", LARGE)]
    release = Release(tmp_path, [("a.rar", rar5.archive(files))])
    assert (await release.described(HEAT)).film.name == "b.mkv"


async def test_what_is_too_small_for_its_runtime_is_not_the_film(tmp_path: Path):
    hours = Wanted(title="Heat", runtime_min=1)
    files = [("Heat.teaser.1995.mkv", FILM), ("x.mkv", EBML + bytes(800_000))]
    assert (await Release(tmp_path, files).described(hours)).film.name == "x.mkv"


async def test_a_scrap_is_not_the_film_whatever_it_is_called(tmp_path: Path):
    files = [("Heat.1995.proof.mkv", EBML), ("x.mkv", FILM)]
    assert (await Release(tmp_path, files).described(HEAT)).film.name == "x.mkv"


async def test_a_release_of_a_sample_only(tmp_path: Path):
    with pytest.raises(NoFilm, match="only a sample"):
        await Release(tmp_path, [("heat.sample.mkv", EBML), ("a.bin", bytes(9000))]).described(HEAT)
