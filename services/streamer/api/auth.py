"""/auth: setting the password, signing in, renewing and signing out."""

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from litestar import Controller, Response, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from libs.common.errors import ErrorCode, ServiceError
from services.streamer.api.errors import REFUSALS
from services.streamer.api.inputs import AnyRequest
from services.streamer.auth.guards import REFRESH_COOKIE, SESSION_COOKIE, Gate
from services.streamer.auth.owner import MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS, Owner
from services.streamer.auth.sessions import REFRESH_TTL_S, Grant, Sessions
from services.streamer.auth.throttle import Throttle
from services.streamer.auth.tokens import ACCESS_TTL_S


class AuthState(msgspec.Struct, frozen=True, kw_only=True):
    mode: Literal["owner"]
    setup_required: bool
    signed_in: bool
    csrf_token: str | None


class NewPassword(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    password: Annotated[str, msgspec.Meta(min_length=MIN_PASSWORD_CHARS, max_length=MAX_PASSWORD_CHARS)]

    def __post_init__(self) -> None:
        # A struct's ValueError becomes a validation error with this very sentence.
        if not self.password.strip():
            raise ValueError("A password must be more than spaces.")


class Password(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    password: Annotated[str, msgspec.Meta(max_length=MAX_PASSWORD_CHARS)]


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """The access token is for scripts (`Authorization: Bearer`); browsers have it as a cookie."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    csrf_token: str


SIGNED_OUT = ResponseSpec(None, description="The session is over.", generate_examples=False)


class Cookies:
    """The two cookies of a session: never readable by scripts, never sent from another site."""

    def __init__(self, *, secure: bool) -> None:
        """`secure`: whether the gateway is reached by https."""
        self._secure = secure

    def of(self, grant: Grant) -> list[Cookie]:
        return [
            self._cookie(SESSION_COOKIE, grant.access_token, ACCESS_TTL_S),
            self._cookie(REFRESH_COOKIE, grant.refresh_token, REFRESH_TTL_S),
        ]

    def gone(self) -> list[Cookie]:
        return [self._cookie(SESSION_COOKIE, "", 0), self._cookie(REFRESH_COOKIE, "", 0)]

    def _cookie(self, name: str, value: str, max_age_s: int) -> Cookie:
        return Cookie(
            key=name,
            value=value,
            max_age=max_age_s,
            path="/",
            httponly=True,
            samesite="strict",
            secure=self._secure,
        )


class AuthController(Controller):
    """Who is at the door."""

    path = "/auth"
    tags = ("signing in",)

    @get("/state", responses=REFUSALS, summary="Whether a password is set, and whether you are signed in")
    async def state(
        self,
        request: AnyRequest,
        owner: NamedDependency[Owner],
        gate: NamedDependency[Gate],
        sessions: NamedDependency[Sessions],
    ) -> AuthState:
        visitor = await gate.visitor(request)
        return AuthState(
            mode="owner",
            setup_required=not await owner.is_set_up(),
            signed_in=visitor is not None,
            csrf_token=sessions.csrf_token(visitor.session) if visitor else None,
        )

    @post("/setup", status_code=200, responses=REFUSALS, summary="Choose the password; once")
    async def setup(
        self,
        owner: NamedDependency[Owner],
        sessions: NamedDependency[Sessions],
        cookie_jar: NamedDependency[Cookies],
        data: JSONBody[NewPassword],
    ) -> Response[Ticket]:
        await owner.set_up(data.password, datetime.now(UTC))
        return _welcome(await sessions.open(), cookie_jar)

    @post("/login", status_code=200, responses=REFUSALS, summary="Sign in")
    async def login(
        self,
        request: AnyRequest,
        owner: NamedDependency[Owner],
        sessions: NamedDependency[Sessions],
        throttle: NamedDependency[Throttle],
        cookie_jar: NamedDependency[Cookies],
        data: JSONBody[Password],
    ) -> Response[Ticket]:
        address = request.client.host if request.client else ""
        throttle.admit(address)
        if not await owner.knows(data.password):
            raise ServiceError(ErrorCode.UNAUTHORIZED, "This is not the password.")
        throttle.forgive(address)
        return _welcome(await sessions.open(), cookie_jar)

    @post("/refresh", status_code=200, responses=REFUSALS, summary="Renew the session of the refresh cookie")
    async def refresh(
        self, request: AnyRequest, sessions: NamedDependency[Sessions], cookie_jar: NamedDependency[Cookies]
    ) -> Response[Ticket]:
        grant = await sessions.refresh(request.cookies.get(REFRESH_COOKIE, ""))
        if grant is None:
            raise ServiceError(ErrorCode.UNAUTHORIZED, "The session is over; sign in again.")
        return _welcome(grant, cookie_jar)

    @post("/logout", status_code=204, responses=REFUSALS | {204: SIGNED_OUT}, summary="End the session")
    async def logout(
        self,
        request: AnyRequest,
        gate: NamedDependency[Gate],
        sessions: NamedDependency[Sessions],
        cookie_jar: NamedDependency[Cookies],
    ) -> Response[None]:
        visitor = await gate.visitor(request)
        if visitor:
            await sessions.close(visitor.session)
        await sessions.close_by(request.cookies.get(REFRESH_COOKIE, ""))
        return Response(None, status_code=204, cookies=cookie_jar.gone())


def _welcome(grant: Grant, cookies: Cookies) -> Response[Ticket]:
    ticket = Ticket(
        access_token=grant.access_token,
        token_type="Bearer",  # noqa: S106  (the kind of token, not one)
        expires_in=ACCESS_TTL_S,
        csrf_token=grant.csrf_token,
    )
    return Response(ticket, cookies=cookies.of(grant))
