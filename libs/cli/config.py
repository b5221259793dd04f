"""`matinee config`: the effective settings, secrets masked."""

import argparse
import json

from libs.cli.configuration import settings_of
from libs.common.settings import masked


def run(arguments: argparse.Namespace) -> int:
    print(json.dumps(masked(settings_of(arguments)), indent=2, ensure_ascii=False))
    return 0
