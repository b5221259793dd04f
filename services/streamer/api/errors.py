"""Every error as people and programs get it: a sentence, a code, the exact status; never a repr."""

import re
from collections.abc import Callable
from typing import Any, cast

import msgspec
import structlog
from litestar import MediaType, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec

from libs.common.errors import BusError, ErrorCode, ServiceError
from libs.common.objects import StoreError
from services.streamer.api.inputs import AnyRequest
from services.streamer.limits import TooMuch

log = structlog.get_logger(__name__)


_UNEXPECTED = "Something went wrong inside Matinée; its log says more."
_BY_STATUS = {
    400: (ErrorCode.INVALID_INPUT, "The request can't be read; its body must be JSON."),
    401: (ErrorCode.UNAUTHORIZED, "Sign in first."),
    403: (ErrorCode.FORBIDDEN, "This is not allowed."),
    404: (ErrorCode.NOT_FOUND, "There is nothing here."),
    405: (ErrorCode.INVALID_INPUT, "This address doesn't know that method."),
    413: (ErrorCode.INVALID_INPUT, "The request is too large; 64 KiB is the most."),
    415: (ErrorCode.INVALID_INPUT, "The request's body must be JSON."),
}


class ErrorBody(msgspec.Struct, frozen=True):
    error: str
    code: ErrorCode


REFUSALS = {
    status: ResponseSpec(ErrorBody, description=description, generate_examples=False)
    for status, description in (
        (400, "What was sent is not valid."),
        (401, "Nobody is signed in."),
        (403, "The CSRF token is missing or wrong."),
        (404, "There is no such thing."),
        (405, "The address doesn't know that method."),
        (409, "It was already done."),
        (413, "The request is too large."),
        (421, "The gateway isn't known by the name that was asked for."),
        (429, "Too much at once; `Retry-After` says when to come again."),
        (500, "Something went wrong inside."),
        (502, "Somebody we depend on failed."),
    )
}
"""For the OpenAPI document: what every operation may answer."""


def _service_error(_request: AnyRequest, error: ServiceError) -> Response[ErrorBody]:
    headers = {"retry-after": str(error.retry_after_s)} if isinstance(error, TooMuch) else None
    return _answer(error.code.status, error.code, error.message, headers)


def _bus_error(_request: AnyRequest, error: BusError) -> Response[ErrorBody]:
    log.warning("bus_error", error=str(error))
    return _answer(500, ErrorCode.INTERNAL_ERROR, f"{error}.")


def _store_error(_request: AnyRequest, error: StoreError) -> Response[ErrorBody]:
    log.warning("store_error", error=str(error))
    return _answer(502, ErrorCode.STORAGE_ERROR, str(error))


def _invalid(_request: AnyRequest, error: ValidationException) -> Response[ErrorBody]:
    found = cast("list[dict[str, str]]", error.extra) if isinstance(error.extra, list) else []
    sentences = [_sentence(fault.get("key", ""), fault["message"]) for fault in found]
    return _answer(400, ErrorCode.INVALID_INPUT, " ".join(sentences) or _BY_STATUS[400][1])


def _http_error(request: AnyRequest, error: HTTPException) -> Response[ErrorBody]:
    status = error.status_code
    if status not in _BY_STATUS:
        return _unexpected(request, error)
    code, sentence = _BY_STATUS[status]
    return _answer(status, code, sentence, error.headers)


def _unexpected(request: AnyRequest, error: Exception) -> Response[ErrorBody]:
    log.error("request_failed", method=request.method, path=request.url.path, exc_info=error)
    return _answer(500, ErrorCode.INTERNAL_ERROR, _UNEXPECTED)


HANDLERS: dict[int | type[Exception], Callable[[AnyRequest, Any], Response[ErrorBody]]] = {
    ServiceError: _service_error,
    BusError: _bus_error,
    StoreError: _store_error,
    ValidationException: _invalid,
    HTTPException: _http_error,
    Exception: _unexpected,
}


async def plain_not_found(response: Response[Any]) -> Response[Any]:
    """Puts our own error in the place of Litestar's 404 page."""
    return _answer(404, *_BY_STATUS[404]) if response.status_code == 404 else response


def _answer(
    status: int, code: ErrorCode, sentence: str, headers: dict[str, str] | None = None
) -> Response[ErrorBody]:
    return Response(ErrorBody(sentence, code), status_code=status, media_type=MediaType.JSON, headers=headers)


_MISSING = re.compile(r"Object missing required field `(\w+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.{1,60})`")
_TYPE = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_BOUND = re.compile(r"Expected `(\w+)`( of length)? ([<>]=) (\d+)")
_KINDS = {"str": "a text", "int": "a whole number", "object": "an object", "array": "a list"}


def _kind(names: str) -> str:
    """msgspec's name of a type. Whether it may be left out is not what was done wrong."""
    return " or ".join(_KINDS.get(name, name) for name in names.split(" | ") if name != "null")


def _sentence(key: str, message: str) -> str:
    """msgspec's message on one field, for a person."""
    field = "" if key in ("", "data") else key
    if found := _MISSING.match(message):
        return f"{found[1]} is missing."
    if found := _UNKNOWN.match(message):
        return f"{found[1]} is not a field of this request."
    if found := _TYPE.match(message):
        return f"{field or 'The body'} must be {_kind(found[1])}."
    if found := _BOUND.match(message):
        side = "at least" if found[3] == ">=" else "at most"
        return (
            f"{field} must {f'have {side} {found[4]} characters' if found[2] else f'be {side} {found[4]}'}."
        )
    if message == "'data'":
        # Litestar's words for a body that isn't there.
        return "The request needs a JSON body."
    if not field:
        return message if message.endswith(".") else f"{message}."
    return f"{field}: {message[:1].lower()}{message[1:]}."
