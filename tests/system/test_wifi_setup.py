"""A node without Wi-Fi gets it over its serial console: real firmware, a real terminal, Improv packets."""

from __future__ import annotations

import json
import os
import tty
from pathlib import Path
from typing import Any

import pytest

from simulator import boards
from simulator.loop import run
from simulator.net import Wifi
from simulator.node import NodeSettings, SimNode
from simulator.world import World
from tests.node_flash import records_of
from tests.system.kinds import START_US, Around
from wire import improv

pytestmark = pytest.mark.mpy

CONFIG: dict[str, Any] = {
    "schema": 1, "kind": "air", "board": "sim_air", "interval_s": 60, "dev_eui": "70b3d57ed0c0ffee",
    "mqtt": {"host": "broker", "password": "x"},
}  # fmt: skip


class Client:
    """The computer's end of the cable."""

    def __init__(self, world: World, terminal: int) -> None:
        self._world, self._terminal = world, terminal
        self._parser = improv.Parser()
        self.heard: list[tuple[int, bytes]] = []
        self.log = b""

    async def ask(self, packet: bytes, until: tuple[int, ...], seconds: int = 60) -> list[tuple[int, bytes]]:
        """Send, and return what came until a packet of a kind and first byte."""
        os.write(self._terminal, packet)
        found: list[tuple[int, bytes]] = []
        for _ in range(seconds * 4):
            await self._world.run_for(0.25)
            try:
                data = os.read(self._terminal, 65536)
            except BlockingIOError:
                continue
            self.log += data
            found += self._parser.feed(data)
            if any((kind, body[0]) == until for kind, body in found):
                return found
        raise AssertionError(f"no {until} in {found}; the node said {self.log[-800:]!r}")


def test_a_blank_node_is_given_its_wifi_over_the_console_and_measures_all_the_while(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    wifi = Wifi(ssid="thuis", password="geheim", around=[("buren", -77, True), ("open", -85, False)])
    told: dict[str, Any] = {}

    async def main() -> SimNode:
        async with World(tmp_path) as world:
            hardware = boards.build("sim_air", Around())
            settings = NodeSettings("n", hardware, config=CONFIG, wifi=wifi, console=Path(os.ttyname(theirs)))
            node = world.add_node(settings)
            node.power_on()
            await world.run_for(400)  # nobody comes for a while
            client = Client(world, ours)
            told["state"] = await client.ask(improv.rpc(improv.GET_STATE), (1, 2))
            told["info"] = await client.ask(improv.rpc(improv.GET_INFO), (4, 3))
            told["scan"] = await client.ask(improv.rpc(improv.SCAN), (4, 4))
            told["wrong"] = await client.ask(improv.rpc(improv.SEND_WIFI, ("thuis", "fout")), (2, 3))
            told["cause"] = await client.ask(improv.rpc(improv.GET_CAUSE), (4, 0xF0))
            told["right"] = await client.ask(improv.rpc(improv.SEND_WIFI, ("thuis", "geheim")), (4, 1))
            await world.run_for(300)
            return node

    try:
        node = run(main(), start_us=START_US)
    finally:
        os.close(ours)
        os.close(theirs)

    def call(name: str) -> list[tuple[int, list[str]]]:
        return [improv.unpack_call(body) for kind, body in told[name] if kind == improv.RPC_RESULT]

    assert told["state"] == [(1, b"\x02")]
    assert call("info")[0][1][::2] == ["Meetnet", "ESP32"]
    assert call("info")[0][1][3] == "meetnet-c0ffee"
    assert next(row[1][0] for row in call("scan")[:-1]) == "thuis"
    assert call("cause") == [(0xF0, ["5", "wifi_wrong_password"])]
    assert call("right") == [(1, ["http://10.77.0.2/"])]
    written = json.loads((node.flash / "config.json").read_text())
    assert written["wifi"] == {"ssid": "thuis", "password": "geheim"}
    assert node.boots == 2
    assert len(records_of(node)) >= 10
