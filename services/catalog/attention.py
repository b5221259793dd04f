"""Whether anybody asks the catalog for anything: what nobody looks at needn't be up to date."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, TypeVar

from libs.common.events import Query, Wire

LASTS: Final = timedelta(days=1)

Q = TypeVar("Q", bound=Query)
A = TypeVar("A", bound=Wire)


class Attention:
    """There is some for a day after each question, and after the start."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._asked_at = now()
        self._asked = asyncio.Event()

    @property
    def is_there(self) -> bool:
        return self._now() - self._asked_at < LASTS

    async def wait(self) -> None:
        """Return once there is some: at once, or with the next question."""
        while not self.is_there:
            self._asked.clear()
            await self._asked.wait()

    def drawn_by(self, answer: Callable[[Q], Awaitable[A]]) -> Callable[[Q], Awaitable[A]]:
        """The same answer, to a question of a person."""

        async def answered(ask: Q) -> A:
            self._asked_at = self._now()
            self._asked.set()
            return await answer(ask)

        return answered
