"""From a running gateway to an incident on record: nobody speaks, a radio gateway goes, a network is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway import alerting
from gateway.app import Gateway
from gateway.cli.main import main
from gateway.commissioning import RecentUplinks
from gateway.health import incidents
from gateway.healthfacts import Collector, _usual_ms
from gateway.model import PublicObservation, Reception, Uplink
from gateway.publish import FileSideList, Rejection
from gateway.registry import Registry
from gateway.registry.model import NodeAnswer
from gateway.store import SqliteStore
from tests.system.house import config

from ..house import AIR, SetClock, a_record, an_uplink, fill_registry

HOUR_MS = 3_600_000


async def test_a_gateway_finds_out_by_itself_and_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerting, "LOOK_S", 0.02)
    registry = Registry(tmp_path / "gateway")
    fill_registry(registry)
    registry.close()
    clock = SetClock()
    running = Gateway(config(tmp_path), clock)
    await running.start()
    try:
        await running.log.accept(an_uplink(a_record(1, temperature=20.0)))
        await running.drained()
        clock.ms += HOUR_MS // 4
        await asyncio.sleep(0.2)
        assert running.incidents.open() == []
        clock.ms += 4 * HOUR_MS
        for _ in range(600):
            if len(running.incidents.open()) == 3:
                break
            await asyncio.sleep(0.05)
        found = {entry.incident.cause: entry.incident for entry in running.incidents.open()}
        assert set(found) == {"silent", "never_heard"}
        assert found["silent"].subject == "Plein-1"
        assert len(running.status()["incidents"]) == 3
        words = ["alerts", "--data", str(tmp_path / "gateway")]
        told = await asyncio.to_thread(lambda: CliRunner().invoke(main, [*words, "--language", "en"]))
        assert "Plein-1 is silent, and we do not know why." in told.output
        as_json = await asyncio.to_thread(lambda: CliRunner().invoke(main, [*words, "--json"]))
        assert {row["cause"] for row in json.loads(as_json.output)} == {"silent", "never_heard"}
    finally:
        await running.stop()


def test_facts_are_those_of_receptions_and_counters(tmp_path: Path) -> None:
    registry, store, recent = Registry(tmp_path), SqliteStore(tmp_path / "store.db"), RecentUplinks()
    fill_registry(registry)
    now_ms = SetClock().now_ms()
    for number, f_cnt in enumerate((10, 11, 13, 14, 17)):  # 5 of 8 arrived
        heard = (Reception("gw-b", snr_db=-11.0, data_rate="SF9BW125"), Reception("gw-a", snr_db=-14.0))
        at_ms = now_ms - (5 - number) * 300_000
        recent.heard(Uplink("lorawan", AIR, 1, b"", at_ms, f_cnt, heard))
    networks = {
        "gateways": [{"gateway_id": "gw-a", "last_push_ms": now_ms - 9, "last_pull_ms": now_ms - 5},
                     {"gateway_id": "gw-b", "last_message_ms": None}],
        "networks": {"ttn": {"connected": False}},
    }  # fmt: skip
    publishers = {"ngsi_ld": {"failures_in_a_row": 6, "trouble": "503", "rejected": 0, "position": 0}}
    full = [(0, "")]
    collector = Collector(
        registry, store, recent, lambda: networks, lambda: publishers, lambda: full[-1], now_ms - HOUR_MS
    )
    first = collector.facts(now_ms)
    (air,) = [one for one in first.devices if one.dev_eui == AIR]
    assert air.heard_by == {"gw-a", "gw-b"}
    assert air.margin_db == pytest.approx(1.5)  # SF9 needs -12.5 dB
    assert air.missed == pytest.approx(3 / 8)
    assert air.interval_ms == 300_000
    assert [(one.gateway_id, one.alive_ms) for one in first.gateways] == [
        ("gw-a", now_ms - 5),
        ("gw-b", None),
    ]
    assert (first.networks[0].connected, first.networks[0].since_ms) == (False, now_ms)
    assert collector.facts(now_ms + 60_000).networks[0].since_ms == now_ms
    assert first.disk == ""
    full.append((4, "No space left on device"))
    assert collector.facts(now_ms).disk == "No space left on device"
    assert collector.facts(now_ms).disk == ""  # nothing failed since
    assert collector.site_names([AIR, AIR, "f" * 16]) == ["Plein-1"]
    store.close()
    registry.close()


@pytest.mark.parametrize(
    ("gaps_s", "heard", "usual_s"),
    [
        ((300, 300, 310, 300, 600), 6, 300),
        ((2, 15, 4, 15), 5, None),  # it has just started: nobody can tell
        ((2, 15, 4, 15, 3600), 6, None),  # nor after its first hour
        ((15, 4, 3600, 3590, 3601), 8, 3600),
        ((3600, 3600, 2, 16, 5, 3600), 40, 3600),  # it has started again
        ((10,) * 7, 8, None),
        ((10,) * 7, 500, 10),  # on a cable, each ten seconds
        ((300, 300), 3, None),
    ],
)
def test_the_usual_time_between_uplinks_is_not_that_of_a_start(
    gaps_s: Sequence[int], heard: int, usual_s: int | None
) -> None:
    times_ms = [1000 * at_s for at_s in accumulate(gaps_s, initial=1_795_000_000)]
    assert _usual_ms(times_ms, heard) == (None if usual_s is None else usual_s * 1000)


def _pause_of(gaps_s: Sequence[int]) -> int:
    recent = RecentUplinks()
    for at_s in accumulate(gaps_s, initial=1_795_000_000):
        recent.heard(Uplink("lorawan", AIR, 1, b"", 1000 * at_s, 1))
    return recent.pause_ms(AIR) // 1000


def test_a_shower_makes_no_garden_one_that_is_heard_each_minute() -> None:
    """An hour of rain: a record each three minutes beside the hourly ones; a dry hour is no outage."""
    hourly, shower = (3600,) * 6, (180,) * 20
    assert 0.8 * 3600 < _pause_of((*hourly, *shower)) <= 3600
    assert 0.7 * 3600 < _pause_of((*hourly, *(*shower, 3600, 3600) * 3, *shower)) <= 3600
    assert _pause_of((*shower, 3000)) == 3000  # it rained as it was hung up


def test_an_outage_is_no_pause_and_old_pauses_are_forgotten() -> None:
    assert 200 < _pause_of((*(300,) * 60, 5 * 3600, *(300,) * 3)) <= 300
    assert 290 < _pause_of((*(3600,) * 4, *(300,) * 288 * 4)) < 600  # told to speak more often, four days ago


def test_a_node_that_told_how_many_records_share_a_frame_is_not_called_silent_in_between(
    tmp_path: Path,
) -> None:
    registry, store = Registry(tmp_path), SqliteStore(tmp_path / "store.db")
    fill_registry(registry)
    status: dict[str, Any] = {"gateways": [], "networks": {}}
    collector = Collector(registry, store, RecentUplinks(), lambda: status, dict, lambda: (0, ""), 0)
    told = {"interval_s": 300, "batch": 12}
    registry.put_node_answer(NodeAnswer(AIR, 5, 1, "values", "", "ab", told))
    (air,) = [one for one in collector.facts(SetClock().now_ms()).devices if one.dev_eui == AIR]
    assert air.interval_ms == HOUR_MS
    store.close()
    registry.close()


def test_refused_rows_are_told_until_somebody_saw_to_them_also_after_a_restart(tmp_path: Path) -> None:
    registry, store = Registry(tmp_path), SqliteStore(tmp_path / "store.db")
    status: dict[str, Any] = {"gateways": [], "networks": {}}

    def rejected() -> list[tuple[str, dict[str, Any]]]:
        # A process that refused nothing itself: what was refused before its start is on the list.
        state = {"hook": {"failures_in_a_row": 0, "trouble": "", "rejected": 0, "position": 0}}
        collector = Collector(
            registry,
            store,
            RecentUplinks(),
            lambda: status,
            lambda: state,
            lambda: (0, ""),
            0,
            refused=running.waiting,
        )
        found = incidents(collector.facts(SetClock().now_ms()))
        return [(one.cause, dict(one.figures or {})) for one in found]

    running, by_hand = FileSideList(tmp_path / "side"), FileSideList(tmp_path / "side")
    assert rejected() == []
    rows = [
        PublicObservation(n, "plein-1", "pm2_5", "ug/m3", 1.0, 1.0, "ok", (), "none", 0, 0, 0) for n in (1, 2)
    ]
    by_hand.add("hook", [Rejection(row, "é") for row in rows])
    assert rejected() == [("rejected", {"rows": 2})]
    by_hand.remove("hook", lambda one: one.row.position == 1)  # `meetnet publish drop`, another process
    assert rejected() == [("rejected", {"rows": 1})]
    by_hand.remove("hook", lambda one: True)
    assert rejected() == []
    store.close()
    registry.close()
