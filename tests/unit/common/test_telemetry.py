"""Logs, as a process of their own writes them."""

import json
import subprocess
import sys
from typing import Any

PROGRAM = """
import logging, structlog
from libs.common.telemetry import configure_logs
configure_logs("janitor", ["hunter2"])
log = structlog.get_logger()
library = logging.getLogger("some.library")
log.info("ours", where={"hunter2": ["at hunter2", 3, None]}, error=ValueError("hunter2"))
library.info("not worth it")
library.warning('it said "%s" and\\nhunter2', "no")
try:
    raise ValueError("hunter2")
except ValueError:
    library.exception("failed")
"""


def lines() -> list[dict[str, Any]]:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=30
    )
    assert "hunter2" not in ended.stderr
    return [json.loads(line) for line in ended.stderr.splitlines()]


def test_what_libraries_say_is_told_as_our_own_and_nothing_tells_a_secret() -> None:
    ours, said, failed = lines()
    assert ours["where"] == {"[hidden]": ["at [hidden]", 3, None]}
    assert ours["error"] == "ValueError('[hidden]')"
    assert {line["service"] for line in (ours, said, failed)} == {"janitor"}
    assert (said["event"], said["level"]) == ('it said "no" and\n[hidden]', "warning")
    assert said["library"] == "some.library"
    assert failed["level"] == "error"
    assert failed["exception"].endswith("ValueError: [hidden]")
