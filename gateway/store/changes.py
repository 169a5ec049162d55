"""Who waits for news from the store: publishers and open pages."""

from __future__ import annotations

import asyncio


class Changes:
    """The newest position, and a way to wait for a newer one. Belongs to one event loop."""

    def __init__(self, position: int) -> None:
        self.position = position
        self._event = asyncio.Event()

    def announce(self, position: int) -> None:
        """Tell everybody who waits that the store has come this far."""
        if position <= self.position:
            return
        self.position = position
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def wait_after(self, position: int) -> int:
        """Return the newest position as soon as it is above `position`."""
        while self.position <= position:
            await self._event.wait()
        return self.position
