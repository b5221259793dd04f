"""Questions between services: request and reply over NATS micro services.

A refusal crosses the wire as a code and a sentence, never as a repr. Requests are answered concurrently (the
library's own handlers run one after the other) and drained on stop (the library doesn't).
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import aclosing, contextmanager, suppress
from typing import TypeVar

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.micro import add_service  # pyright: ignore[reportUnknownVariableType]  (its **kwargs are untyped)
from nats.micro.request import Request

from libs.common.bus import Bus, headers_of
from libs.common.errors import ErrorCode, ServiceError
from libs.common.events import Query, Wire, decode, encode

log = structlog.get_logger(__name__)

CONCURRENT_ANSWERS = 64
DRAIN_S = 2.0
REPLIES_MAX = 256
"""To one question; an answer is a megabyte at most, as every message is."""
_STATUS, _NO_RESPONDERS = "Status", "503"
_END = "Matinee-End"
"""The header of the message, empty else, that follows the last of several answers."""
_CODE = "Nats-Service-Error-Code"
_TEXT = "Nats-Service-Error"

Answer = TypeVar("Answer", bound=Wire)
Q = TypeVar("Q", bound=Query)


async def ask(bus: Bus, query: Query, kind: type[Answer], *, timeout_s: float = 20.0) -> Answer:
    """The answer. Raises ServiceError: the answering service's code, or INTERNAL_ERROR if none can be had."""
    if trouble := bus.trouble():
        raise ServiceError(ErrorCode.INTERNAL_ERROR, f"{trouble}; try again in a moment.")
    with _in_words(query):
        reply = await bus.client.request(query.subject, encode(query), timeout=timeout_s)
    return _answer_in(reply, query, kind)


async def ask_several(
    bus: Bus, query: Query, kind: type[Answer], *, timeout_s: float = 20.0
) -> AsyncGenerator[Answer]:
    """The answers in their order, each as it comes, until the answering service says that this is all.

    `timeout_s` is for each; the REPLIES_MAXth is the last. Raises ServiceError as `ask` does. Closed early,
    it stops listening; who answers isn't told.
    """
    if trouble := bus.trouble():
        raise ServiceError(ErrorCode.INTERNAL_ERROR, f"{trouble}; try again in a moment.")
    inbox = bus.client.new_inbox()
    with _in_words(query):
        replies = await bus.client.subscribe(inbox, pending_msgs_limit=REPLIES_MAX)
    try:
        with _in_words(query):
            await bus.client.publish(query.subject, encode(query), reply=inbox)
        for _ in range(REPLIES_MAX):
            with _in_words(query):
                reply = await replies.next_msg(timeout=timeout_s)
                if headers_of(reply).get(_STATUS) == _NO_RESPONDERS:
                    raise NoRespondersError
            if _END in headers_of(reply):
                return
            yield _answer_in(reply, query, kind)
    finally:
        with suppress(NatsError):
            await replies.unsubscribe()


@contextmanager
def _in_words(query: Query) -> Generator[None]:
    try:
        yield
    except NoRespondersError as error:
        message = f"The {query.service} service is not running; try again in a moment."
        raise ServiceError(ErrorCode.INTERNAL_ERROR, message) from error
    except (NatsError, TimeoutError) as error:
        message = f"The {query.service} service did not answer in time; try again in a moment."
        raise ServiceError(ErrorCode.INTERNAL_ERROR, message) from error


def _answer_in(reply: Msg, query: Query, kind: type[Answer]) -> Answer:
    headers = headers_of(reply)
    if code := headers.get(_CODE):
        raise ServiceError(_known(code), headers.get(_TEXT, code))
    try:
        return decode(reply.data, kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.warning("answer_unreadable", query=query.subject, error=str(error)[:200])
        message = f"The {query.service} service gave an answer of another version; restart all of Matinee."
        raise ServiceError(ErrorCode.INTERNAL_ERROR, message) from error


def _known(code: str) -> ErrorCode:
    """A newer service may have codes that we don't know."""
    try:
        return ErrorCode(code)
    except ValueError:
        return ErrorCode.INTERNAL_ERROR


class Answers:
    """The queries that one service answers. `add` before `serve`."""

    def __init__(self, bus: Bus, service: str, version: str) -> None:
        self._bus = bus
        self._name = service
        self._version = version
        self._endpoints: list[tuple[str, Callable[[Request], Awaitable[None]]]] = []
        self._room = asyncio.Semaphore(CONCURRENT_ANSWERS)
        self._running: set[asyncio.Task[None]] = set()
        self._serving = False

    async def ready(self) -> str | None:
        """For `Service.ready_when`."""
        return None if self._serving else "it does not answer queries yet"

    def add(self, kind: type[Q], answer: Callable[[Q], Awaitable[Wire]]) -> None:
        """Have `answer` called for every query of this kind; what it raises as ServiceError is the reply."""

        async def reply(request: Request) -> None:
            await self._send(request, encode(await answer(decode(request.data, kind))))

        self._add_endpoint(kind, reply)

    def add_several(self, kind: type[Q], answers: Callable[[Q], AsyncGenerator[Wire]]) -> None:
        """The same for queries that `ask_several` asks: each answer is sent as it comes, then the end."""

        async def reply(request: Request) -> None:
            async with aclosing(answers(decode(request.data, kind))) as several:
                async for answer in several:
                    await self._send(request, encode(answer))
            await self._send(request, b"", {_END: "yes"})

        self._add_endpoint(kind, reply)

    def _add_endpoint(self, kind: type[Query], reply: Callable[[Request], Awaitable[None]]) -> None:
        async def accept(request: Request) -> None:
            await self._room.acquire()
            task = asyncio.create_task(
                self._answer(request, kind, reply), name=f"{self._name}.{kind.__name__}"
            )
            self._running.add(task)
            task.add_done_callback(self._finished)

        self._endpoints.append((str(kind.__struct_config__.tag), accept))

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._room.release()

    async def _answer(
        self, request: Request, kind: type[Query], reply: Callable[[Request], Awaitable[None]]
    ) -> None:
        try:
            await reply(request)
        except ServiceError as error:
            await self._send(request, b"", _refusal(error))
        except msgspec.DecodeError as error:
            await self._send(request, b"", _refusal(ServiceError(ErrorCode.INVALID_INPUT, str(error))))
        except Exception:
            # Whoever asked gets a refusal in words, and no repr; the log has the rest.
            log.exception("answer_failed", query=kind.__name__)
            message = f"The {self._name} service hit an unexpected problem; its log says more."
            await self._send(request, b"", _refusal(ServiceError(ErrorCode.INTERNAL_ERROR, message)))

    async def _send(self, request: Request, data: bytes, headers: dict[str, str] | None = None) -> None:
        reply = request._msg.reply  # pyright: ignore[reportPrivateUsage]  (respond() echoes the request's headers)
        with suppress(NatsError):
            await self._bus.client.publish(reply, data, headers=headers)

    async def serve(self) -> None:
        """Answer until cancelled; then finish what is being answered."""
        service = await add_service(self._bus.client, name=self._name, version=self._version)
        group = service.add_group(name=f"svc.{self._name}")
        for name, handler in self._endpoints:
            await group.add_endpoint(name=name, handler=handler)
        # What was subscribed is known to the server before a flush comes back.
        await self._bus.client.flush()
        self._serving = True
        try:
            await asyncio.Event().wait()
        finally:
            with suppress(NatsError, TimeoutError):
                await service.stop()
            if self._running:
                await asyncio.wait(self._running, timeout=DRAIN_S)


def _refusal(error: ServiceError) -> dict[str, str]:
    # A header is one line.
    return {_CODE: error.code.value, _TEXT: " ".join(error.message.split())[:1000]}
