"""Lost frames come back by parity, everything real: node, radio, lossy air, gateway, store, configuration.

What is compared with is the node's own flash.
"""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import pytest

from gateway.app import Gateway
from simulator.channel.frame import Frame
from simulator.street import Street
from tests.node_flash import records_of
from tests.system.house import Outcome, run_house
from tests.system.test_backfill import rows_of
from wire import commands, ports

pytestmark = [pytest.mark.mpy, pytest.mark.slow, pytest.mark.timeout(300)]

START_S = 1_790_000_100
HOUR_S = 3600
MINUTE_S = 60


def _lora(street: Street) -> tuple[str, str]:
    planned = next(p for p in street.planned if p.transport == "lorawan")
    return planned.site_id, planned.dev_eui


async def _protect(gateway: Gateway, street: Street, percent: int, batch: int) -> None:
    """Set it by downlink, as `meetnet device config set` does."""
    site, dev_eui = _lora(street)
    payload = commands.pack_set(1, 30, [("parity_percent", percent), ("batch", batch)])
    await gateway.downlinks.enqueue(dev_eui, ports.COMMANDS, payload, confirmed=True)
    for _ in range(40):
        await asyncio.sleep(MINUTE_S)
        config = json.loads((street.nodes[site].flash / "config.json").read_text())
        if (
            config.get("parity_percent") == percent
            and not (street.nodes[site].flash / "config.prev").exists()
        ):
            return
    raise AssertionError("the node did not take its new configuration")


def _compare(folder: Path, outcome: Outcome, until_s: int) -> None:
    """Every record of the node's flash is in the store, once, with the same time."""
    site, dev_eui = _lora(outcome.street)
    recorded = {r.seq: r.time_s * 1000 for r in records_of(outcome.street.nodes[site]) if r.time_s <= until_s}
    arrived = {seq: at_ms for seq, at_ms, _ in rows_of(folder, dev_eui) if seq in recorded}
    missing = sorted(set(recorded) - set(arrived))
    assert not missing, f"{len(missing)} of {len(recorded)} lost: {missing[:20]}"
    assert arrived == recorded


def test_what_three_frames_of_ten_do_not_bring_comes_back_without_being_asked_for(tmp_path: Path) -> None:
    lossy = (HOUR_S, 8 * HOUR_S)
    end_s = 10 * HOUR_S
    heard = {"frames": 0, "lost": 0}

    async def meanwhile(gateway: Gateway, street: Street) -> None:
        await asyncio.sleep(10 * MINUTE_S)
        await _protect(gateway, street, 64, 6)
        dice = random.Random(11)

        def loses(_frame: Frame) -> bool:
            heard["frames"] += 1
            is_lost = dice.random() < 0.3
            heard["lost"] += is_lost
            return is_lost

        await asyncio.sleep(lossy[0] - asyncio.get_running_loop().time() % lossy[0])
        street.channel.loses = loses
        await asyncio.sleep(lossy[1] - lossy[0])
        street.channel.loses = None

    outcome = run_house(
        tmp_path, nodes=1, virtual_s=end_s, start_s=START_S, interval_s=60, meanwhile=meanwhile
    )
    _compare(tmp_path, outcome, START_S + end_s - HOUR_S)
    assert heard["lost"] > 20
    assert outcome.counters.get("decode.recovered", 0) > 10
    assert outcome.counters.get("decode.recovered_unusable", 0) == 0
    assert outcome.counters.get("backfill.asked", 0) == 0
    assert outcome.counters.get("backfill.gone", 0) == 0


def test_what_parity_cannot_bring_back_is_asked_for(tmp_path: Path) -> None:
    end_s = 8 * HOUR_S

    async def meanwhile(gateway: Gateway, street: Street) -> None:
        await asyncio.sleep(10 * MINUTE_S)
        await _protect(gateway, street, 25, 4)
        await asyncio.sleep(HOUR_S)
        street.channel.loses = lambda _frame: True
        await asyncio.sleep(2.5 * HOUR_S)  # more than 25 frames of 4 minutes: parity of 25 % ends there
        street.channel.loses = None

    outcome = run_house(
        tmp_path, nodes=1, virtual_s=end_s, start_s=START_S, interval_s=60, meanwhile=meanwhile
    )
    _compare(tmp_path, outcome, START_S + end_s - HOUR_S)
    assert outcome.counters.get("backfill.asked", 0) >= 1
