"""Play sessions: a film from the instance that fetches it, and from the store once it is there."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

import msgspec

from libs.common.errors import ErrorCode, ServiceError
from libs.common.events import Film
from libs.common.jobs import JobState, Phase
from libs.common.plan import Device, Plan, is_for_every_browser, plan
from libs.common.play import FILM_PATH, MEDIA_PATH, play_token
from services.streamer.auth.passes import Pass, mint_pass, read_pass
from services.streamer.auth.sessions import Sessions
from services.streamer.playback import Playback, why_not
from services.streamer.published import Elsewhere, Found, Published
from services.streamer.relay import Screening
from services.streamer.store import JobStore, Kept

OVER = "This play session is over; start a new one."
OTHER_FORM = "The film is ready, in another form than it was fetched in; start a new session."

PlayMode = Literal["file", "hls"]


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How a device gets a film: no mode if nothing can be played yet, no plan if its inside is unknown."""

    mode: PlayMode | None
    plan: Plan | None


class Showings:
    def __init__(
        self,
        secret: bytes,
        sessions: Sessions,
        store: JobStore,
        playback: Playback,
        published: Published,
        now: Callable[[], datetime],
        *,
        ttl_s: int,
    ) -> None:
        self._secret = secret
        self._sessions = sessions
        self._store = store
        self._playback = playback
        self._published = published
        self._now = now
        self._ttl_s = ttl_s

    async def start(self, job: Kept, session: str) -> str:
        """A play session's id, for the release that the job fetches now; the log learns who watches.

        Raises ServiceError: NOT_FOUND for a film that is deleted, else why the job failed if it did.
        """
        state = job.state
        _refuse_if_over(state)
        if state.is_playable:
            await self._playback.remember(state.job_id)
        return mint_pass(
            self._secret,
            job_id=state.job_id,
            attempt=state.attempt,
            is_of_ready=state.phase is Phase.READY,
            session=session,
            ttl_s=self._ttl_s,
            now=self._now(),
        )

    async def read(self, showing: str) -> Pass:
        """What a play session's id says. Raises ServiceError: NOT_FOUND if it is over."""
        allowed = read_pass(self._secret, showing, self._now())
        if allowed is None or not await self._sessions.is_live(allowed.session):
            raise ServiceError(ErrorCode.NOT_FOUND, OVER)
        return allowed

    async def where(self, showing: str, part: str | None) -> Screening | Found:
        """Where the film's bytes are now; or those of a part of its prepared form, by its name.

        Raises ServiceError: NOT_FOUND if the play session or the film is over or there is no such part,
        CONFLICT if another release or another form of it is played by now, INVALID_INPUT if nothing can be
        played yet, else why the job failed; StoreError.
        """
        allowed = await self.read(showing)
        job = await self._store.job(allowed.job_id)
        if job is None:
            raise ServiceError(ErrorCode.NOT_FOUND, OVER)
        state = job.state
        _refuse_if_over(state)
        if state.attempt != allowed.attempt:
            raise ServiceError(
                ErrorCode.CONFLICT, "Another release of this film is being fetched now; start a new session."
            )
        if state.phase is Phase.READY and state.film and state.ready_at:
            return await self._in_store(job, state.film, state.ready_at, allowed, part)
        if state.play is None:
            raise ServiceError(ErrorCode.INVALID_INPUT, why_not(state))
        return Screening(
            address=state.play.address,
            path=FILM_PATH if part is None else f"{MEDIA_PATH}{part}",
            token=play_token(self._secret, state.job_id, state.attempt, state.delivery),
        )

    async def _in_store(
        self, job: Kept, film: Film, ready_at: datetime, allowed: Pass, part: str | None
    ) -> Found:
        # A film that is published as it came has its texts beside it, too.
        if part is not None and (film.playlist_key is not None or part.startswith("text-")):
            return await self._published.part(film, ready_at, part)
        # Whoever has read some of one form must not go on in the other.
        if part is not None or (film.playlist_key is not None and not allowed.is_of_ready):
            raise ServiceError(ErrorCode.CONFLICT, OTHER_FORM)
        return Elsewhere(url=(await self._playback.play(job)).url)


def way_of(state: JobState, device: Device | None) -> Way:
    """How this device gets the job's film now.

    While it is fetched the file itself is played only if that file is what will be published, so that a
    player can go on when it is ready; or if the device can't play it at all: then it is for other players.
    """
    planned = plan(state.media, device) if state.media else None
    if not state.is_playable:
        return Way(mode=None, plan=planned)
    if state.phase is Phase.READY:
        is_prepared = state.film is not None and state.film.playlist_key is not None
    else:
        is_prepared = state.media is not None and not is_for_every_browser(state.media)
    is_shown = planned is None or planned.way != "cannot"
    return Way(mode="hls" if is_prepared and is_shown else "file", plan=planned)


def _refuse_if_over(state: JobState) -> None:
    if state.phase in (Phase.EXPIRED, Phase.DELETED):
        raise ServiceError(ErrorCode.NOT_FOUND, "There is no such film here; it may have been deleted.")
    if state.phase is Phase.FAILED:
        try:
            code = ErrorCode(state.error_code or "")
        except ValueError:
            code = ErrorCode.JOB_ERROR
        raise ServiceError(code, state.error_message or why_not(state))
