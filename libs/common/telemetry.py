"""Structured logs and metrics, set up once per process."""

import logging
import sys
from collections.abc import Sequence

import structlog
from prometheus_client import Counter, Gauge, Histogram
from structlog.typing import EventDict, WrappedLogger

from libs.common.security import scrub

EVENTS_PUBLISHED = Counter("matinee_events_published_total", "Events stored on the log", ["fact"])
HANDLED = Counter("matinee_deliveries_total", "Deliveries handled", ["consumer", "outcome"])
UPSTREAM_SECONDS = Histogram("matinee_upstream_seconds", "Time of outgoing requests", ["upstream", "status"])
BUILD = Gauge("matinee_build_info", "Always 1; the labels say what runs", ["service", "version"])


def configure_logs(service: str, secrets: Sequence[str]) -> None:
    """JSON lines on stderr; every line names the service, and no line holds a secret."""

    def without_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {k: scrub(v, secrets) if isinstance(v, str) else v for k, v in event.items()}

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            without_secrets,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    # Libraries log through the standard library: only what is wrong, in the same place.
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.WARNING,
        format='{"level":"%(levelname)s","library":"%(name)s","event":"%(message)s"}',
    )
