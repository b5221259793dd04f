"""A question that takes too much computing ends the media process, whatever libav is at."""

import signal
import subprocess
import sys

import pytest

from services.downloader.media.crew import CPU_S
from services.downloader.media.messages import TOO_LONG

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

PROCESS = """
import sys, time
from services.downloader.media import crew, messages

class Booth:
    def answer(self, question):
        {burn}

hand = crew.Hand(Booth, print)
hand.start()
hand.ask(messages.Ask(number=1, question=messages.Probe()))
crew.watch([hand], 0.0)
"""


@pytest.mark.parametrize(
    ("burn", "ends_by"),
    [
        ("while True: pass", TOO_LONG),
        # In one call that never lets go of the interpreter's lock: no thread of ours gets to look.
        ("3 ** (3 ** 20)", -signal.SIGPROF),
    ],
    ids=["lets others look", "holds the lock"],
)
def test_it_is_ended(burn: str, ends_by: int) -> None:
    done = subprocess.run([sys.executable, "-c", PROCESS.format(burn=burn)], check=False, timeout=150)
    assert done.returncode == ends_by
    assert CPU_S == 10
