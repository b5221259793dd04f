"""Runs a program that knows nothing of lifelines: `lifeline.py FD DIRECTORY COMMAND…` ends it when the pipe
closes, and lets only one at a time work in the directory.

The supervisor holds the other end of the pipe, and the kernel closes it however the supervisor ends. Uses
only the standard library, so that it runs without the site packages: small, and started in some ms.
"""

import fcntl
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

STOP_S = 3.0
LOCK = "matinee.lock"
LET_GO_S = 5.0
"""A process that was killed has let go of its files within this time."""


def main() -> int:
    lifeline, directory, command = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    try:
        lock = occupy(directory)
    except OSError as error:
        sys.stderr.write(f"{directory} can't be used: {error.strerror}\n")
        return 1
    # The program inherits the lock: as long as it lives, even without us, no other one starts there.
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(lock,))

    def stop(_number: int, _frame: object) -> None:
        process.terminate()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    threading.Thread(target=_follow, args=(lifeline, process), name="lifeline", daemon=True).start()
    code = process.wait()
    return code if code >= 0 else 128 - code


def occupy(directory: Path, wait_s: float = LET_GO_S) -> int:
    """A descriptor that holds the lock on the directory, which is made if it isn't there.

    Raises `BlockingIOError` if another one works there, other `OSError` if the directory can't be used.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                os.close(lock)
                raise BlockingIOError(error.errno, "another program still works there") from error
            time.sleep(0.02)
        else:
            return lock


def _follow(lifeline: int, process: "subprocess.Popen[bytes]") -> None:
    while True:
        # Somebody who shares the pipe with us may have made reading from it non-blocking.
        select.select([lifeline], [], [])
        try:
            if not os.read(lifeline, 1024):
                break
        except BlockingIOError:
            continue
    process.terminate()
    timer = threading.Timer(STOP_S, process.kill)
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    sys.exit(main())
