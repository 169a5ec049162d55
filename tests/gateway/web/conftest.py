from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.web import create_app
from tests.gateway.memory_reader import FixedClock, MemoryReader, street


@pytest.fixture
def reader() -> MemoryReader:
    return street()


@pytest.fixture
async def client(reader: MemoryReader) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(reader, lambda: {"uptime_s": 5}, FixedClock())
    async with visitor(app) as found:
        yield found


def visitor(app: object) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://gateway")
