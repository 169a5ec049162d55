from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from tests.gateway.publish.broker import Broker


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    found = Broker()
    await found.start()
    yield found
    if found._server is not None:
        await found.kill()


class MemoryPositions:
    def __init__(self) -> None:
        self.saved: dict[str, int] = {}
        self.log: list[int] = []

    def load(self, publisher: str) -> int:
        return self.saved.get(publisher, 0)

    def save(self, publisher: str, position: int) -> None:
        self.saved[publisher] = position
        self.log.append(position)


@pytest.fixture
def positions() -> MemoryPositions:
    return MemoryPositions()


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop go on until something has come true (the test's own time limit ends it)."""
    while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of events
        await asyncio.sleep(0.001)
