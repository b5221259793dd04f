"""One command that is kept running: started again when it ends, stopped when we stop."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from libs.cli.logfile import LogFile

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
STEADY_S = 30.0
"""A child that lived this long is started again without delay."""
STOP_S = 5.0


class Child:
    """In a session of its own, so that the terminal's Ctrl-C reaches the supervisor alone."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: LogFile,
        *,
        lifeline: int,
        stdin: int = asyncio.subprocess.DEVNULL,
        say: Callable[[str], None],
    ) -> None:
        """`lifeline`: the end of a pipe that the child inherits under the same number."""
        self.name = name
        self.log = log
        self._command = command
        self._environment = environment
        self._lifeline = lifeline
        self._stdin = stdin
        self._say = say
        self.deaths = 0
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """None while it is not running."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep_running(), name=f"child-{self.name}")

    async def _keep_running(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            started = time.monotonic()
            how = await self._run_once()
            if time.monotonic() - started >= STEADY_S:
                pause_s = FIRST_PAUSE_S
            self.deaths += 1
            self._say(f"{self.name} {how}")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _run_once(self) -> str:
        """How it ended, in words."""
        try:
            with self.log.open() as output:
                process = self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    env=self._environment,
                    stdin=self._stdin,
                    stdout=output,
                    stderr=output,
                    pass_fds=(self._lifeline,),
                    start_new_session=True,
                )
        except OSError as error:
            # No room on the disk, too many open files, no memory: it passes, or the owner mends it.
            return f"can't be started ({error.strerror or error}); trying again."
        code = await process.wait()
        # What it started may hold what the next one needs: a port, a store.
        _end_group(process.pid)
        return f"ended ({_in_words(code)}); starting it again. Its last words: {self.log.last_line()}"

    def restart(self) -> None:
        """Ask it to end; it is started again as after any end."""
        if self._process and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()

    async def stop(self) -> None:
        """SIGTERM, five seconds, SIGKILL to all of its group. Returns when it is gone."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await process.wait()
        _end_group(process.pid)
        await process.wait()


def _end_group(pid: int) -> None:
    # The group is named after the child that we started: whatever is left in it is its own.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _in_words(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
