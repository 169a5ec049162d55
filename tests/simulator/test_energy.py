"""The energy model: arithmetic, picture, command; and the same hours lived by the firmware."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from simulator import boards, energy, hardware
from simulator.loop import run
from simulator.node import NodeSettings
from simulator.world import World
from tests.system.kinds import START_US, Around

NODES = hardware.nodes()

_LIVE = """
import json
from node import start, recovery
from node.hal import Hal
from node.store import NvsStore
hal, store = Hal(), NvsStore()
node = start.make(hal, store, recovery.Lives(store, 1), 1)
node.start()
while node.time.uptime_ms() < {hours} * 3600000:
    node.step()
print("LEDGER", json.dumps([node.time.uptime_ms(), node.ledger.by_action()]))
"""


@pytest.mark.parametrize("name", sorted(NODES))
def test_a_day_is_a_day_and_the_average_is_the_sum_of_its_actions(name: str) -> None:
    p = energy.predict(NODES[name], 900, 9)
    assert p.rows[0].seconds == energy.DAY_S
    assert sum(row.mah for row in p.rows) == pytest.approx(p.average_ua * 24 / 1000)
    assert (p.days is None) == (NODES[name].kit["power"] == "mains")
    assert all(row.seconds >= 0 for row in p.rows)


def test_time_on_air_is_that_of_the_airtime_calculator() -> None:
    # 16 bytes of application at SF9: 226.3 ms (avbentem/airtime-calculator), 96 frames a day.
    sending = next(r for r in energy.predict(NODES["t3s3_bin"], 900, 9, 16).rows if r.action == "sending")
    assert sending.seconds == pytest.approx(96 * 0.2263, rel=0.001)


def test_longer_intervals_and_faster_data_rates_last_longer() -> None:
    node = NODES["c3_garden"]
    days = [energy.predict(node, s, 9).days or 0 for s in (300, 900, 3600)]
    assert days == sorted(days)
    assert (energy.predict(node, 900, 7).days or 0) > (energy.predict(node, 900, 12).days or 0)


def test_the_cells_come_from_the_board_and_a_cell_that_is_worn_lasts_less() -> None:
    assert energy.predict(NODES["c3_garden"], 900, 9).battery_mah == 3000
    assert energy.predict(NODES["t3s3_garden"], 900, 9).battery_mah == 3400


def test_the_command_prints_table_json_and_picture(tmp_path: Path) -> None:
    runner = CliRunner()
    picture = tmp_path / "p.svg"
    text = runner.invoke(
        main, ["energy", "t3s3_bin", "--interval", "15m", "--sf", "9", "--svg", str(picture)]
    )
    assert text.exit_code == 0
    assert "days" in text.output
    assert "Assumptions" in text.output
    told = json.loads(runner.invoke(main, ["energy", "t3s3_bin", "--json"]).output)
    assert told["interval_s"] == 900
    assert told["average_ua"] == pytest.approx(energy.predict(NODES["t3s3_bin"], 900, 9).average_ua, abs=0.1)
    root = ET.parse(picture).getroot()
    bars = [
        e for e in root.iter() if e.tag.endswith("rect") and "width" in e.attrib and e.get("fill") != "#fff"
    ]
    assert len(bars) == len(told["rows"])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["submarine"], 1, "no such board; known are"),
        (["t3s3_bin", "--interval", "soon"], 2, "give 10s to 24h"),
        (["t3s3_bin", "--sf", "13"], 2, "7<=x<=12"),
    ],
)
def test_wrong_usage_is_told(arguments: list[str], code: int, words: str) -> None:
    result = CliRunner().invoke(main, ["energy", *arguments])
    assert result.exit_code == code
    assert words in result.output


@pytest.mark.mpy
@pytest.mark.parametrize(
    ("board", "hours"),
    [
        ("t3s3_bin", 2),
        ("c3_garden", 2),
        ("heltec3_air", 2),
        *(
            pytest.param(board, 24, marks=[pytest.mark.nightly, pytest.mark.timeout(900)])
            for board in ("t3s3_bin", "c3_garden", "heltec3_air")
        ),
    ],
)
def test_the_firmwares_ledger_of_hours_is_what_was_predicted(tmp_path: Path, board: str, hours: int) -> None:
    node_hardware = NODES[board]
    script = tmp_path / "script.py"
    script.write_text(_LIVE.format(hours=hours))

    async def lived() -> str:
        async with World(tmp_path / "w") as world:
            config = {
                "schema": 1,
                "kind": node_hardware.kit["kind"],
                "board": board,
                "interval_s": 900,
                "radio": "none",
                "page": False,
            }
            models = boards.build(board, Around())
            settings = NodeSettings("n", models, script=script, config=config)
            world.add_node(settings).power_on()
            await world.run_for(hours * 3600 + 1000)
            return (
                world.nodes[0].log_tail()
                if hasattr(world, "nodes")
                else (tmp_path / "w/n/log.txt").read_text()
            )

    told = next(line for line in run(lived(), start_us=START_US).splitlines() if line.startswith("LEDGER"))
    total_ms, rows = json.loads(told.split(" ", 1)[1])
    measured = {action: nc / 1e6 * 86_400_000 / total_ms / 3600 for action, nc in rows}  # mAh a day
    predicted = {row.action: row.mah for row in energy.predict(node_hardware, 900, 9, radio=False).rows}
    assert measured["asleep"] == pytest.approx(predicted["asleep"], rel=0.01)
    # The simulated processor takes no time for its own work: what is predicted for that is not in it.
    own = energy.RECORD_AWAKE_S * 96 * node_hardware.description["energy"]["cpu_ua"] / 3_600_000
    pace = 0.5 if board == "t3s3_bin" else 1.0  # nothing changes: the bin slows down to a quarter
    assert measured["awake"] == pytest.approx(predicted["awake"] - own, rel=0.6)
    for part in node_hardware.parts:
        if predicted.get(part, 0) > 0.01:
            assert measured[part] == pytest.approx(pace * predicted[part], rel=0.6), part


def test_a_noise_node_takes_by_how_long_it_listens() -> None:
    """Ten seconds of 300 are a tenth of all the time or less; USB gives what the chip takes, at 5 V."""
    node = NODES["c3_noise"]
    always = energy.predict(node, 300, 9, listens_s=0)
    some = [energy.predict(node, 300, 9, listens_s=s).mwh for s in (10, 30, 60, 300)]
    assert some == sorted(some)
    assert some[0] < always.mwh / 8
    assert some[-1] <= always.mwh * 1.001
    cpu_ma = node.chip["cpu_ma"]
    assert always.mwh == pytest.approx(24 * cpu_ma * 5, rel=0.05)
    assert any("never sleeps" in text for text in always.assumptions)
