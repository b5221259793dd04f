"""`matinee parse`: release names, taken apart."""

import argparse
import json
import os
import sys
from collections.abc import Iterable
from typing import Any, cast

import msgspec

from libs.common.release_text import Span
from libs.common.releases import Reading, explain

MAX_NAME_CHARS = 1000
"""Of a longer line, what follows is not looked at."""


FIELDS = (
    *(
        "title",
        "year",
        "season",
        "episodes",
        "absolute",
        "date",
        "resolution",
        "source",
        "codec",
        "bit_depth",
    ),
    *("hdr", "audio", "channels", "languages", "edition", "group", "flags"),
)
"""Of an object in JSON: programs that read them expect these and no others."""


def run(arguments: argparse.Namespace) -> int:
    lines: Iterable[bytes] = map(os.fsencode, arguments.names) if arguments.names else sys.stdin.buffer
    for line in lines:
        name = line.decode(errors="replace").strip()[:MAX_NAME_CHARS]
        reading = explain(name)
        print(_object(reading) if arguments.json else _table(name, reading), flush=True)
    return 0


def _object(reading: Reading) -> str:
    fields: dict[str, Any] = msgspec.to_builtins(reading.release)
    return json.dumps({field: fields[field] for field in FIELDS}, ensure_ascii=False)


def _table(name: str, reading: Reading) -> str:
    """A line for each field that the name says: its value, and the words it was read from."""
    fields: dict[str, Any] = msgspec.to_builtins(reading.release)
    told = [
        f"  {field:<11}{_plain(fields[field]):<24} {_words(name, places)}".rstrip()
        for field in fields
        if (places := reading.spans.get(field))
    ]
    return "\n".join([name, *told, ""])


def _words(name: str, places: Iterable[Span]) -> str:
    return " … ".join(name[start:end].strip() for start, end in places)


def _plain(value: Any) -> str:
    several = isinstance(value, tuple | list)
    return ", ".join(map(str, cast("tuple[Any, ...]", value))) if several else str(value)
