"""The status uplink of a fleet's node: the bytes that firmware/node/status.py makes on a simulated board.

What firmware says of itself (version, hash of the configuration, defaults of the meter) is read from its own
files, which lie beside this package; nothing of it runs but the table of configuration keys.
"""

from __future__ import annotations

import importlib.util
import json
import re
from functools import cache
from types import ModuleType
from typing import Any

from simulator.plan import PlannedNode, config_json
from simulator.where import FIRMWARE
from wire import energy, sound, status

POWER_ON = 1
_SENSORS = {"air": 2, "noise": 1, "bin": 2, "garden": 3}
"""Sensors of the simulator's own boards, in the order of their SENSORS; all of them answer."""


@cache
def _keys() -> ModuleType:
    """Return firmware/node/config.py: a table and its checks, without the rest of the node."""
    spec = importlib.util.spec_from_file_location("fleet_config", FIRMWARE / "node" / "config.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def version() -> tuple[int, int, int]:
    """Return what the firmware beside this file says of itself."""
    found = re.search(r"VERSION = \((\d+), (\d+), (\d+)\)", (FIRMWARE / "node" / "version.py").read_text())
    assert found is not None
    return int(found[1]), int(found[2]), int(found[3])


def status_payload(
    planned: PlannedNode,
    habits: dict[str, int],
    limit: int,
    *,
    boots: int,
    battery_mv: int,
    uptime_s: int,
    waiting: int,
    failures: int,
    last_failure: int,
    time_age_h: int,
) -> bytes:
    """Return the status of a healthy node. habits: by the keys of config.json; limit: bytes of an uplink."""
    config = _keys().load(json.dumps(config_json(planned, 0) | habits))[0]
    told: Any = status.Status(
        version(), POWER_ON, boots, 0, config.hash4(), battery_mv, uptime_s, waiting, 0, failures,
        last_failure, 0, time_age_h, [0] * _SENSORS[planned.kind],
    )  # fmt: skip
    told.blocks = _blocks(planned.kind, config)
    payload = status.encode_status(told)
    if len(payload) > limit:
        told.blocks = ()
        payload = status.encode_status(told)
    return payload


def _blocks(kind: str, config: Any) -> tuple[tuple[int, bytes], ...]:
    """Return the meter of a noise node, never calibrated; of all: without currents no days are known."""
    found = [(energy.BLOCK, energy.pack_block(0, None))]
    if kind == "noise":
        meter = sound.pack_meter(
            (),
            config["noise_sensitivity_centidb"],
            config["noise_offset_centidb"],
            0,
            0,
            config["noise_self_centidb"] or None,
            config["noise_response"],
            10 if config["noise_octaves"] else 0,
        )
        found.insert(0, (sound.METER, meter))
    return tuple(found)
