"""Scenarios played whole: faults have their effect, nothing accepted is lost or twice, seeds repeat."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from simulator.cli import simulate
from simulator.nodeproc import SimulatorError
from simulator.stage import events, mosquitto
from simulator.stage.faults import KINDS
from simulator.stage.scenario import Scenario, find, load, parse
from simulator.stage.shorter import shorter
from simulator.stage.stage import Result, play

pytestmark = [pytest.mark.mpy, pytest.mark.slow, pytest.mark.timeout(300)]
PLATFORM = Path(__file__).with_name("platform.toml")
EVERYTHING = Path(__file__).with_name("everything.toml")
UPDATES = Path(__file__).with_name("updates.toml")
BROKER = Path(__file__).with_name("broker.toml")
Rows = list[dict[str, Any]]


def run(scenario: Scenario, folder: Path, name: str = str(EVERYTHING)) -> tuple[Result, Rows]:
    result = play(scenario, folder, reproduce=f"meetnet simulate {name} --seed {scenario.seed}")
    return result, events.read(folder / "events.jsonl")


def span(rows: Rows, fault: str) -> tuple[int, int]:
    """Return when a fault began and ended, in us."""
    times = [row["t_us"] for row in rows if row["kind"] == "fault" and row["who"] == fault]
    return times[0], times[-1]


def during(rows: Rows, fault: str, kind: str, what: str, slack_us: int = 0) -> Rows:
    begin, end = span(rows, fault)
    return [
        row
        for row in rows
        if row["kind"] == kind and row["what"] == what and begin <= row["t_us"] <= max(end, begin + slack_us)
    ]


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Result, Rows]]:
    scenario = load(EVERYTHING)
    return [run(scenario, tmp_path_factory.mktemp(name)) for name in ("a", "b")]


def test_every_kind_of_fault_is_in_it() -> None:
    rows = load(EVERYTHING).faults + load(PLATFORM).faults + load(UPDATES).faults
    rows += load(BROKER).faults
    assert {row["do"] for row in rows} == set(KINDS)


def test_nothing_accepted_is_lost_and_nothing_is_there_twice(twice: list[tuple[Result, Rows]]) -> None:
    result, rows = twice[0]
    assert result.failures == [], result.reproduce
    assert result.accounts is not None
    assert result.accounts["lost"] == result.accounts["twice"] == result.accounts["invented"] == 0
    stored = sum(row["kind"] == "store" for row in rows)
    assert result.accounts["stored"] >= stored - 10 > 60


def test_the_same_seed_gives_the_same_event_log(twice: list[tuple[Result, Rows]]) -> None:
    first, second = twice
    different = [(a, b) for a, b in zip(first[1], second[1], strict=False) if a != b]
    assert not different, different[0]
    assert first[0].sha256 == second[0].sha256


def _told(result: Result, *names: str) -> bool:
    return all(result.counters.get(name, 0) > 0 for name in names)


def test_each_fault_had_its_effect(twice: list[tuple[Result, Rows]]) -> None:
    result, rows = twice[0]
    assert _told(result, "lns.replay", "lns.mic_mismatch", "ingest.udp_truncated")
    assert _told(result, "store.log_write_failed"), "a full disk is told"
    assert _told(result, "pipeline.commit_failed"), "a locked or full store is told"
    deaths = [row for row in rows if row["who"] == "gateway" and row["what"] == "died"]
    assert len(deaths) == 2 and result.house_starts == 3
    for fault in ("gateway_outage", "backhaul_outage"):
        assert during(rows, fault, "radio", "up"), fault
        lora = [r for r in during(rows, fault, "gateway", "uplink") if r["source"] == "lns"]
        assert len(lora) <= 2, fault  # what was under way
    assert any(row["lost"] for row in during(rows, "interference", "radio", "up"))
    begin, end = span(rows, "wifi_outage")
    assert not [
        r
        for r in rows
        if r["what"] == "uplink" and r["source"] == "mqtt" and begin + 5_000_000 < r["t_us"] < end
    ]
    assert not during(rows, "database_locked", "store", "record")
    assert all(row["text"] for row in rows if row["what"] == "begins"), "each says what it did"


def _rows(folder: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "gateway" / "store.db")) as db:
        return db.execute(
            "SELECT dev_eui, seq, observed_at_ms, records.received_at_ms, body FROM records "
            "JOIN devices ON devices.id = records.device ORDER BY 1, 2"
        ).fetchall()


def test_a_platform_that_failed_gets_everything_later_and_a_recording_plays_again(tmp_path: Path) -> None:
    result, rows = run(load(PLATFORM), tmp_path / "first", str(PLATFORM))
    assert result.failures == [], result.reproduce
    state = result.platform["publishers"]["ngsi_ld"]
    assert result.platform["refused"] > 0
    assert result.platform["accepted"] > 0
    assert state["rejected"] == 0 and not state["trouble"]
    stored = _rows(tmp_path / "first")
    assert len(stored) == sum(row["kind"] == "store" for row in rows) > 15
    assert state["position"] >= 64 * len(stored)  # 64 positions a record: it has passed the last one
    # The event log, and the raw log of the gateway, bring the same rows again: bytes and times.
    for name, recording in (("log", "events.jsonl"), ("raw", "gateway")):
        out = tmp_path / name
        done = CliRunner().invoke(
            simulate, ["--replay", str(tmp_path / "first" / recording), "--out", str(out), "--json"]
        )
        assert done.exit_code == 0, done.output
        assert json.loads(done.output)["records"] == len(stored)
        assert _rows(out) == stored


def test_a_release_that_is_no_good_touches_one_node_which_is_back_by_itself(tmp_path: Path) -> None:
    result, rows = run(load(UPDATES), tmp_path, str(UPDATES))
    assert result.failures == [], result.reproduce
    with closing(sqlite3.connect(tmp_path / "gateway" / "updates.db")) as db:
        rollouts = db.execute("SELECT state FROM rollouts").fetchall()
        targets = db.execute("SELECT dev_eui, state, reason FROM targets").fetchall()
    assert rollouts == [("halted",)]
    assert sorted(state for _, state, _ in targets) == ["reverted", "waiting"], targets
    assert [reason for _, state, reason in targets if state == "reverted"] == ["crashed"]
    begins, _ = span(rows, "bad_update")
    boots = [row["who"] for row in rows if row["what"] == "reset" and row["t_us"] > begins]
    assert len(set(boots)) == 1 and len(boots) == 2  # into the release, and back
    last_us = max(row["t_us"] for row in rows)
    for site in {row["who"] for row in rows if row["kind"] == "store"}:  # both measure as before
        assert max(r["t_us"] for r in rows if r["kind"] == "store" and r["who"] == site) > last_us - 400e6


@pytest.mark.nightly
@pytest.mark.skipif(mosquitto.program() is None, reason="mosquitto is not installed: apt install mosquitto")
def test_a_broker_of_its_own_process_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    """75 s of the clock: a broker lives in real time."""
    result, rows = run(load(BROKER), tmp_path, str(BROKER))
    assert result.failures == [], result.reproduce
    kills = [row["t_us"] for row in rows if row["who"] == "kill_broker" and row["what"] == "begins"]
    assert len(kills) == 3
    assert _told(result, "ingest.mqtt_disconnected", "ingest.mqtt_unreachable")
    assert result.accounts is not None and result.accounts["stored"] > 3 * 30
    last_us = max(row["t_us"] for row in rows)
    for site in {row["who"] for row in rows if row["kind"] == "store"}:  # all are back
        assert max(r["t_us"] for r in rows if r["kind"] == "store" and r["who"] == site) > last_us - 400e6


def test_a_broker_is_killed_only_where_there_is_one(tmp_path: Path) -> None:
    fault = {"do": "kill_broker", "at": "1s"}
    document = {"title": "x", "until": "20m", "nodes": [{"kind": "garden"}], "faults": [fault]}
    with pytest.raises(SimulatorError, match=r"kill_broker: .*give gateway.broker = 'mosquitto'"):
        play(parse(document), tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("garden-district", marks=pytest.mark.nightly),
        "festival-night",
        "waste-rounds",
        pytest.param("soak", marks=pytest.mark.nightly),
        pytest.param("faults", marks=pytest.mark.nightly),
        pytest.param("five-hundred", marks=pytest.mark.nightly),
        pytest.param("ten-years", marks=pytest.mark.nightly),
        pytest.param("region", marks=pytest.mark.nightly),
    ],
)
def test_each_scenario_that_comes_along_is_played_in_its_short_form(tmp_path: Path, name: str) -> None:
    scenario = shorter(load(find(name)))
    result, rows = run(scenario, tmp_path, f"{name} --short")
    assert result.failures == [], result.reproduce
    assert result.accounts is not None and result.accounts["stored"] > 10 * scenario.count
    begun = {row["who"] for row in rows if row["kind"] == "fault" and row["what"] == "begins"}
    assert begun == {row["do"] for row in load(find(name)).faults}  # none of the whole form is left out


@pytest.mark.nightly
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", ["garden-district", "festival-night", "waste-rounds", "soak"])
def test_each_scenario_that_comes_along_is_played_whole(tmp_path: Path, name: str) -> None:
    result, _ = run(load(find(name)), tmp_path, name)
    assert result.failures == [], result.reproduce


def test_a_fleet_is_a_scenario_counted_at_sensors_radios_and_store(tmp_path: Path) -> None:
    document = {
        "title": "a small region", "until": "30m", "events": ["fault"],
        "fleet": {"count": 60, "size_km": 2.0, "gateways": 2, "interval_s": 600, "power_on": "5m"},
    }  # fmt: skip
    result = play(parse(document), tmp_path)
    assert result.failures == [] and result.accounts is not None
    assert result.accounts["acquired"] >= 3 * 60
    assert result.accounts["acquired"] >= result.accounts["stored"] == result.accounts["received"] > 120
    assert result.counters["pipeline.records"] == result.accounts["stored"]
    assert 0 <= result.fleet["kb_a_node"] < 200 < 1000 * result.fleet["gateway_cpu_s"]
    assert set(result.rss_mb) == {"gateway", "simulator"}


def test_what_is_no_recording_is_told(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text("nothing\n")
    done = CliRunner().invoke(simulate, ["--replay", str(tmp_path / "events.jsonl"), "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert "is no event log" in done.output
