"""Becomes another program, within limits: `confined.py CPU_S MEMORY_BYTES FILE_BYTES PROGRAM ARGUMENT…`.

A script of its own because limits must be set between fork and exec, where a process with threads must not
run Python (`preexec_fn`). Started with `python -I -S`, so it imports nothing but the standard library.
"""

import ctypes
import os
import resource
import signal
import sys

NICENESS = 10
"""Mending and unpacking must not take the machine from whoever is watching."""
FILES_MAX = 40_000
"""A par2 set has at most 32,768 slices."""
_PR_SET_PDEATHSIG = 1


def main() -> None:
    confine(*(int(limit) for limit in sys.argv[1:4]))
    os.nice(NICENESS)
    os.execv(sys.argv[4], sys.argv[4:])  # noqa: S606  no shell is the point


def confine(cpu_s: int, memory_bytes: int, file_bytes: int) -> None:
    """Sets these limits on this very process, for good, and has the kernel end it with whoever started it."""
    if sys.platform == "linux":
        # Whoever started it may be killed: nobody is left then to end it. (prctl(2); it outlives exec.)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    for kind, limit in (
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        if kind == resource.RLIMIT_AS and sys.platform == "darwin":
            # macOS refuses this limit, whatever it is.
            continue
        _, hard = resource.getrlimit(kind)
        lowered = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (lowered, lowered))
    # par2 has all that it makes open at once: a file for each lost slice.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = FILES_MAX if hard == resource.RLIM_INFINITY else min(FILES_MAX, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))


if __name__ == "__main__":
    main()
