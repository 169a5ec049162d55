"""Nodes whose power is cut at any instant, on a street with everything real: what was recorded arrives once.

A record counts as recorded when its log entry is whole, so the flash of each node is what the store is
compared with.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.app import Gateway
from simulator.street import Street
from tests.node_flash import records_of
from tests.system.house import HOUR_S, run_house

START_S = 1_790_000_000
CUTS = 14


@pytest.mark.mpy
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_record_that_reached_the_flash_arrives_once_whatever_the_power_does(tmp_path: Path) -> None:
    async def cut(_gateway: Gateway, street: Street) -> None:
        chance = random.Random(5)
        nodes = list(street.nodes.values())
        for i in range(CUTS):
            await asyncio.sleep(chance.uniform(20, 180))
            street.wifi.up = not 4 <= i < 9  # the router is off for a while
            node = chance.choice(nodes)
            node.power_off()
            await asyncio.sleep(chance.uniform(0.1, 30))
            node.power_on()

    outcome = run_house(tmp_path, nodes=6, virtual_s=HOUR_S, start_s=START_S, interval_s=60, meanwhile=cut)
    with closing(sqlite3.connect(tmp_path / "gateway" / "store.db")) as db:
        rows = db.execute(
            "SELECT dev_eui, seq, records.observed_at_ms, json_extract(shapes.shape, '$[0]') FROM records "
            "JOIN devices ON devices.id = records.device JOIN shapes ON shapes.id = records.shape"
        ).fetchall()
    boots = 0
    for node in outcome.street.nodes.values():
        boots += node.boots
        dev_eui = node.settings.config["dev_eui"]
        arrived = {seq: (at_ms, quality) for eui, seq, at_ms, quality in rows if eui == dev_eui}
        recorded = [record.seq for record in records_of(node)]
        assert len(recorded) == len(set(recorded)), f"{node.name}: a seq was used twice"
        missing = sorted(set(recorded) - set(arrived))
        # The newest record may still be on its way when the run ends.
        assert missing in ([], recorded[-1:]), f"{node.name}: lost {missing}"
        assert len(recorded) > 40
        times = [arrived[seq][0] for seq in sorted(arrived)]
        assert min(times) >= START_S * 1000
        known = [arrived[seq][0] for seq in sorted(arrived) if arrived[seq][1] in ("network", "ntp")]
        assert known == sorted(known), f"{node.name}: out of order"
        assert len(known) > 0.8 * len(arrived)
    assert boots == 6 + CUTS
