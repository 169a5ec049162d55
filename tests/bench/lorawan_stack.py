"""What the LoRaWAN stack costs: `python -m tests.bench.lorawan_stack` prints JSON.

Flash: bytes of .mpy from mpy-cross, of the modules that a node with this radio loads.
Heap: measured in the 64-bit unix port with the firmware's own objects on a simulated board. A word has 8
bytes there, 4 on the chip, which so needs about half of `state` and `garbage_per_uplink`, and none of
`bytecode`, frozen in its flash. `garbage_per_uplink` (from the transmission to the end of RX2) holds what
the simulated buses allocate as well.
Wake: virtual time from the first line of Python to the start of the transmission: bus transfers, waits that
the radio asks for, a few microseconds for each look at the clock. What the interpreter itself needs is not
in it. Nothing was measured on a chip.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from simulator import boards
from simulator.channel.ideal import IdealChannel
from simulator.loop import run
from simulator.node import NodeSettings
from simulator.where import FIRMWARE
from simulator.world import World
from tests.firmware.radio.rig import Network
from tests.firmware.radio.server import APP_KEY, DEV_EUI, JOIN_EUI
from tests.firmware.radio.test_power_cuts import Always, Server
from tools.sizes import ARCHITECTURES, compile_file

START_US = 1_790_000_000_000_000
BOARDS = {"sx126x": "sim_bin", "sx127x": "sim_bin_sx1276"}
_OTHERS = {"mqtt.py", "sntp.py", "certification.py", "netcommands.py"}  # Wi-Fi, test house, network's side

SCRIPT = """
import gc, json, time
begin = time.ticks_us()
import machine
gc.collect()
empty = gc.mem_alloc()
from node import build
from node.retained import Retained
from node.store import NvsStore
from wire.lorawan.airtime import time_on_air_us
import radio.classa, radio.{module}, cryptolib, random
gc.collect()
loaded = gc.mem_alloc()
config = json.load(open("config.json"))
board = build.board_module(config["board"])
buses = build.Buses(board)
store, retained = NvsStore(), Retained(machine.RTC().memory)
gc.collect()
before = gc.mem_alloc()
mac = build.lora_mac(board, buses, config, store, retained, duty_cycle=False)
phy = mac.air._phy
send, figures = phy.transmit, {{}}
def transmit(*args):
    gc.collect()
    figures["gc_off"] = gc.mem_alloc()
    end = send(*args)
    figures["us"] = time.ticks_diff(end, begin) - time_on_air_us(args[1], args[2], len(args[4]))
    return end
phy.transmit = transmit
if not mac.joined:
    assert mac.join()
    mac.send(1, bytes(20))
    machine.deepsleep(60000)
assert mac.send(1, bytes(20)).sent
peak = gc.mem_alloc()
del transmit
gc.collect()
print(json.dumps({{"bytecode": loaded - empty, "state": gc.mem_alloc() - before,
    "garbage_per_uplink": peak - figures["gc_off"], "wake_to_transmit_us": figures["us"]}}))
"""


def flash_bytes(phy: str) -> dict[str, int]:
    """Return bytes of .mpy by architecture for one radio."""
    other = "sx127x" if phy == "sx126x" else "sx126x"
    found = [*(FIRMWARE / "radio").glob("*.py"), *(FIRMWARE / "wire" / "lorawan").glob("*.py")]
    files = sorted(f for f in found if f.name not in _OTHERS and not f.name.startswith(other))
    total = dict.fromkeys(ARCHITECTURES, 0)
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            for architecture in ARCHITECTURES:
                size, error = compile_file(file, architecture, Path(folder) / "out.mpy")
                if error:
                    raise SystemExit(f"{file.name}: {error}")
                total[architecture] += size
    return total


async def _run(folder: Path, phy: str) -> dict[str, int]:
    async with World(folder) as world:
        channel = IdealChannel()
        server = Server(Always())  # pyright: ignore[reportArgumentType]
        Network(channel).answer = server.answer
        board = BOARDS[phy]
        hardware = boards.build(board, lambda _quantity, _now_us: 0.0, channel)
        keys = {"dev_eui": DEV_EUI.hex(), "join_eui": JOIN_EUI.hex(), "app_key": APP_KEY.hex()}
        script = folder / "script.py"
        script.write_text(SCRIPT.format(module=phy))
        node = world.add_node(NodeSettings("n", hardware, keys | {"board": board}, 1, script))
        node.power_on()
        await world.run_for(120)
        return json.loads(node.log.read_text().strip().splitlines()[-1])


def measure() -> dict[str, Any]:
    """Return the figures of both radios."""
    figures: dict[str, Any] = {}
    for phy in BOARDS:
        with tempfile.TemporaryDirectory() as folder:
            measured = run(_run(Path(folder), phy), start_us=START_US)
        figures[phy] = {
            "mpy_bytes": flash_bytes(phy),
            "unix_port_64_bit": {
                name: measured[name] for name in ("bytecode", "state", "garbage_per_uplink")
            },
            "wake_to_transmit_us": measured["wake_to_transmit_us"],
        }
    return figures


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
