"""Our SensorThings client into a server with faults; test_sensorthings_peers.py has one of others."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import msgspec
import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import main
from gateway.counters import Counters
from gateway.publish import Backoff, FileSideList, Follower, Rejection
from gateway.publish.sensorthings import SensorThingsPublisher, SensorThingsSettings
from gateway.publish.sensorthings_server import SensorThingsServer, SensorThingsServerSettings
from gateway.registry import Registry
from gateway.store import SqlitePublicReader, SqliteStore
from tests.gateway.house import fill_registry
from tests.gateway.memory_reader import NOW_MS, FixedClock, MemoryReader
from tests.gateway.publish.conftest import MemoryPositions

URL = "http://127.0.0.1/sta/v1.1"
Fault = Callable[[httpx.Request], "httpx.Response | str | None"]


class Server(httpx.ASGITransport):
    """A server over an empty store that others may write to; `fault` steps in before or after it."""

    def __init__(self, folder: Path) -> None:
        self.store = SqliteStore(folder / "theirs.db")
        reader = SqlitePublicReader(self.store, list)
        settings = SensorThingsServerSettings(writable=True, anonymous_writing=True)
        self.app_ = SensorThingsServer(reader, FixedClock(), settings, folder)
        super().__init__(self.app_)
        self.fault: Fault = lambda _: None
        self.requests: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(f"{request.method} {request.url.path.removeprefix('/sta/v1.1')}")
        found = self.fault(request)
        if isinstance(found, httpx.Response):
            return found
        answer = await super().handle_async_request(request)
        if found == "lost":  # done, but the answer never came
            raise httpx.ReadError("gone")
        return answer

    async def observations(self) -> list[tuple[str, str, float]]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app_)) as client:
            path = f"{URL}/Observations?$expand=Datastream&$top=1000"
            rows: list[Any] = []
            while path:
                page = (await client.get(path)).json()
                rows += page["value"]
                path = page.get("@iot.nextLink", "")
        return [(row["Datastream"]["name"], row["phenomenonTime"], row["result"]) for row in rows]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    found = Server(tmp_path)
    yield found
    found.app_.close()
    found.store.close()


def street() -> MemoryReader:
    reader = MemoryReader()
    reader.add_site("lucht-1", "air", "Schoolpoort")
    for minute in range(30):
        at_ms = NOW_MS + minute * 60_000 + 7
        reader.add("lucht-1", "pm2_5", "ug/m3", 8.0 + minute, at_ms, raw=11.0, method="koehler", version=1)
        reader.add("lucht-1", "temperature", "Cel", -1.5, at_ms)
    return reader


async def follow(server: Server, folder: Path, reader: MemoryReader, **changes: Any) -> FileSideList:
    settings = SensorThingsSettings(url=URL, **changes)
    publisher = SensorThingsPublisher(settings, Counters(), folder, server)
    side = FileSideList(folder / "side")
    one = Follower(publisher, reader, MemoryPositions(), side, Counters(), backoff=Backoff(0.01, 0.01))
    while await one.step():
        pass
    return side


async def test_all_arrive_once_through_lost_answers_replays_and_lost_ids(
    server: Server, tmp_path: Path
) -> None:
    reader, lost = street(), [0]

    def fault(request: httpx.Request) -> str | None:
        if request.method == "POST":
            lost[0] += 1
            return "lost" if lost[0] % 3 == 0 else None
        return None

    server.fault = fault
    await follow(server, tmp_path, reader, max_rows=20)
    await follow(server, tmp_path, reader, max_rows=20)
    (tmp_path / "sensorthings.entities.json").unlink()
    await follow(server, tmp_path, reader, max_rows=20)
    found = await server.observations()
    assert len(found) == len(set(found)) == 90
    assert {name for name, _, _ in found} == {
        "meetnet:lucht-1/pm2_5", "meetnet:lucht-1/pm2_5/raw", "meetnet:lucht-1/temperature",
    }  # fmt: skip
    assert ("meetnet:lucht-1/pm2_5", "2025-11-23T18:00:00.007Z", 8.0) in found


async def test_rows_that_a_201_calls_errors_are_tried_alone_and_put_aside(
    server: Server, tmp_path: Path
) -> None:
    def fault(request: httpx.Request) -> httpx.Response | None:
        if request.url.path.endswith("/CreateObservations"):  # as django-ogc-sensorthings: one bad, all error
            count = sum(len(one["dataArray"]) for one in json.loads(request.content))
            return httpx.Response(201, json=["error"] * count)
        if request.url.path.endswith("/Observations") and request.method == "POST":
            body = json.loads(request.content)
            return httpx.Response(400, text="not liked") if body["result"] == 10.0 else None
        return None

    server.fault = fault
    side = await follow(server, tmp_path, street())
    assert [(one.row.value, one.reason) for one in side.read("sensorthings")] == [
        (10.0, "HTTP 400: not liked")
    ]
    assert len(await server.observations()) == 89


async def test_a_server_without_data_arrays_gets_one_request_a_row(server: Server, tmp_path: Path) -> None:
    def fault(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(404) if request.url.path.endswith("/CreateObservations") else None

    server.fault = fault
    await follow(server, tmp_path, street())
    assert len(await server.observations()) == 90
    assert server.requests.count("POST /CreateObservations") == 1


async def test_new_rows_are_never_asked_about(server: Server, tmp_path: Path) -> None:
    await follow(server, tmp_path, street())
    assert not [one for one in server.requests if one.startswith("GET") and "Observations" in one]


def test_the_side_list_is_shown_mended_and_dropped_on_the_command_line(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    fill_registry(registry)
    registry.close()
    SqliteStore(tmp_path / "store.db").close()
    reader = street()
    side = FileSideList(tmp_path / "side")
    side.add("x", [Rejection(row, f"reason {row.position}") for row in reader.rows[:4]])

    def meetnet(*words: str) -> str:
        result = CliRunner().invoke(main, ["publish", *words, "--data", str(tmp_path)])
        assert result.exit_code == 0, result.output
        return result.output

    assert "reason 3" in meetnet("show", "x")
    meetnet("mend", "x", "1", "--value", "5.5")
    shown = json.loads(meetnet("show", "x", "--json"))
    assert [(one["value"], one["method"]) for one in shown][-1] == (5.5, "mended")
    assert meetnet("drop", "x", "1", "2") == "2 dropped\n"
    assert len(json.loads(meetnet("show", "x", "--json"))) == 2
    assert meetnet("drop", "x", "--all") == "2 dropped\n"


class Hook(BaseHTTPRequestHandler):
    """A receiver that refuses while it is told to."""

    status = 204
    heard: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.heard.append(body["data"])
        self.send_response(self.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        return None


@pytest.mark.parametrize("word", ["retry", "replay"])
def test_the_side_list_is_sent_again_but_never_for_a_host_who_withdrew(tmp_path: Path, word: str) -> None:
    registry = Registry(tmp_path)
    fill_registry(registry)
    registry.close()
    SqliteStore(tmp_path / "store.db").close()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "meetnet.toml").write_text(
        f'[data]\ndirectory = "{tmp_path}"\n[publish.hook]\ntype = "webhook"\n'
        f'url = "http://127.0.0.1:{server.server_port}"\nsecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"\n'
    )
    reader = street()
    reader.add_site("weg", "air")
    rows = [msgspec.structs.replace(row, site_id="plein-1") for row in reader.rows[:3]]
    side = FileSideList(tmp_path / "side")
    side.add("hook", [Rejection(row, "refused") for row in rows])
    side.add("hook", [Rejection(reader.add("weg", "pm2_5", "ug/m3", 1.0), "refused")])
    Hook.heard.clear()

    def meetnet(*words: str) -> Result:
        return CliRunner().invoke(main, ["publish", *words, "--config", str(tmp_path / "meetnet.toml")])

    try:
        Hook.status = 400
        refused = meetnet(word, "hook", "--all")
        assert refused.exit_code == 1
        assert "3 refused again" in refused.output
        assert [row["site_id"] for row in Hook.heard[0]] == ["plein-1"] * 3
        assert len(list(side.read("hook"))) == 3  # the one without consent is done: it must not go
        Hook.status = 204
        taken = meetnet(word, "hook", "--all", "--json")
        assert taken.exit_code == 0, taken.output
        assert json.loads(taken.output) == {"done": 3, "refused": 0}
        assert list(side.read("hook")) == []
        checked = meetnet("check", "hook", "--json")
        found = {one["what"]: one["is_good"] for one in json.loads(checked.output)}
        assert found["settings"] and found["consent"]
        assert not found["sending"]  # there is nothing in the store yet, and it says so
        assert checked.exit_code == 1
        assert meetnet("check", "nowhere").exit_code == 1
    finally:
        server.shutdown()
        server.server_close()
