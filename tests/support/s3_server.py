"""A real S3 server over a folder: rclone's."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KEY_ID, SECRET_KEY = "A-KEY-OF-THE-TESTS", "A-SECRET-OF-THE-TESTS"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def rclone(folder: Path) -> Iterator[str]:
    """`rclone serve s3` over a folder of buckets; its endpoint."""
    port = free_port()
    with (folder.parent / "rclone.log").open("wb") as log:
        process = subprocess.Popen(
            [
                Path(sys.executable).with_name("rclone"),
                *("serve", "s3", "--config", "", "--addr", f"127.0.0.1:{port}", "--force-path-style"),
                *("--auth-key", f"{KEY_ID},{SECRET_KEY}", folder),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        wait_for_port(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on {port}")
