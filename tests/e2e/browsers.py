"""The browsers that visitors come with: Chromium, and Firefox as Debian has it."""

import os
import shutil
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Error, Playwright

from tests.e2e.firefox import PREFERENCES, write_launcher

BrowserName = Literal["chromium", "firefox"]
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
FIREFOXES = ("firefox-esr", "firefox")
ARGUMENTS = [
    "--disable-gpu",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
]
START_TIMEOUT_MS = 60_000


def start(playwright: Playwright, name: BrowserName, directory: Path) -> Browser:
    """`directory` may hold what it needs to start."""
    programs = CHROMIUMS if name == "chromium" else FIREFOXES
    program = next(filter(None, map(shutil.which, programs)), None)
    try:
        if name == "chromium":
            return _chromium(playwright, program)
        return _firefox(playwright, program, directory)
    except Error as error:
        pytest.fail(
            f"{program or name} did not start. Install it so that one of {', '.join(programs)} "
            f"is on the PATH. It said: {error.message[:500]}"
        )


def _chromium(playwright: Playwright, program: str | None) -> Browser:
    # Chromium's own sandbox doesn't start for root.
    arguments = [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    return playwright.chromium.launch(executable_path=program, args=arguments)


def _firefox(playwright: Playwright, program: str | None, directory: Path) -> Browser:
    if program is None:
        raise Error("there is none")
    return playwright.firefox.launch(
        # Playwright's own Firefox is a changed one that must be downloaded; this is the channel of real ones.
        channel="moz-firefox",
        executable_path=write_launcher(directory / "firefox", program),
        firefox_user_prefs=dict(PREFERENCES),
        timeout=START_TIMEOUT_MS,
    )
