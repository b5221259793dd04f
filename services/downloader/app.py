"""Wires the launcher; the downloading itself is done by instances, each its own process."""

import os

from libs.common.service import LIFELINE, Service
from libs.common.settings import ENV_PREFIX, as_environment
from services.downloader.launcher import Launcher
from services.downloader.runners.process import ProcessRunner


async def body(service: Service) -> None:
    settings = service.settings
    if settings.downloader.runner == "none":
        return
    ours = {k: v for k, v in os.environ.items() if not k.startswith(ENV_PREFIX) and k != LIFELINE}
    runner = ProcessRunner(settings.scratch, {**ours, **as_environment(settings)})
    downloader = settings.downloader
    launcher = Launcher(service.bus, runner, downloader.max_instances, downloader.warm)
    service.task(launcher.run(), "launcher")
