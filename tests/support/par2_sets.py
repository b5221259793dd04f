"""Recovery sets made by the real par2 program."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from services.downloader.repair.program import par2_program


def create_par2(
    directory: Path, files: Sequence[tuple[str, bytes]], *, slice_bytes: int = 2000, recovery_blocks: int = 10
) -> list[tuple[str, bytes]]:
    """The par2 files (name, bytes) for `files`, the index first; `directory` must be empty."""
    for name, data in files:
        (directory / name).write_bytes(data)
    subprocess.run(
        [par2_program(), "create", "-q", "-q", f"-s{slice_bytes}", f"-c{recovery_blocks}", "set.par2"]
        + [name for name, _ in files],
        cwd=directory,
        check=True,
        timeout=60,
        stdout=subprocess.DEVNULL,
    )
    made = sorted(directory.glob("*.par2"), key=lambda path: path.stat().st_size)
    return [(path.name, path.read_bytes()) for path in made]
