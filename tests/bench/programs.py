"""The two C programs of the bench, and what the machine must bring for them."""

import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent


class Needed(Exception):
    """Something that `make bench` needs is not on this machine. The text says what to do."""


def build(name: str, directory: Path) -> Path:
    """The program of `name`.c. Raises `Needed` without a C compiler or OpenSSL's headers."""
    if not shutil.which("gcc"):
        raise Needed(
            "make bench compiles its news server: install gcc and OpenSSL's headers (Debian: gcc libssl-dev)."
        )
    program = directory / name
    command = ["gcc", "-O2", "-pthread", "-o", program, SOURCES / f"{name}.c", "-lssl", "-lcrypto"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Needed(f"{name}.c could not be compiled; is libssl-dev installed?\n{done.stderr}")
    return program
