"""A service's life: settings, logs, its four health endpoints, NATS, its tasks, and a stop within seconds.

`run` is all that a service's `app.py` needs: it gives the body a `Service` and keeps it alive until SIGTERM,
SIGINT, or the end of the supervisor that started it (its end of a pipe closes).
"""

import asyncio
import contextlib
import importlib.metadata
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypedDict, cast

import structlog

from libs.common.bus import Bus
from libs.common.errors import BusUnavailable, SettingsError
from libs.common.health import Check, Health, HttpServer
from libs.common.settings import Settings
from libs.common.streams import provision
from libs.common.telemetry import BUILD, configure_logs

log = structlog.get_logger(__name__)

STOP_S = 4.0
"""Time from the signal to the end for everything that ends well; then what hangs is cancelled."""
CANCELLED_S = 0.5
"""Then what still hangs ends with the process."""
TASKS_END_S = 2.0
CLOSE_S = 1.0
PROVISION_RETRY_S = 0.5
LIFELINE = "MATINEE_LIFELINE_FD"


def version() -> str:
    return importlib.metadata.version("matinee")


class Service:
    """What a service's body works with.

    On a stop: first its HTTP server ends, then its tasks, then what it registered to be closed, last first.
    """

    def __init__(
        self, settings: Settings, bus: Bus, http: HttpServer, health: Health, tasks: asyncio.TaskGroup
    ) -> None:
        self.settings = settings
        self.bus = bus
        self.health = health
        self._http = http
        self.stopping = asyncio.Event()
        self._group = tasks
        self._tasks: list[asyncio.Task[None]] = []
        self._closers = contextlib.AsyncExitStack()

    def task(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run it until the service stops. If it raises, the service ends; its supervisor starts it again."""
        self._tasks.append(self._group.create_task(work, name=name))

    def serve(self, app: Any) -> None:
        """Have this ASGI app answer from now on; it answers the health endpoints too (`health.answer`)."""
        self._http.app = app

    def on_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Have it called at the end, whatever happens before; it is given a second."""
        self._closers.push_async_callback(_bounded, close)

    def ready_when(self, check: Check) -> None:
        """`readyz` is green only while every check returns None; else it shows the sentence returned."""
        self.health.add(check)

    async def stop(self) -> None:
        self.stopping.set()
        try:
            await self._http.stop()
        finally:
            for task in self._tasks:
                task.cancel()
            try:
                await self._wait_for_tasks()
            finally:
                await self._closers.aclose()

    async def _wait_for_tasks(self) -> None:
        if not self._tasks:
            return
        _, hanging = await asyncio.wait(self._tasks, timeout=TASKS_END_S)
        for task in hanging:
            log.warning("task_hangs", task=task.get_name())


async def _bounded(close: Callable[[], Awaitable[None]]) -> None:
    try:
        async with asyncio.timeout(CLOSE_S):
            await close()
    except TimeoutError:
        log.warning("close_hangs", what=getattr(close, "__qualname__", ""))


Body = Callable[[Service], Awaitable[None]]


def run(name: str, settings: Settings, body: Body) -> int:
    """Run a service until it is told to stop; its exit code. Its port answers before anything else works.

    If it fails of what the owner can mend (a setting, the disk), that is the last line on stderr, and 1.
    """
    configure_logs(name, settings.secrets())
    BUILD.labels(service=name, version=version()).set(1)
    failed = False
    try:
        asyncio.run(_live(name, settings, body))
    except* SettingsError as failures:
        failed = True
        _say(name, failures)
    except* OSError as failures:
        failed = True
        log.info("failed", exc_info=True)
        _say(name, failures)
    return int(failed)


def _say(name: str, failures: BaseExceptionGroup[Exception]) -> None:
    failure: BaseException = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = cast("BaseExceptionGroup[BaseException]", failure).exceptions[0]
    where = f"{failure.filename}: " if isinstance(failure, OSError) and failure.filename else ""
    why = (failure.strerror if isinstance(failure, OSError) else str(failure)) or type(failure).__name__
    sys.stderr.write(f"The {name} service can't run: {where}{why}\n")


async def _live(name: str, settings: Settings, body: Body) -> None:
    stopping = asyncio.Event()
    _listen_for_the_end(stopping)
    main = asyncio.create_task(_serve(name, settings, body, stopping), name=name)
    stop = asyncio.create_task(stopping.wait(), name="stop")
    await asyncio.wait({main, stop}, return_when=asyncio.FIRST_COMPLETED)
    if not main.done():
        log.info("stopping")
        await asyncio.wait({main}, timeout=STOP_S)
        main.cancel()
        await asyncio.wait({main}, timeout=CANCELLED_S)
        if not main.done():
            # The loop itself would wait for it without end.
            log.error("stop_forced")
            os._exit(1)
    stop.cancel()
    if not main.cancelled():
        main.result()
    log.info("stopped")


async def _serve(name: str, settings: Settings, body: Body, stopping: asyncio.Event) -> None:
    health = Health(name, version())
    started = asyncio.Event()

    async def has_started() -> str | None:
        return None if started.is_set() else "it is still starting"

    health.add(has_started)
    async with HttpServer(health, **_address(name, settings)) as http:
        bus = await connect(settings, name, health)
        try:
            async with asyncio.TaskGroup() as tasks:
                service = Service(settings, bus, http, health, tasks)
                try:
                    await body(service)
                    started.set()
                    log.info("started", version=version())
                    await stopping.wait()
                finally:
                    await service.stop()
        finally:
            await bus.close()


async def connect(settings: Settings, name: str, health: Health | None = None) -> Bus:
    """The bus, with everything declared on it; waits for the server as long as it takes."""
    bus: Bus | None = None
    lacking: str | None = "NATS is not connected"

    async def connected() -> str | None:
        return lacking or (await bus.probe() if bus else None)

    if health:
        health.add(connected)
    bus = await Bus.connect(settings.nats.url, name)
    try:
        while True:
            try:
                await provision(bus.js)
            except BusUnavailable as error:
                lacking = bus.trouble() or str(error)
                log.warning("provision_waits", error=str(error)[:200])
                await asyncio.sleep(PROVISION_RETRY_S)
            else:
                lacking = None
                return bus
    except BaseException:
        await bus.close()
        raise


class _Address(TypedDict):
    host: str
    port: int


def _address(name: str, settings: Settings) -> _Address:
    """The gateway's is the owner's choice; the others listen on loopback, on a port they are given."""
    if name == "streamer":
        return {"host": settings.gateway.host, "port": settings.gateway.port}
    return {"host": "127.0.0.1", "port": int(os.environ.get(f"MATINEE_{name.upper()}_PORT", "0"))}


def _listen_for_the_end(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if lifeline := os.environ.get(LIFELINE):
        loop.add_reader(int(lifeline), stopping.set)
