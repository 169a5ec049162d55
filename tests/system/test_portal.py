"""Wi-Fi from a telephone: the node makes a network where every name is the node, and a form does the rest."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path
from typing import Any

import pytest

from simulator import boards
from simulator.loop import run
from simulator.net import Wifi
from simulator.node import NodeSettings, SimNode
from simulator.world import World
from tests.node_flash import records_of
from tests.system.browser_of import fetch, served
from tests.system.kinds import START_US, Around

pytestmark = pytest.mark.mpy

CONFIG: dict[str, Any] = {
    "schema": 1, "kind": "air", "board": "sim_air", "interval_s": 60, "dev_eui": "70b3d57ed0c0ffee",
    "ntp": "ntp",
}  # fmt: skip
# What Android, iOS and Windows ask for to see whether there is a login page.
PROBES = ("/generate_204", "/hotspot-detect.html", "/connecttest.txt")


def _question(name: str, kind: int = 1) -> bytes:
    """Return a DNS question as a telephone asks it (RFC 1035, 4.1)."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack(">HHHHHH", 0x1234, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, kind, 1)


async def _resolve(world: World, node: SimNode, question: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(question, ("127.0.0.1", served(node, 53)))
        sock.setblocking(False)
        for _ in range(200):
            await world.run_for(0.1)
            try:
                return sock.recv(512)
            except BlockingIOError:
                continue
    raise AssertionError("no answer")


def test_a_telephone_sets_the_wifi_up_and_finds_the_page_afterwards(tmp_path: Path) -> None:
    wifi = Wifi(ssid="thuis & co", password="geheim+1", around=[("buren<script>", -77, True)])
    told: dict[str, Any] = {}

    async def main() -> SimNode:
        async with World(tmp_path) as world:
            node = world.add_node(
                NodeSettings("n", boards.build("sim_air", Around()), config=CONFIG, wifi=wifi)
            )
            node.power_on()
            await world.run_for(200)
            assert node._life is not None
            told["network"] = node._life.network.access_point
            told["dns"] = await _resolve(world, node, _question("connectivitycheck.gstatic.com"))
            told["ipv6"] = await _resolve(world, node, _question("captive.apple.com", 28))
            told["probes"] = [await fetch(world, node, path) for path in PROBES]
            told["form"] = await fetch(world, node, "/wifi")
            elsewhere = {"Origin": "http://evil.example"}
            told["foreign"] = await fetch(world, node, "/wifi", "ssid=x&password=y", **elsewhere)
            told["wrong"] = await fetch(world, node, "/wifi", "ssid=thuis+%26+co&password=fout")
            told["right"] = await fetch(world, node, "/wifi", "ssid=thuis+%26+co&password=geheim%2B1")
            await world.run_for(120)
            told["after"] = await fetch(world, node, "/")
            told["closed"] = await fetch(world, node, "/wifi")
            told["network after"] = node._life.network.access_point if node._life is not None else None
            return node

    node = run(main(), start_us=START_US)
    assert told["network"][0] == "meetnet-c0ffee"
    assert told["dns"][:2] == b"\x12\x34"
    assert told["dns"][6:8] == b"\0\1"
    assert told["dns"][-4:] == bytes([192, 168, 4, 1])
    assert told["ipv6"][6:8] == b"\0\0"
    assert {(answer.status, answer.headers["location"]) for answer in told["probes"]} == {
        (302, "http://192.168.4.1/wifi")
    }
    assert "thuis &amp; co" in told["form"].text
    assert "buren&lt;script&gt;" in told["form"].text
    assert told["foreign"].status == 403
    assert "Het wachtwoord van de wifi klopt niet" in told["wrong"].text
    assert "http://10.77.0.2/" in told["right"].text
    written = json.loads((node.flash / "config.json").read_text())
    assert written["wifi"] == {"ssid": "thuis & co", "password": "geheim+1"}
    assert written["radio"] == "wifi"
    assert "Alles werkt." in told["after"].text
    assert "eerste drie minuten" not in told["closed"].text or node.boots == 2
    assert len(records_of(node)) >= 5
