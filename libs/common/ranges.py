"""Byte ranges of HTTP (RFC 9110 §13, §14): which bytes of a file a request is to get, and sending them."""

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, MutableMapping
from contextlib import aclosing
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

CHUNK_BYTES = 256 * 1024
# No honest client says more; a header is refused as garbage rather than read at length.
_MAX_HEADER_CHARS = 256
_SPEC = re.compile(r"(\d*)-(\d*)", re.ASCII)

T = TypeVar("T")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Whole(msgspec.Struct, frozen=True):
    """No range, or none that we heed: all of it."""


class Part(msgspec.Struct, frozen=True):
    """Bytes `start` (included) to `end` (excluded); never empty."""

    start: int
    end: int


class Unsatisfiable(msgspec.Struct, frozen=True):
    """A range that begins beyond the end."""


Range = Whole | Part | Unsatisfiable


def parse(header: str | None, size_bytes: int) -> Range:
    """What a `Range` header asks of `size_bytes` bytes. Several ranges, and garbage, ask for all of it."""
    if header is None or len(header) > _MAX_HEADER_CHARS:
        return Whole()
    unit, equals, text = header.partition("=")
    specs = [spec for spec in (piece.strip(" \t") for piece in text.split(",")) if spec]
    if unit.strip(" \t").lower() != "bytes" or not equals or len(specs) != 1:
        return Whole()
    match = _SPEC.fullmatch(specs[0])
    if match is None:
        return Whole()
    first, last = match.groups()
    if first:
        return _from(int(first), int(last) if last else None, size_bytes)
    return _suffix(int(last), size_bytes) if last else Whole()


def _from(first: int, last: int | None, size_bytes: int) -> Range:
    if last is not None and last < first:
        return Whole()
    if first >= size_bytes:
        return Unsatisfiable()
    return Part(first, size_bytes if last is None else min(last + 1, size_bytes))


def _suffix(length: int, size_bytes: int) -> Range:
    if length == 0:
        return Unsatisfiable()
    # The last bytes of nothing can be had, but Content-Range can't say so.
    return Part(max(0, size_bytes - length), size_bytes) if size_bytes else Whole()


class Lying(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes in an open file, to be sent from there without passing through the process."""

    descriptor: int
    offset: int
    length: int

    def fileno(self) -> int:
        return self.descriptor

    def __len__(self) -> int:
        return self.length


ZERO_COPY = "http.response.zerocopysend"
"""The ASGI extension by which a server takes them."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """An answer but for its body, which is `length` bytes of the file from `start` on (0: no body)."""

    status: int
    headers: dict[str, str]
    start: int
    length: int


def respond(
    method: str,
    headers: Mapping[str, str],
    *,
    size_bytes: int,
    etag: str,
    modified_at: datetime,
    content_type: str,
) -> Plan:
    """The answer to a request for a file: 200, 206, 304, 405, 412 or 416, with all headers it needs.

    `headers` are the request's, names in lower case. `etag` has no quotes and is a strong one. As RFC 9110
    §14.2 has it, a range counts only for GET: HEAD tells the whole length.
    """
    if method not in ("GET", "HEAD"):
        return Plan(status=405, headers={"allow": "GET, HEAD", "content-length": "0"}, start=0, length=0)
    about = {
        "etag": f'"{etag}"',
        "last-modified": format_datetime(modified_at.astimezone(UTC), usegmt=True),
        "accept-ranges": "bytes",
    }
    refused = _precondition(headers, etag, modified_at)
    if refused is not None:
        return Plan(status=refused, headers=about, start=0, length=0)
    wanted = parse(headers.get("range"), size_bytes) if method == "GET" else Whole()
    if not _range_holds(headers.get("if-range"), etag, modified_at):
        wanted = Whole()
    if isinstance(wanted, Unsatisfiable):
        unsatisfiable = about | {"content-range": f"bytes */{size_bytes}", "content-length": "0"}
        return Plan(status=416, headers=unsatisfiable, start=0, length=0)
    start, end = (wanted.start, wanted.end) if isinstance(wanted, Part) else (0, size_bytes)
    about |= {"content-type": content_type, "content-length": str(end - start)}
    if isinstance(wanted, Part):
        about["content-range"] = f"bytes {start}-{end - 1}/{size_bytes}"
    status = 206 if isinstance(wanted, Part) else 200
    return Plan(status=status, headers=about, start=start, length=0 if method == "HEAD" else end - start)


def _precondition(headers: Mapping[str, str], etag: str, modified_at: datetime) -> int | None:
    """304 or 412 if the request's conditions say so, taken in the order of RFC 9110 §13.2.2."""
    if "if-match" in headers:
        if not _names(headers["if-match"], etag, weak=False):
            return 412
    elif "if-unmodified-since" in headers:
        since = _date(headers["if-unmodified-since"])
        if since is not None and _whole_second(modified_at) > since:
            return 412
    if "if-none-match" in headers:
        return 304 if _names(headers["if-none-match"], etag, weak=True) else None
    since = _date(headers.get("if-modified-since", ""))
    return 304 if since is not None and _whole_second(modified_at) <= since else None


def _names(header: str, etag: str, *, weak: bool) -> bool:
    tags = [tag.strip(" \t") for tag in header.split(",")]
    return tags == ["*"] or f'"{etag}"' in tags or (weak and f'W/"{etag}"' in tags)


def _range_holds(header: str | None, etag: str, modified_at: datetime) -> bool:
    """`If-Range`: whether the client's earlier part is of this very content; a weak tag never proves it."""
    if header is None:
        return True
    header = header.strip(" \t")
    if header.startswith(('"', "W/")):
        return header == f'"{etag}"'
    return _date(header) == _whole_second(modified_at)


def _date(header: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(header)
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _whole_second(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


async def serve_file(receive: Receive, send: Send, path: Path, plan: Plan) -> None:
    """Sends a plan over ASGI, its body from `path`, 256 KiB at a time at the client's pace.

    Stops within a chunk when the client goes. Raises `OSError` before anything is sent if the file can't be
    opened, and later (so that the connection breaks) if it became shorter than planned.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    leaving = asyncio.create_task(_until_gone(receive), name="client-leaves")
    try:
        await send_start(send, plan)
        await _send_body(send, descriptor, path, plan, leaving)
    finally:
        os.close(descriptor)
        leaving.cancel()
        await asyncio.wait([leaving])


async def serve_chunks(
    receive: Receive, send: Send, plan: Plan, chunks: AsyncGenerator[bytes | Lying]
) -> None:
    """Sends a plan over ASGI, its body from `chunks`, which must add up to it, at the client's pace.

    Those that lie in a file need a server that has ZERO_COPY.

    `chunks` is closed when the client goes, even while it waits for more. What it raises is raised, so that
    the connection breaks.
    """
    sending = asyncio.create_task(_send_chunks(send, plan, chunks), name="send-chunks")
    leaving = asyncio.create_task(_until_gone(receive), name="client-leaves")
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, leaving):
            task.cancel()
        await asyncio.wait({sending, leaving})
    if not sending.cancelled():
        sending.result()


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T | None:
    """What `work` gives, before an answer begins; None, and `work` is cancelled, if the client goes first."""
    working = asyncio.create_task(work, name="work")
    leaving = asyncio.create_task(_until_gone(receive), name="client-leaves")
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.wait({working, leaving})


async def _send_chunks(send: Send, plan: Plan, chunks: AsyncGenerator[bytes | Lying]) -> None:
    async with aclosing(chunks):
        await send_start(send, plan)
        left = plan.length
        async for chunk in chunks:
            left -= len(chunk)
            await send(_body(chunk, more=left > 0))
        if plan.length == 0:
            await send(_body(b"", more=False))


def _body(chunk: bytes | Lying, *, more: bool) -> Message:
    if isinstance(chunk, bytes):
        return {"type": "http.response.body", "body": chunk, "more_body": more}
    return {
        "type": ZERO_COPY,
        "file": chunk,
        "offset": chunk.offset,
        "count": chunk.length,
        "more_body": more,
    }


async def send_start(send: Send, plan: Plan) -> None:
    """The status line and the headers; the whole answer once a last, empty body follows."""
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in plan.headers.items()]
    await send({"type": "http.response.start", "status": plan.status, "headers": headers})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_body(
    send: Send, descriptor: int, path: Path, plan: Plan, leaving: asyncio.Task[None]
) -> None:
    at, end = plan.start, plan.start + plan.length
    while at < end and not leaving.done():
        chunk = await asyncio.to_thread(os.pread, descriptor, min(CHUNK_BYTES, end - at), at)
        if not chunk:
            raise OSError(f"{path.name} ended at byte {at} while bytes up to {end} were being sent")
        at += len(chunk)
        await send(_body(chunk, more=at < end))
    if plan.length == 0:
        await send(_body(b"", more=False))
