"""What several ask for at the same time is done once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Flights:
    """Work under way, at most one for each key.

    Who asks for what is under way already gets its very result, or its failure. Work goes on if those who
    wait for it go away.
    """

    def __init__(self) -> None:
        self._flights: dict[str, asyncio.Task[Any]] = {}

    async def once(self, key: str, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """What `work` brings, or what the one that is under way for this key does."""
        flight = self._flights.get(key)
        if flight is None:

            async def fly() -> Answer:
                return await work()

            flight = self._flights[key] = asyncio.create_task(fly(), name=f"flight {key}"[:100])
            flight.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(flight)

    async def close(self) -> None:
        """Cancels what is under way, and waits for that."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _landed(self, key: str, flight: asyncio.Task[Any]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            # Nobody may be left to hear of it.
            flight.exception()
