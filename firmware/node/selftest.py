"""The test at the bench: does every sensor answer, does the radio, is what was flashed what runs.

Whoever flashed the board asks for it at MicroPython's prompt: `from node import selftest; selftest.main()`.
It prints one line of JSON after MARK and changes nothing: no record, no join, no counter. No secret is in it.
"""

import json
import os
import time

import machine

from wire.measurements import by_id
from wire.record import FIRST_ERROR, STATE_NAMES

from . import build, config, recovery
from .acquire import acquire, merge
from .store import NvsStore
from .version import VERSION

MARK = "meetnet-selftest "


class _Health:
    """What build.sensors says of sensors that cannot be built."""

    def __init__(self):
        self.missing = []


class _Clock:
    """Uptime for acquire, without the chip's deeper sleeps: somebody waits at the console."""

    def __init__(self):
        self._from = time.ticks_ms()

    def uptime_ms(self):
        return time.ticks_diff(time.ticks_ms(), self._from)

    def sleep_until(self, at_ms):
        left = at_ms - self.uptime_ms()
        if left > 0:
            time.sleep_ms(left)


def _one(sensor, clock):
    """Return what one sensor has to say for itself."""
    found = {"name": sensor.name, "ok": False, "text": "", "readings": []}
    if not sensor.probe():
        found["text"] = sensor.text or STATE_NAMES.get(sensor.state, "?")
        return found
    readings = merge(acquire([sensor], clock, clock.uptime_ms(), clock.sleep_until))
    for ident, raw, state in readings:
        row = by_id(ident)
        if row is not None:
            name = STATE_NAMES.get(state, "?")
            found["readings"].append([row[1], raw / 10 ** row[3], row[2], name])
    errors = [state for _id, _raw, state in readings if state >= FIRST_ERROR]
    found["ok"] = bool(readings) and not errors
    if errors:
        found["text"] = sensor.text or STATE_NAMES.get(errors[0], "?")
    return found


def sensors(board, buses, settings):
    """Return a list of {"name", "ok", "text", "readings": [[quantity, value, unit, state]]}."""
    health = _Health()
    built = build.sensors(board, buses, settings, health, lambda _measurement: None)
    clock = _Clock()
    found = []
    for sensor in built:
        try:
            found.append(_one(sensor, clock))
        except Exception as error:  # one driver that breaks is one sensor that is not there
            found.append({"name": sensor.name, "ok": False, "text": repr(error), "readings": []})
    for name, _state, text in health.missing:
        found.append({"name": name, "ok": False, "text": text, "readings": []})
    return found


def radio(board, buses, settings):
    """Return {"kind", "ok", "text"}: the LoRa chip started and put to sleep, or a scan of Wi-Fi."""
    kind = settings["radio"]
    found = {"kind": kind, "ok": kind == "none", "text": ""}
    try:
        if kind == "lorawan":
            phy = build.lora_phy(board, buses)
            phy.start()
            phy.sleep()
            found["ok"] = True
        elif kind == "mqtt":
            import network

            wlan = network.WLAN(network.STA_IF)
            wlan.active(True)
            heard = wlan.scan()
            found["ok"] = True
            found["text"] = str(len(heard)) + " networks"
    except Exception as error:
        found["text"] = str(error) or repr(error)
    return found


def run():
    """Return what was found."""
    with open("config.json") as f:
        settings, errors = config.load(f.read())
    found = {
        "version": ".".join([str(part) for part in VERSION]),
        "board": settings["board"],
        "dev_eui": settings["dev_eui"],
        "config_errors": errors,
        "last_crash": recovery.last_crash(NvsStore()),
        "unique_id": machine.unique_id().hex(),
        "python": os.uname()[2],
        "sensors": [],
        "radio": {"kind": settings["radio"], "ok": False, "text": ""},
    }
    try:
        board = build.board_module(settings["board"])
    except Exception as error:
        found["radio"]["text"] = "board: " + repr(error)
        return found
    buses = build.Buses(board)
    found["sensors"] = sensors(board, buses, settings)
    found["radio"] = radio(board, buses, settings)
    return found


def main():
    """Print what was found, on one line."""
    print(MARK + json.dumps(run()))  # noqa: T201
