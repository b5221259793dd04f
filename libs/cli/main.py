"""`matinee`: the command line. Each command lives in a module of its own, imported only when it is run."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from libs.cli.failure import CommandFailed
from libs.cli.lean import import_without_extras, no_garbage

# As the settings have them; importing those would make every command slower.
SERVICES = ("catalog", "indexer", "downloader", "streamer", "janitor")
QUALITIES = ("720p", "1080p", "4K")
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code: 0, 1 failed, 2 wrong use."""
    parsed = _parser().parse_args(arguments)
    try:
        with no_garbage():
            import_without_extras()
            command = importlib.import_module(parsed.module)
        return int(command.run(parsed))
    except CommandFailed as failure:
        print(failure, file=sys.stderr)
        return failure.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="matinee", description="An ephemeral streaming box.", epilog="Settings: ./matinee.toml"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, module: str, summary: str, *, settings: bool = True) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=summary)
        added.set_defaults(module=f"libs.cli.{module}")
        if settings:
            added.add_argument(
                "--config", type=Path, metavar="FILE", help="settings (default: ./matinee.toml)"
            )
            added.add_argument("--data", type=Path, metavar="DIR", help="instead of the settings' data_dir")
        return added

    up = command("up", "up", "Start everything on this machine; Ctrl-C stops it all.")
    up.add_argument(
        "--sandbox", action="store_true", help="a demo: invented films on a small internet of its own"
    )
    up.add_argument("--port", type=int, metavar="N", help="where the page is, instead of the settings' port")

    fetch = command("fetch", "fetch", "Fetch a film by its title and follow it until it is ready.")
    fetch.add_argument("title")
    fetch.add_argument("--year", type=int)
    fetch.add_argument("--quality", choices=QUALITIES)
    fetch.add_argument("--json", action="store_true", help="the job, one object a line for each change")

    jobs = command("jobs", "jobs", "List the jobs that are under way or ready.")
    jobs.add_argument("--json", action="store_true", help="one object a line")

    explain = command("explain", "explain", "Tell the story of a job, from the log.")
    explain.add_argument("job", metavar="JOB")
    explain.add_argument("--json", action="store_true", help="its events, one object a line")

    parse = command("parse", "parse", "Take release names apart.", settings=False)
    parse.add_argument("names", nargs="*", metavar="NAME", help="none: the lines of standard input")
    parse.add_argument("--json", action="store_true", help="one object a line")

    replay = command("replay", "replay", "Rebuild a service's state from the log and compare.")
    replay.add_argument("service", choices=SERVICES)

    service = command("service", "services", "Run one service in the foreground.")
    service.add_argument("name", choices=SERVICES)

    command("instance", "instance", "Run one download job, as the launcher or a container does.")
    config = command("config", "config", "Show the effective settings, secrets masked.")
    config.add_argument("--json", action="store_true", help="what it shows is JSON anyway")
    return parser


if __name__ == "__main__":
    sys.exit(main())
