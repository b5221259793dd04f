"""`matinee service NAME`: one service in the foreground."""

import argparse
import importlib
import os

from libs.cli.configuration import settings_of
from libs.cli.failure import CommandFailed
from libs.cli.running import PRIVATE, with_broker
from libs.common.service import run as live


def run(arguments: argparse.Namespace) -> int:
    os.umask(PRIVATE)
    settings = with_broker(settings_of(arguments))
    name: str = arguments.name
    try:
        app = importlib.import_module(f"services.{name}.app")
    except ModuleNotFoundError as error:
        raise CommandFailed(
            f"The {name} service can't start: the package {error.name} is missing. "
            f"Install what it needs: pip install 'matinee[{name}]'."
        ) from error
    return live(name, settings, app.body)
