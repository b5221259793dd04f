"""`matinee instance`: one download job, from taking it to its end."""

import argparse
import os
import sys

from libs.cli.configuration import settings_of
from libs.cli.running import PRIVATE, with_broker
from services.downloader.instance import WAIT_FOR_WORK_S, main
from services.downloader.runners.process import ID_VARIABLE


def run(arguments: argparse.Namespace) -> int:
    os.umask(PRIVATE)
    settings = with_broker(settings_of(arguments))
    if ID_VARIABLE not in os.environ:
        # Started by a person, who would wonder at the silence.
        print(
            f"It takes the next job; if there is none within {WAIT_FOR_WORK_S:.0f} s, it ends.",
            file=sys.stderr,
        )
    return main(settings)
