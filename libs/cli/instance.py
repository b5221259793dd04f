"""`matinee instance`: one download job, from taking it to its end."""

import argparse

from libs.cli.configuration import settings_of
from libs.cli.running import with_broker
from services.downloader.instance import main


def run(arguments: argparse.Namespace) -> int:
    return main(with_broker(settings_of(arguments)))
