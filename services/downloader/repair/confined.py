"""Becomes another program, within limits: `confined.py CPU_S MEMORY_BYTES FILE_BYTES PROGRAM ARGUMENT…`.

A script of its own because limits must be set between fork and exec, where a process with threads must not
run Python (`preexec_fn`). Started with `python -I -S`, so it imports nothing but the standard library.
"""

import os
import resource
import sys

NICENESS = 10
"""Mending must not take the machine from whoever is watching."""


def main() -> None:
    cpu_s, memory_bytes, file_bytes = (int(limit) for limit in sys.argv[1:4])
    for kind, limit in (
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        lowered = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (lowered, lowered))
    os.nice(NICENESS)
    os.execv(sys.argv[4], sys.argv[4:])  # noqa: S606  no shell is the point


if __name__ == "__main__":
    main()
