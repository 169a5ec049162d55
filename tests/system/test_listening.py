"""A noise node listens all the time: through its uplinks, its receive windows and its talks with a broker.

The bus of the simulated board counts what was read and what its DMA buffers had to drop, in buffers of 256
frames as the chip's driver has them; each frame costs the program a quarter of a core.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from simulator import boards
from simulator.chips.i2s_mic import I2sMicrophone
from simulator.loop import run
from simulator.node import NodeSettings
from simulator.world import World
from tests.system.listening import START_S, Heard, live
from wire.record import GAP, OK

pytestmark = pytest.mark.mpy
FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"


def levels(heard: Heard) -> list[tuple[float | None, tuple[str, ...]]]:
    """Return LAeq of the intervals."""
    return [(o.value, tuple(o.flags)) for o in heard.outcome.observations if o.quantity == "laeq"]


@pytest.mark.parametrize("board", ["sim_noise", pytest.param("lora32_noise", marks=pytest.mark.nightly)])
def test_nothing_is_missed_while_the_radio_is_at_work_and_its_windows_open_as_ever(
    tmp_path: Path, board: str
) -> None:
    """SX1262 and SX1276; each uplink is confirmed, so each has its windows. Before: 9.5 s of each minute."""
    times = {"interval_s": 60, "intervals": 2, "settle_s": 150}
    always = live(tmp_path / "always", noise_s=0, board=board, **times)
    assert always.uplinks >= 5
    assert (always.unheard_s, always.dropped_s) == (0.0, 0.0)
    found = levels(always)
    assert len(found) >= 4
    assert all(value is not None and not flags for value, flags in found)
    before = live(tmp_path / "before", noise_s=50, board=board, **times)
    assert before.unheard_s > 8
    # to the microsecond where they opened without a microphone that wants to be read
    assert set(always.openings_us) == set(before.openings_us)
    assert len(always.openings_us) >= always.uplinks - 1
    assert always.outcome.status["devices"][0]["seen"]["status"]["failures"] == 0


@pytest.mark.nightly
def test_long_frames_and_long_windows_are_no_hole_either(tmp_path: Path) -> None:
    """Only SF12 gets through: frames of two seconds, windows of a quarter, many tries to join."""
    heard = live(tmp_path, noise_s=0, interval_s=120, intervals=2, settle_s=600, sf=12)
    assert heard.outcome.counters["lns.uplinks"] >= 3
    assert (heard.unheard_s, heard.dropped_s) == (0.0, 0.0)
    assert all(value is not None and not flags for value, flags in levels(heard))


def test_over_wifi_each_second_is_reported_half_a_second_later_without_a_hole(tmp_path: Path) -> None:
    heard = live(
        tmp_path, noise_s=0, interval_s=60, intervals=1, settle_s=70, transport="mqtt", noise_seconds=True
    )
    assert (heard.unheard_s, heard.dropped_s) == (0.0, 0.0)
    rows = [o for o in heard.outcome.observations if o.quantity == "laeq_1s"]
    times = [o.observed_at_ms // 1000 for o in rows]
    assert len(times) > 110
    assert {b - a for a, b in itertools.pairwise(times)} == {1}
    late_s = sorted((o.received_at_ms - o.observed_at_ms) / 1000 for o in rows)
    assert late_s[len(late_s) // 2] < 1.0
    minutes = levels(heard)
    assert len(minutes) >= 2
    assert all(value is not None for value, _ in minutes)


@pytest.mark.parametrize("interval_s", [60, 300, 900])
@pytest.mark.nightly
def test_reports_of_1_5_and_15_minutes(tmp_path: Path, interval_s: int) -> None:
    heard = live(tmp_path, noise_s=0, interval_s=interval_s, intervals=2, settle_s=interval_s + 200)
    assert (heard.unheard_s, heard.dropped_s) == (0.0, 0.0)
    found = [o for o in heard.outcome.observations if o.quantity == "laeq"]
    times = [o.observed_at_ms // 1000 for o in found[1:]]
    assert {b - a for a, b in itertools.pairwise(times)} == {interval_s}
    assert all(at % interval_s == 0 for at in times)
    wanted = {"laeq", "lafmax", "lafmin", "la1", "la10", "la50", "la90", "la95", "la99", "lceq", "lcpeak"}
    assert wanted <= {o.quantity for o in heard.outcome.observations}


SCRIPT = """
import time
import machine
from boards import sim_noise
from node import config
from node.noise_sensor import NoiseSensor
from node.store import NvsStore
from node.waits import Waits

text = '{"schema": 1, "kind": "noise", "board": "sim_noise", "noise_s": 0, "noise_seconds_kib": 0}'
sensor = NoiseSensor(0, sim_noise.I2S[0], 0, config.load(text)[0], NvsStore(), time)
waits = Waits(time)
sensor._waits = waits
sensor.start()
waits.sleep_ms(3000)
sensor.fetch()
for kind in ("busy", "light", "waits"):
    waits.sleep_ms(2000)
    if kind == "busy":
        time.sleep_ms(1500)
    elif kind == "light":
        machine.lightsleep(1500)
    else:
        waits.sleep_ms(1500)
    waits.sleep_ms(2000)
    readings = sensor.fetch()
    captured = sensor._meter.captured
    print("row", kind, readings[0][1], readings[0][2], captured.heard_ms, captured.gaps, captured.lost_us)
"""


def test_what_could_not_be_heard_is_counted_and_flagged(tmp_path: Path) -> None:
    """1.5 s without reading: the DMA buffers hold 0.25 s of it. And light sleep stops the bus's clock."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)

    async def main() -> tuple[str, int]:
        async with World(tmp_path / "world") as world:
            hardware = boards.build("sim_noise", lambda _quantity, _now_us: 60.0)
            assert isinstance(hardware.chips["i2s_mic"], I2sMicrophone)
            node = world.add_node(NodeSettings("n", hardware, script=script, path=(FIRMWARE,)))
            node.power_on()
            await world.run_for(40)
            return node.log_tail(), hardware.i2s_lost_frames

    said, lost_frames = run(main(), start_us=START_S * 1_000_000)
    rows = {line.split()[1]: list(map(int, line.split()[2:])) for line in said.splitlines() if "row " in line}
    level, state, heard_ms, gaps, lost_us = rows["busy"]
    assert (level, state, gaps) == (600, GAP, 1)
    assert abs(lost_us - 1_250_000) < 50_000
    assert abs(lost_us - lost_frames / 48 * 1000) < 8_000
    assert abs(heard_ms - (5500 - 1250)) < 50
    level, state, heard_ms, gaps, lost_us = rows["light"]
    assert (state, gaps) == (GAP, 1)
    assert lost_us > 1_400_000
    level, state, heard_ms, gaps, lost_us = rows["waits"]
    assert (level, state, gaps, lost_us) == (600, OK, 0, 0)
    assert abs(heard_ms - 5500) < 50
