"""npm's ldes-client replicates and follows our stream over HTTP, also while late data comes in.

The client is of others (ldes-client 0.3.0, MIT); `package-lock.json` pins it. It is installed once under
build/judges/ldes. Without network or Node the tests skip, saying so.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.http import HttpServer
from gateway.publish.ldes import LdesServer, LdesSettings
from tests.gateway.memory_reader import NOW_MS, FixedClock
from tests.gateway.publish.a_store import AStore
from tools import npm

HERE = Path(__file__).parent
WORK = HERE.parents[2] / "build" / "judges" / "ldes"
MEMBER = re.compile(r"<(\S+/ldes/observation/\d+)> <http://www.w3.org/ns/sosa/hasSimpleResult> \"([^\"]+)\"")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]


@pytest.fixture(scope="module")
def client() -> list[str]:
    try:
        if not (WORK / "node_modules" / "ldes-client").exists():
            npm.install(HERE, WORK, print)
        node, _ = npm.node_command()
    except npm.NpmError as error:
        pytest.skip(f"ldes-client is not installed: {error}")
    return [*node, str(WORK / "node_modules" / "ldes-client" / "dist" / "bin" / "cli.js")]


class Served:
    def __init__(self, folder: Path, **settings: object) -> None:
        self.place = AStore(folder)
        settings = {"page_positions": 6400, "polling_s": 1, **settings}
        self._ldes = LdesServer(self.place.reader, FixedClock(), LdesSettings(**settings), folder)  # type: ignore[arg-type]
        self._http = HttpServer(self._ldes, "127.0.0.1", 0, "test")

    async def start(self) -> None:
        await self._http.start()
        self.url = f"http://127.0.0.1:{self._http.port}/ldes"

    async def close(self) -> None:
        await self._http.close()
        self._ldes.close()
        self.place.store.close()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    found = Served(tmp_path)
    await found.start()
    yield found
    await found.close()


async def run(client: list[str], *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *client, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await asyncio.wait_for(process.communicate(), 250)
    assert process.returncode == 0, errors.decode()[-2000:]
    return out.decode()


def members(text: str) -> list[str]:
    return [name for name, _ in MEMBER.findall(text)]


async def replicated(client: list[str], served: Served, count: int, *options: str) -> None:
    served.place.fill(-(-count // 3))
    found = members(await run(client, served.url, "--no-shape", *options))
    assert len(found) == len(set(found)) == 3 * -(-count // 3)


async def test_a_thousand_members_are_replicated(client: list[str], served: Served) -> None:
    await replicated(client, served, 1000)


@pytest.mark.nightly
async def test_ten_thousand_members_are_replicated(client: list[str], served: Served) -> None:
    await replicated(client, served, 10_000)


async def test_in_order_of_publication_with_late_data_between(client: list[str], served: Served) -> None:
    for number in range(300):
        late_ms = 86_400_000 * (number % 3)
        served.place.add("plein-1", NOW_MS + number * 1000 - late_ms, NOW_MS + number * 1000)
    found = members(await run(client, served.url, "--no-shape", "-o", "ascending"))
    positions = [int(name.rsplit("/", 1)[1]) // 64 for name in found]
    assert len(set(found)) == 900
    assert positions == sorted(positions)


async def test_a_follower_gets_what_comes_later_also_what_is_older(
    client: list[str], served: Served, tmp_path: Path
) -> None:
    served.place.fill(120)
    process = await asyncio.create_subprocess_exec(
        *client, served.url, "--no-shape", "-f", "--poll-interval", "500",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    found: set[str] = set()
    wanted = 360
    rounds = 0
    try:
        async with asyncio.timeout(120):
            while line := (await process.stdout.readline()).decode():
                found.update(members(line))
                if len(found) < wanted:
                    continue
                rounds += 1
                if rounds == 4:
                    break
                # Back-fill: observed yesterday, received now; more than a page of it.
                for number in range(45):
                    now_ms = NOW_MS + 10_000_000 * rounds + number
                    served.place.add("kaai-2", NOW_MS - 86_400_000 + number, now_ms)
                wanted += 135
    finally:
        process.kill()
        await process.wait()
    assert len(found) == wanted == 360 + 3 * 135
