"""Outages of the LoRa gateway and of the Wi-Fi: everything that a node recorded arrives, once, with its time.

What is compared with is each node's own flash.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.app import Gateway
from simulator.street import Street
from tests.node_flash import records_of
from tests.system.house import Outcome, run_house

pytestmark = [pytest.mark.mpy, pytest.mark.slow]

START_S = 1_789_999_200
INTERVAL_S = 300
HOUR_S = 3600
Meanwhile = Callable[[Gateway, Street], Awaitable[None]]


def outage(begin_s: float, length_s: float) -> Meanwhile:
    """The LoRa gateway and the Wi-Fi go away together, and come back."""

    async def away(_gateway: Gateway, street: Street) -> None:
        await asyncio.sleep(begin_s)
        street.channel.loses = lambda _frame: True
        street.wifi.up = False
        await asyncio.sleep(length_s)
        street.channel.loses = None
        street.wifi.up = True

    return away


def rows_of(folder: Path, dev_eui: str) -> list[tuple[int, int, int]]:
    """Return (seq, observed ms, received ms) of what the store has of a device, in its order of time."""
    with closing(sqlite3.connect(folder / "gateway" / "store.db")) as db:
        return db.execute(
            "SELECT records.seq, records.observed_at_ms, records.received_at_ms FROM records "
            "JOIN devices ON devices.id = records.device WHERE devices.dev_eui = ? "
            "ORDER BY records.observed_at_ms, records.id",
            (dev_eui,),
        ).fetchall()


def compare(folder: Path, outcome: Outcome, away: tuple[float, float] | None) -> None:
    """Everything is there, once, in order, with its time; live records came within one interval."""
    end_ms = max(observation.observed_at_ms for observation in outcome.observations)
    for node in outcome.street.nodes.values():
        dev_eui = node.settings.config["dev_eui"]
        rows = rows_of(folder, dev_eui)
        recorded = {r.seq: r.time_s * 1000 for r in records_of(node) if r.time_s * 1000 <= end_ms - 60_000}
        arrived = {seq: at_ms for seq, at_ms, _ in rows if seq in recorded}
        missing = sorted(set(recorded) - set(arrived))
        assert not missing, f"{node.name}: {len(missing)} of {len(recorded)} lost: {missing[:20]}"
        assert arrived == recorded, node.name
        assert [seq for seq, _, _ in rows] == sorted({seq for seq, _, _ in rows}), f"{node.name}: order"
        if away is None:
            continue
        for seq, at_ms, received_ms in rows:
            if not away[0] - 60 <= at_ms / 1000 - START_S < away[1]:
                late_s = (received_ms - at_ms) / 1000
                assert late_s <= INTERVAL_S, f"{node.name}: live record {seq} came after {late_s} s"


def test_an_outage_of_forty_minutes_is_filled_in_without_delaying_live_records(tmp_path: Path) -> None:
    away = (HOUR_S, HOUR_S + 2400)
    outcome = run_house(
        tmp_path, nodes=6, virtual_s=3.5 * HOUR_S, start_s=START_S, meanwhile=outage(away[0], 2400)
    )
    compare(tmp_path, outcome, away)


def test_a_third_of_all_frames_lost_either_way_costs_no_record(tmp_path: Path) -> None:
    async def noise(_gateway: Gateway, street: Street) -> None:
        chance = random.Random(4)
        street.channel.loses = lambda _frame: chance.random() < 0.3
        await asyncio.sleep(4 * HOUR_S)
        street.channel.loses = None

    outcome = run_house(tmp_path, nodes=6, virtual_s=9 * HOUR_S, start_s=START_S, meanwhile=noise)
    compare(tmp_path, outcome, None)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_forty_eight_hours_without_a_router_are_filled_in_over_wifi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.plan._TWELVE", (("air", "mqtt"), ("garden", "mqtt")))
    away = (HOUR_S, 49 * HOUR_S)
    outcome = run_house(
        tmp_path, nodes=2, virtual_s=52 * HOUR_S, start_s=START_S, meanwhile=outage(away[0], 48 * HOUR_S)
    )
    assert {node.transport for node in outcome.street.planned} == {"mqtt"}
    assert min(len(records_of(node)) for node in outcome.street.nodes.values()) > 50 * HOUR_S // INTERVAL_S
    compare(tmp_path, outcome, away)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_an_outage_of_forty_eight_hours_is_filled_in_completely(tmp_path: Path) -> None:
    away = (HOUR_S, 49 * HOUR_S)
    outcome = run_house(
        tmp_path, nodes=6, virtual_s=54 * HOUR_S, start_s=START_S, meanwhile=outage(away[0], 48 * HOUR_S)
    )
    compare(tmp_path, outcome, away)
