"""Faults, each made in the world, and the sentence that the host then reads on the node's own page."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from simulator import boards
from simulator.loop import run
from simulator.net import Wifi
from simulator.node import NodeSettings, SimNode
from simulator.world import World
from tests.node_flash import records_of
from tests.system.browser_of import fetch
from tests.system.kinds import START_US, Around
from wire import causes

pytestmark = [pytest.mark.mpy, pytest.mark.timeout(120)]

CONFIG: dict[str, Any] = {
    "schema": 1, "kind": "air", "board": "sim_air", "interval_s": 60, "dev_eui": "70b3d57ed0c0ffee",
    "ntp": "ntp", "radio": "mqtt", "wifi": {"ssid": "thuis", "password": "geheim"},
    "mqtt": {"host": "gateway", "port": 1883, "password": "x"},
}  # fmt: skip


class Server:
    """A TCP server on loopback that reads once a connection and says something; hang: then nothing more."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = answers
        self.port = 0

    async def __aenter__(self) -> Server:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                for answer in self.answers:
                    if not await reader.read(4096):
                        break
                    writer.write(answer)
                    await writer.drain()
                await reader.read(4096)
                await asyncio.sleep(60)
            finally:
                writer.close()

        self._server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()


def _refused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


CONNACK, SUBACK, PINGRESP = bytes.fromhex("20020000"), bytes.fromhex("9003000101"), bytes.fromhex("d000")
LOGIN = b"HTTP/1.0 302 Found\r\nLocation: http://hotel.example/login\r\n\r\n"


@dataclass
class Script:
    """What is done to the world and to the node, and the name of the cause that must be told."""

    cause: str
    wifi: dict[str, Any] = field(default_factory=dict[str, Any])
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    answers: tuple[bytes, ...] | None = None  # of a server at the gateway's port; None: nobody is there
    break_board: Callable[[Any], None] = lambda _board: None


def _no_sensor(board: Any) -> None:
    board.chips["sht4x"].faults.add("nak")


SCRIPTS = {
    "wrong password": Script("wifi_wrong_password", wifi={"password": "anders"}),
    "no such network": Script("wifi_not_found", wifi={"ssid": "elders"}),
    "router off": Script("wifi_not_found", wifi={"up": False}),
    "5 GHz only": Script(
        "wifi_5ghz_only", config={"wifi": {"ssid": "thuis-5G", "password": "geheim"}}, wifi={"ssid": "thuis"}
    ),
    "WPA3 only": Script("wifi_security", wifi={"wpa3_only": True}),
    "no DHCP": Script("wifi_no_address", wifi={"dhcp": False}),
    "no internet": Script("dns_silent", wifi={"dns": False}),
    "login page": Script("captive_portal", answers=(LOGIN,), wifi={"captive": True}),
    "no such name": Script("name_not_found", config={"mqtt": CONFIG["mqtt"] | {"host": "gatewai.invalid"}}),
    "gateway down": Script("broker_unreachable"),
    "unknown to the gateway": Script("broker_wrong_password", answers=(bytes.fromhex("20020005"),)),
    "refused by the gateway": Script("broker_refused", answers=(bytes.fromhex("20020003"),)),
    "broker full": Script("broker_silent", answers=(CONNACK, SUBACK, PINGRESP)),
    "dead sensor": Script("sensor_dead", config={"radio": "wifi"}, break_board=_no_sensor),
    "wrong setting": Script("config_defaults", config={"radio": "wifi", "status_s": -1}),
}


MINUTES = 4
_ALL_LANGUAGES = ("wrong password", "login page")  # all come from one table


def _board(script: Script) -> Any:
    board = boards.build("sim_air", Around())
    script.break_board(board)
    return board


@dataclass
class Told:
    """What one node's page said, by language and "json"; and how many records it took meanwhile."""

    pages: dict[str, str]
    records: int
    log: str


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """All faults happen at once, each to a node of its own with a router of its own, on one clock."""
    folder, found = tmp_path_factory.mktemp("faults"), dict[str, Told]()

    async def main() -> None:
        async with AsyncExitStack() as stack:
            world = await stack.enter_async_context(World(folder))
            nodes: dict[str, SimNode] = {}
            for name, script in SCRIPTS.items():
                port = _refused_port()
                if script.answers is not None:
                    port = (await stack.enter_async_context(Server(*script.answers))).port
                options = {"ssid": "thuis", "password": "geheim", "hosts": {"gateway": ("127.0.0.1", port)}}
                wifi = Wifi(**options | script.wifi, patience_s=0.3)
                if wifi.captive:
                    wifi.captive = ("127.0.0.1", port)
                config = json.loads(json.dumps(CONFIG | script.config))
                folder_name = name.replace(" ", "-")
                nodes[name] = world.add_node(
                    NodeSettings(folder_name, _board(script), config=config, wifi=wifi)
                )
                nodes[name].power_on()
            await world.run_for(MINUTES * 60)
            for name, node in nodes.items():
                languages = causes.LANGUAGES if name in _ALL_LANGUAGES else ("nl",)
                pages = {one: (await fetch(world, node, f"/?lang={one}")).text for one in languages}
                pages["json"] = (await fetch(world, node, "/api/status")).text
                found[name] = Told(pages, len(records_of(node)), node.log_tail())

    run(main(), start_us=START_US)
    return found


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_fault_has_its_sentence(told: dict[str, Told], name: str) -> None:
    row = next(row for row in causes.ROWS if row[1] == SCRIPTS[name].cause)
    pages = dict(told[name].pages)
    names = [found[1] for found in json.loads(pages.pop("json"))["causes"]]
    assert row[1] in names, (names, told[name].log)
    for language, page in pages.items():
        sentence = row[2 + causes.LANGUAGES.index(language)]
        assert sentence in page.replace("&quot;", '"'), page
    assert f'lang="{causes.LANGUAGES[0]}"' in pages["nl"]
    assert told[name].records >= MINUTES - 1  # it measures all the while


def test_a_node_that_is_well_says_so_and_what_it_measured(tmp_path: Path) -> None:
    told: dict[str, Any] = {}

    async def main() -> SimNode:
        async with World(tmp_path) as world:
            wifi = Wifi(ssid="thuis", password="geheim")
            config = CONFIG | {"radio": "wifi"}
            around = Around(temperature_c=-3.25, pm2_5_ug_m3=12.0)
            node = world.add_node(
                NodeSettings("n", boards.build("sim_air", around), config=config, wifi=wifi)
            )
            node.power_on()
            await world.run_for(400)
            for path in (
                "/",
                "/?lang=fr",
                "/api/status",
                "/api/records?from=0&n=3",
                "/metrics",
                "/x",
                "/wifi",
            ):
                told[path] = await fetch(world, node, path)
            told["english"] = await fetch(world, node, "/", Accept_Language="en-GB,en;q=0.9")
            told["post"] = await fetch(world, node, "/wifi", "ssid=x&password=y")
            return node

    node = run(main(), start_us=START_US)
    assert "Alles werkt." in told["/"].text
    assert "-3,2" in told["/"].text
    assert "Tout fonctionne." in told["/?lang=fr"].text
    assert "Everything works." in told["english"].text
    status = json.loads(told["/api/status"].text)
    assert (status["causes"], status["rssi_dbm"]) == ([], -61)
    rows = json.loads(told["/api/records?from=0&n=3"].text)
    kept = records_of(node)
    assert [row["seq"] for row in rows] == [record.seq for record in kept[:3]]
    temperature = next(row for row in rows[1]["readings"] if row[0] == "temperature")
    assert temperature[2:] == ["Cel", "ok"]
    assert abs(float(temperature[1]) + 3.25) < 0.02
    lines = told["/metrics"].text.splitlines()
    assert lines[-1] == "# EOF"
    assert told["/metrics"].headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert any(line.startswith("meetnet_temperature -3.2") for line in lines)
    assert told["/x"].status == 302
    assert told["post"].status == 403  # power came more than three minutes ago
    assert "eerste drie minuten" in told["/wifi"].text
    secrets = ("geheim", "70b3d57ed0c0ffee")
    assert not any(secret in str(answer) for answer in told.values() for secret in secrets)
