"""Who may come in: a session cookie (with a CSRF token when it changes something), or a bearer token."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from libs.common.errors import ErrorCode, ServiceError
from libs.common.security import same
from services.streamer.auth.sessions import Sessions
from services.streamer.auth.tokens import verify
from services.streamer.names import Names

SESSION_COOKIE = "matinee_session"
REFRESH_COOKIE = "matinee_refresh"
CSRF_HEADER = "x-csrf-token"
_SAFE = ("GET", "HEAD", "OPTIONS")
_BEARER = "bearer "

Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]


class Visitor(msgspec.Struct, frozen=True):
    """Someone who is signed in."""

    session: str
    by_cookie: bool


class Gate:
    def __init__(self, secret: bytes, sessions: Sessions, now: Callable[[], datetime]) -> None:
        self._secret = secret
        self._sessions = sessions
        self._now = now

    async def visitor(self, connection: Connection) -> Visitor | None:
        """Who is asking; None if nobody we know."""
        token, by_cookie = _token(connection)
        claims = verify(self._secret, token, self._now()) if token else None
        if claims is None or not await self._sessions.is_live(claims.session):
            return None
        return Visitor(claims.session, by_cookie)

    async def admit(self, connection: Connection) -> Visitor:
        """The owner. Raises ServiceError: UNAUTHORIZED for anybody else, FORBIDDEN without the CSRF token."""
        visitor = await self.visitor(connection)
        if visitor is None:
            raise ServiceError(ErrorCode.UNAUTHORIZED, "Sign in first.")
        if visitor.by_cookie and connection.scope.get("method") not in _SAFE:
            self._check_csrf(connection, visitor)
        return visitor

    def _check_csrf(self, connection: Connection, visitor: Visitor) -> None:
        given = connection.headers.get(CSRF_HEADER, "")
        if not same(given, self._sessions.csrf_token(visitor.session)):
            raise ServiceError(ErrorCode.FORBIDDEN, "The page is out of date; reload it and try again.")


def owner_only(gate: Gate) -> Guard:
    """Lets the owner in; the scope's `auth` is then the Visitor."""

    # A function, because Litestar copies what else it is given, with all that hangs on it.
    async def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
        connection.scope["auth"] = await gate.admit(connection)

    return guard


def own_page_only(names: Names) -> Guard:
    """For signing in and out, where there is no CSRF token yet: no other site's page may do it.

    Browsers say where a request comes from (Fetch Metadata, `Origin`); what is no browser doesn't.
    """

    async def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
        if connection.scope.get("method") not in _SAFE and not _is_own(connection, names):
            raise ServiceError(ErrorCode.FORBIDDEN, "Another site's page can't sign in or out here.")

    return guard


def _is_own(connection: Connection, names: Names) -> bool:
    if connection.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin = connection.headers.get("origin")
    asked = f"{connection.scope['scheme']}://{connection.headers.get('host', '')}"
    return origin is None or names.are_of_page(origin, asked)


def _token(connection: Connection) -> tuple[str | None, bool]:
    """The token, and whether it came by cookie; a header goes before a cookie."""
    authorization = connection.headers.get("authorization", "")
    if authorization[: len(_BEARER)].lower() == _BEARER:
        return authorization[len(_BEARER) :].strip(), False
    return connection.cookies.get(SESSION_COOKIE), True
