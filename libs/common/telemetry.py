"""Structured logs and metrics, set up once per process."""

import logging
import sys
from collections.abc import Iterable, Sequence
from typing import Any, cast

import structlog
from prometheus_client import Counter, Gauge, Histogram
from structlog.typing import EventDict, Processor, WrappedLogger

from libs.common.security import scrub

EVENTS_PUBLISHED = Counter("matinee_events_published_total", "Events stored on the log", ["fact"])
HANDLED = Counter("matinee_deliveries_total", "Deliveries handled", ["consumer", "outcome"])
UPSTREAM_SECONDS = Histogram("matinee_upstream_seconds", "Time of outgoing requests", ["upstream", "status"])
BUILD = Gauge("matinee_build_info", "Always 1; the labels say what runs", ["service", "version"])


def configure_logs(service: str, secrets: Sequence[str]) -> None:
    """JSON lines on stderr; every line names the service, and no line holds a secret.

    Libraries log through the standard library: of them only what is wrong, in the same form and place.
    """

    def without_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: _scrubbed(value, secrets) for key, value in event.items()}

    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = [
        structlog.processors.format_exc_info,
        without_secrets,
        structlog.processors.JSONRenderer(),
    ]
    structlog.configure(
        processors=[*common, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*common, _with_library],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING)


def _with_library(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {**event, "library": event["_record"].name}


def _scrubbed(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, str):
        return scrub(value, secrets)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        pairs = cast("dict[object, object]", value).items()
        return {scrub(str(key), secrets): _scrubbed(below, secrets) for key, below in pairs}
    if isinstance(value, list | tuple | set | frozenset):
        return [_scrubbed(below, secrets) for below in cast("Iterable[object]", value)]
    return scrub(repr(value), secrets)
