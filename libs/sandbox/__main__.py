"""`python -m libs.sandbox --dir DIR`: the sandbox in the foreground; `DIR/sandbox.json` says where it is."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec

from libs.sandbox.packing import PackingError
from libs.sandbox.sandbox import Addresses, Sandbox
from libs.sandbox.studio import StudioError

ADDRESS_FILE = "sandbox.json"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m libs.sandbox", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="where sandbox.json, ca.pem and the films go")
    parser.add_argument("--cache", type=Path, help="where films are kept (default: DIR/films)")
    parser.add_argument("--films", choices=("all", "few"), default="all")
    parser.add_argument("--tmdb-port", type=int, default=0, help="0: any free port")
    parser.add_argument("--newznab-port", type=int, default=0)
    parser.add_argument("--nntp-port", type=int, default=0)
    parser.add_argument("--no-tls", action="store_true", help="the news server speaks without TLS")
    parser.add_argument("--lifeline", action="store_true", help="stop when standard input closes")
    return parser.parse_args()


async def _main(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_serve(arguments), name="sandbox-serve"),
            group.create_task(_until(stop), name="sandbox-signals"),
        ]
        if arguments.lifeline:
            tasks.append(group.create_task(_until_stdin_closes(), name="sandbox-lifeline"))
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


async def _serve(arguments: argparse.Namespace) -> None:
    sandbox = Sandbox(
        arguments.dir,
        films=arguments.films,
        cache=arguments.cache,
        tmdb_port=arguments.tmdb_port,
        newznab_port=arguments.newznab_port,
        nntp_port=arguments.nntp_port,
        nntp_tls=not arguments.no_tls,
    )
    async with sandbox:
        _write_addresses(sandbox.addresses, arguments.dir)
        await sandbox.stopped()


def _write_addresses(addresses: Addresses, directory: Path) -> None:
    part = directory / "sandbox.json.part"
    part.write_bytes(msgspec.json.format(msgspec.json.encode(addresses)))
    part.replace(directory / ADDRESS_FILE)


async def _until_stdin_closes() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while await reader.read(4096):
        pass


def main() -> int:
    """Runs until SIGINT or SIGTERM (or, with a lifeline, until standard input closes); 1 if it failed."""
    arguments = _arguments()
    address_file: Path = arguments.dir / ADDRESS_FILE
    address_file.unlink(missing_ok=True)
    failed = False
    try:
        asyncio.run(_main(arguments))
    except* (OSError, StudioError, PackingError) as failures:
        failed = True
        sys.stderr.writelines(f"the sandbox stopped: {failure}\n" for failure in _leaves(failures))
    finally:
        address_file.unlink(missing_ok=True)
    return int(failed)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(cast("BaseExceptionGroup[BaseException]", error))
        else:
            yield error


if __name__ == "__main__":
    sys.exit(main())
