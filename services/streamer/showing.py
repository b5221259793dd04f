"""Play sessions: a film from the instance that fetches it, and from the store once it is there."""

from collections.abc import Callable
from datetime import datetime

import msgspec

from libs.common.errors import ErrorCode, ServiceError
from libs.common.jobs import JobState, Phase
from libs.common.play import play_token
from services.streamer.auth.passes import mint_pass, read_pass
from services.streamer.auth.sessions import Sessions
from services.streamer.playback import Playback, why_not
from services.streamer.store import JobStore, Kept

OVER = "This play session is over; start a new one."


class AtInstance(msgspec.Struct, frozen=True, kw_only=True):
    """The film is still being fetched: `host:port` of who does it, and what it asks for."""

    address: str
    token: str


class InStore(msgspec.Struct, frozen=True, kw_only=True):
    url: str


class Showings:
    def __init__(
        self,
        secret: bytes,
        sessions: Sessions,
        store: JobStore,
        playback: Playback,
        now: Callable[[], datetime],
        *,
        ttl_s: int,
    ) -> None:
        self._secret = secret
        self._sessions = sessions
        self._store = store
        self._playback = playback
        self._now = now
        self._ttl_s = ttl_s

    async def start(self, job: Kept, session: str) -> str:
        """A play session's id, for the release that the job fetches now; the log learns who watches.

        Raises ServiceError: NOT_FOUND for a film that is deleted, else why the job failed if it did.
        """
        state = job.state
        _refuse_if_over(state)
        if is_playable(state):
            await self._playback.remember(state.job_id)
        return mint_pass(
            self._secret,
            job_id=state.job_id,
            attempt=state.attempt,
            session=session,
            ttl_s=self._ttl_s,
            now=self._now(),
        )

    async def where(self, showing: str) -> AtInstance | InStore:
        """Where the film's bytes are now.

        Raises ServiceError: NOT_FOUND if the play session or the film is over, CONFLICT if another release
        is being fetched by now, INVALID_INPUT if nothing can be played yet, else why the job failed.
        """
        allowed = read_pass(self._secret, showing, self._now())
        if allowed is None or not await self._sessions.is_live(allowed.session):
            raise ServiceError(ErrorCode.NOT_FOUND, OVER)
        job = await self._store.job(allowed.job_id)
        if job is None:
            raise ServiceError(ErrorCode.NOT_FOUND, OVER)
        state = job.state
        _refuse_if_over(state)
        if state.attempt != allowed.attempt:
            raise ServiceError(
                ErrorCode.CONFLICT, "Another release of this film is being fetched now; start a new session."
            )
        if state.phase is Phase.READY:
            return InStore(url=(await self._playback.play(job)).url)
        if state.play is None:
            raise ServiceError(ErrorCode.INVALID_INPUT, why_not(state))
        token = play_token(self._secret, state.job_id, state.attempt, state.delivery)
        return AtInstance(address=state.play.address, token=token)


def is_playable(state: JobState) -> bool:
    """Whether its film can be played now: it is in the store, or an instance serves what it fetches."""
    return state.phase is Phase.READY or state.play is not None


def _refuse_if_over(state: JobState) -> None:
    if state.phase in (Phase.EXPIRED, Phase.DELETED):
        raise ServiceError(ErrorCode.NOT_FOUND, "There is no such film here; it may have been deleted.")
    if state.phase is Phase.FAILED:
        try:
            code = ErrorCode(state.error_code or "")
        except ValueError:
            code = ErrorCode.JOB_ERROR
        raise ServiceError(code, state.error_message or why_not(state))
