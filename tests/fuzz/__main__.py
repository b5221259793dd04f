"""`python -m tests.fuzz --minutes 10`: changes the inputs of each target a little, and keeps what breaks it.

An input that breaks a target, takes longer than 2 s or grows the process by 300 MB is written to
`tests/fuzz/corpus/<target>/`. One that is refused for a reason that is new is mutated further.
"""

import argparse
import hashlib
import os
import random
import re
import resource
import signal
import time
import traceback
from pathlib import Path

from tests.fuzz.mutation import mutated
from tests.fuzz.targets import TARGETS, Refused, Target

CORPUS = Path(__file__).parent / "corpus"
INPUT_MAX_S = 2
GROWTH_MAX_KB = 300 << 10
TURN_S = 5.0
POOL_MAX = 400
_VARIES = re.compile(r"\d+|“[^”]*”")


def corpus(name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]


class Fuzzer:
    def __init__(self, name: str, target: Target, seed: int) -> None:
        self.name, self.target = name, target
        self.rng = random.Random(f"{name} {seed}")
        self.pool = [*target.seeds(), *corpus(name)]
        self.inputs, self.findings = 0, set[str]()
        self._reasons: set[str] = set()

    def turn(self, until: float) -> None:
        while time.monotonic() < until:
            data = mutated(self.rng, self.pool)
            self.inputs += 1
            before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            try:
                signal.alarm(INPUT_MAX_S)
                self.target.run(data)
                reason = ""
            except Refused as refusal:
                reason = _VARIES.sub("", str(refusal))[:200]
            except Exception as error:
                self._found(data, traceback.format_exc(), error)
                continue
            finally:
                signal.alarm(0)
            if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb > GROWTH_MAX_KB:
                self._found(data, "memory", MemoryError())
            if reason not in self._reasons:
                self._reasons.add(reason)
                self.pool.append(data)
                del self.pool[POOL_MAX:]

    def _found(self, data: bytes, told: str, error: Exception) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{type(error).__name__} {frames[-1].name if frames else ''}"
        if where not in self.findings:
            self.findings.add(where)
            path = CORPUS / self.name / hashlib.sha256(data).hexdigest()[:16]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            print(f"{self.name}: {where} -> {path}\n{told}", flush=True)


class TooSlow(Exception):
    """One input took longer than any may."""


def _too_slow(*_: object) -> None:
    raise TooSlow


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; all if none is named")
    arguments = parser.parse_args()
    signal.signal(signal.SIGALRM, _too_slow)
    names = arguments.targets or list(TARGETS)
    fuzzers = [Fuzzer(name, TARGETS[name], arguments.seed) for name in names]
    until = time.monotonic() + 60 * arguments.minutes
    while time.monotonic() < until:
        for fuzzer in fuzzers:
            fuzzer.turn(min(until, time.monotonic() + TURN_S))
    for fuzzer in fuzzers:
        print(
            f"{fuzzer.name}: {fuzzer.inputs} inputs, {len(fuzzer.pool)} kept, {len(fuzzer.findings)} findings"
        )
    print(f"seed {arguments.seed}, {os.times().user + os.times().system:.0f} CPU-seconds")
    return 1 if any(fuzzer.findings for fuzzer in fuzzers) else 0


if __name__ == "__main__":
    raise SystemExit(main())
