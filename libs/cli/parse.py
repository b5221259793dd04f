"""`matinee parse`: release names, taken apart."""

import argparse
import json
import os
import sys
from collections.abc import Iterable
from typing import Any, cast

import msgspec

from libs.common.releases import parse

MAX_NAME_CHARS = 1000
"""Of a longer line, what follows is not looked at."""


def run(arguments: argparse.Namespace) -> int:
    lines: Iterable[bytes] = map(os.fsencode, arguments.names) if arguments.names else sys.stdin.buffer
    for line in lines:
        name = line.decode(errors="replace").strip()[:MAX_NAME_CHARS]
        fields: dict[str, Any] = msgspec.to_builtins(parse(name))
        print(json.dumps(fields, ensure_ascii=False) if arguments.json else _table(name, fields), flush=True)
    return 0


def _table(name: str, fields: dict[str, Any]) -> str:
    told = {key: _plain(value) for key, value in fields.items() if value not in (None, [], "", False)}
    return "\n".join([name, *(f"  {key:<11}{value}" for key, value in told.items()), ""])


def _plain(value: Any) -> str:
    return ", ".join(map(str, cast("list[Any]", value))) if isinstance(value, list) else str(value)
