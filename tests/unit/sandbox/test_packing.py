"""Packings against the par2 program and rarfile; names of releases."""

import subprocess
import zipfile
from pathlib import Path
from random import Random

import pytest
import rarfile

from libs.sandbox.forms import FORMS, VOLUMES
from libs.sandbox.packing import PackingError, create_par2, pack, par2_program
from libs.sandbox.releases import matches, recipes_of
from libs.sandbox.titles import load_titles

TITLES = {title.id: title for title in load_titles()}


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mkv"
    path.write_bytes(Random(1).randbytes(400_000))
    return path


def par2(verb: str, index: Path) -> int:
    return subprocess.run([par2_program(), verb, "-q", index], check=False, capture_output=True).returncode


@pytest.mark.parametrize(
    ("packing", "suffixes"),
    [
        ("plain", {".mkv"}),
        ("rar5", {".rar"}),
        ("plain+par2", {".mkv", ".par2"}),
        ("rar5-volumes+par2", {".rar", ".par2"}),
    ],
)
def test_a_packing_has_its_kinds_of_files(film: Path, tmp_path: Path, packing, suffixes: set[str]) -> None:
    files = pack(film, "Film.2024-GRP", packing, tmp_path / "post")
    assert {path.suffix for path in files} == suffixes
    assert all(path.name.startswith("Film.2024-GRP.") for path in files)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_stored_volumes_hold_the_film_under_the_release_name(film: Path, tmp_path: Path) -> None:
    files = pack(film, "Film", "rar5-volumes+par2", tmp_path / "post")
    volumes = [path for path in files if path.suffix == ".rar"]
    assert len(volumes) == 5
    with rarfile.RarFile(volumes[0]) as archive:
        assert archive.read("Film.mkv") == film.read_bytes()


@pytest.mark.parametrize("packing", ["plain+par2", "rar5-volumes+par2"])
def test_par2_verifies_and_mends_a_tenth(film: Path, tmp_path: Path, packing) -> None:
    files = pack(film, "Film", packing, tmp_path / "post")
    index = tmp_path / "post" / "Film.par2"
    assert len([path for path in files if ".vol" in path.name]) > 1
    assert par2("verify", index) == 0
    protected = next(path for path in files if path.suffix != ".par2")
    damaged = bytearray(protected.read_bytes())
    whole = bytes(damaged)
    damaged[10_000:40_000] = bytes(30_000)
    protected.unlink()
    protected.write_bytes(damaged)
    assert par2("verify", index) != 0
    assert par2("repair", index) == 0
    assert protected.read_bytes() == whole


RAR_FORMS = ["rar4", "rar4-volumes", "rar4-old-names", "folders-in-rar"]


@pytest.mark.parametrize("form", RAR_FORMS)
def test_rar_forms_are_what_rarfile_reads(film: Path, tmp_path: Path, form: str) -> None:
    files = pack(film, "Film", form, tmp_path / "post")
    first = min(files, key=lambda path: (path.suffix != ".rar", path.name))
    with rarfile.RarFile(first) as archive:
        [member] = [m for m in archive.infolist() if m.filename.endswith("Film.mkv")]
        assert archive.read(member) == film.read_bytes()
        assert sorted(archive.volumelist()) == sorted(str(path) for path in files)


@pytest.mark.parametrize("form", ["zip", "zip64"])
def test_zip_forms_are_what_zipfile_reads(film: Path, tmp_path: Path, form: str) -> None:
    [file] = pack(film, "Film", form, tmp_path / "post")
    with zipfile.ZipFile(file) as archive:
        assert archive.read("Film.mkv") == film.read_bytes()


def test_pieces_are_the_film_in_order(film: Path, tmp_path: Path) -> None:
    files = pack(film, "Film", "split", tmp_path / "post")
    assert len(files) == VOLUMES
    assert b"".join(path.read_bytes() for path in files) == film.read_bytes()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_can_be_protected(film: Path, tmp_path: Path, form: str) -> None:
    files = pack(film, "Film", f"{form}+par2", tmp_path / "post")
    assert par2("verify", tmp_path / "post" / "Film.par2") == 0
    assert len([path for path in files if path.suffix != ".par2"]) in (1, VOLUMES, VOLUMES + 1)


def test_an_unknown_packing_is_named(film: Path, tmp_path: Path) -> None:
    with pytest.raises(PackingError, match="'tar'"):
        pack(film, "Film", "tar", tmp_path / "post")


def test_packing_again_changes_nothing(film: Path, tmp_path: Path) -> None:
    first = {path: path.stat().st_mtime_ns for path in pack(film, "Film", "plain+par2", tmp_path / "post")}
    again = {path: path.stat().st_mtime_ns for path in pack(film, "Film", "plain+par2", tmp_path / "post")}
    assert first == again


def test_a_failure_of_par2_names_the_release(tmp_path: Path) -> None:
    with pytest.raises(PackingError, match=r"Lost\.Film"):
        create_par2(tmp_path / "Lost.Film", [tmp_path / "missing.mkv"])


@pytest.mark.parametrize("title", [title for title in TITLES.values() if title.film], ids=lambda t: t.title)
def test_the_one_best_1080p_release_is_packed_by_the_parity_of_the_id(title) -> None:
    best = [r for r in recipes_of(title) if "1080p.WEB-DL" in r.name or "1080p.BluRay" in r.name]
    assert [r.packing for r in best] == ["plain" if title.id % 2 == 0 else "rar5-volumes+par2"]


def test_titles_without_a_film_have_no_release() -> None:
    assert recipes_of(TITLES[900014]) == []


def test_release_names_are_dotted_and_without_accents() -> None:
    names = [recipe.name for recipe in recipes_of(TITLES[900008])]
    assert names[0].startswith("The.Cartographers.Apology.2019.1080p.")
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("imdb_id", "words", "found"),
    [
        (None, "", True),
        ("tt9000008", "", True),
        ("tt9000001", "", False),
        (None, "cartographer's apology 2019", True),
        (None, "CARTOGRAPHERS", True),
        (None, "cartographers 2018", False),
        ("tt9000008", "lanterns", False),
    ],
)
def test_a_release_is_found_by_id_and_words(imdb_id: str | None, words: str, found: bool) -> None:
    assert matches(recipes_of(TITLES[900008])[0], imdb_id, words) is found
