"""Starts a Firefox that Playwright can drive: the distribution's own, over WebDriver BiDi.

Playwright sends for every visitor `emulation.setMediaFeaturesOverride`, which Firefox 153 does not know, and
gives up at its refusal. So Playwright starts this program instead of Firefox: it starts one, stands between
the two, and turns that one command into `session.status`, which changes nothing. All else goes through as it
is. As a program: `python firefox.py FIREFOX ARGUMENT…`; it ends with Firefox.
"""

import asyncio
import re
import shlex
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

PREFERENCES: Mapping[str, str | bool | int] = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.region.network.url": "",
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.systemAddon.update.enabled": False,
    "extensions.update.enabled": False,
    "media.autoplay.default": 0,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "signon.rememberSignons": False,
    "toolkit.telemetry.enabled": False,
}
"""Films begin by themselves, and nothing is asked of the world outside."""

UNKNOWN, HARMLESS = b'"emulation.setMediaFeaturesOverride"', b'"session.status"'
LISTENING = re.compile(rb"(WebDriver BiDi listening on ws://[^:]+:)(\d+)(.*)", re.DOTALL)
CHUNK_BYTES = 1 << 16
MASK_BYTES = 4


def write_launcher(path: Path, firefox: str) -> Path:
    """An executable at `path` that Playwright takes for Firefox."""
    command = shlex.join([sys.executable, str(Path(__file__).resolve()), firefox])
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(0o755)
    return path


async def main(command: list[str]) -> int:
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    assert process.stderr
    try:
        while line := await process.stderr.readline():
            if found := LISTENING.match(line):
                line = found[1] + str(await _listen(int(found[2]))).encode() + found[3]
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()
        return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()


async def _listen(firefox_port: int) -> int:
    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, orders = await asyncio.open_connection("127.0.0.1", firefox_port)
        hello = await reader.readuntil(b"\r\n\r\n")
        # Firefox refuses whoever names another host than its own.
        orders.write(re.sub(rb"(\r\nHost: [^:]+:)\d+", rb"\g<1>%d" % firefox_port, hello))
        ways = [asyncio.create_task(_answers(answers, writer)), asyncio.create_task(_orders(reader, orders))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for stream in (writer, orders):
            stream.close()
        await asyncio.wait(ways)

    server = await asyncio.start_server(join, "127.0.0.1", 0)
    return server.sockets[0].getsockname()[1]


async def _answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()


async def _orders(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            writer.write(await _frame(reader))
            await writer.drain()


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """One frame of a client's (RFC 6455 §5.2: always masked), its text changed where it has to be."""
    head = await reader.readexactly(2)
    length = head[1] & 0x7F
    if wide := {126: ">H", 127: ">Q"}.get(length):
        more = await reader.readexactly(struct.calcsize(wide))
        head, length = head + more, struct.unpack(wide, more)[0]
    mask = await reader.readexactly(MASK_BYTES)
    text = _masked(await reader.readexactly(length), mask)
    # JSON may have spaces behind a string, so the frame stays as long as it was.
    return head + mask + _masked(text.replace(UNKNOWN, HARMLESS.ljust(len(UNKNOWN))), mask)


def _masked(data: bytes, mask: bytes) -> bytes:
    repeated = (mask * (len(data) // MASK_BYTES + 1))[: len(data)]
    return (int.from_bytes(data) ^ int.from_bytes(repeated)).to_bytes(len(data))


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
