"""The settings of a command: the file, the environment, and what the command line says."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from libs.cli.failure import WRONG_USE, CommandFailed
from libs.common.errors import SettingsError
from libs.common.settings import Settings, load

DEFAULT_FILE = Path("matinee.toml")


def settings_of(
    arguments: argparse.Namespace,
    *,
    environ: Mapping[str, str] | None = None,
    default_file: Path | None = DEFAULT_FILE,
    **overrides: Any,
) -> Settings:
    """The effective settings. `default_file` counts only if it exists; `--config` must.

    Raises `CommandFailed` that says which setting is wrong.
    """
    path: Path | None = arguments.config
    if path is None and default_file and default_file.exists():
        path = default_file
    if arguments.data:
        overrides["data_dir"] = str(arguments.data.absolute())
    try:
        return load(path, environ, overrides)
    except SettingsError as error:
        raise CommandFailed(f"The settings are wrong. {error}", WRONG_USE) from error
    except OSError as error:
        raise CommandFailed(f"{path} can't be read: {error.strerror}.", WRONG_USE) from error
