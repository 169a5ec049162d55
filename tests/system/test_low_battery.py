"""A battery that runs down: the node warns while it can, goes silent, comes back; what its host is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.app import Gateway
from gateway.health import verdict
from gateway.health.words import HOST, told
from simulator.street import Street
from tests.node_flash import records_of
from tests.system.house import run_house

pytestmark = pytest.mark.mpy
MINUTE_S, START_S = 60, 1_789_999_200


def test_the_host_is_warned_of_a_battery_before_it_is_empty_and_told_why_it_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, seen = {"mv": 3900.0}, list[tuple[float, str, str]]()
    monkeypatch.setattr("simulator.plan._TWELVE", (("garden", "lorawan"),))
    monkeypatch.setattr("simulator.city.street_life.battery_mv", lambda *_: now["mv"])

    async def fall(gateway: Gateway, street: Street) -> None:
        (node,) = street.nodes.values()
        dev_eui = node.settings.config["dev_eui"]
        # The street's garden nodes have battery_low_mv = 3300: below it the radio stays off.
        for mv, minutes in ((3900, 30), (3350, 15), (3200, 60), (3900, 30)):
            now["mv"] = mv
            await asyncio.sleep(minutes * MINUTE_S)
            await gateway.drained()
            known = gateway.collector.device(dev_eui, gateway.clock.now_ms())
            assert known is not None
            found = verdict(*known)
            seen.append((mv, found.cause, told(found, "nl", HOST)[0]))

    outcome = run_house(tmp_path, nodes=1, virtual_s=136 * MINUTE_S, start_s=START_S, meanwhile=fall)
    assert seen == [
        (3900, "fine", "Met je sensor gaat het goed."),
        (3350, "battery_low", "De batterij is bijna leeg."),
        (3200, "battery_empty", "De batterij was bijna leeg toen we je sensor het laatst hoorden."),
        (3900, "fine", "Met je sensor gaat het goed."),
    ]
    (node,) = outcome.street.nodes.values()
    silent_s = range(START_S + 45 * MINUTE_S, START_S + 105 * MINUTE_S)
    measured = {record.time_s for record in records_of(node) if record.time_s in silent_s}
    assert len(measured) >= 12  # each five minutes, and what it measured came later
    arrived = {row.observed_at_ms // 1000 for row in outcome.observations if row.quantity == "temperature"}
    assert measured <= arrived
