"""Runs a program that knows nothing of lifelines: `lifeline.py FD COMMAND…` ends it when the pipe closes.

The supervisor holds the other end of the pipe, and the kernel closes it however the supervisor ends. Uses
only the standard library, so that it runs without the site packages: small, and started in some ms.
"""

import os
import signal
import subprocess
import sys
import threading

STOP_S = 3.0


def main() -> int:
    lifeline, command = int(sys.argv[1]), sys.argv[2:]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def stop(_number: int, _frame: object) -> None:
        process.terminate()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    threading.Thread(target=_follow, args=(lifeline, process), name="lifeline", daemon=True).start()
    code = process.wait()
    return code if code >= 0 else 128 - code


def _follow(lifeline: int, process: "subprocess.Popen[bytes]") -> None:
    while os.read(lifeline, 1024):
        pass
    process.terminate()
    timer = threading.Timer(STOP_S, process.kill)
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    sys.exit(main())
