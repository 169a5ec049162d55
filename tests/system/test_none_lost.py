"""None lost, none twice: what the sensors were asked for, counted at the sensors, is what the store holds."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.app import Gateway
from simulator.street import Street
from tests.system.house import Outcome, run_house

START_S = 1_789_999_200  # a whole hour
# kind: quantity that its chip model takes from the world, series in the store, what resolution and
# sampling instant may make them differ by (SHT4x 0.003 degrees, SPS30 0.1 ug/m3 on the wire, 1 mm and
# the wobble of a lid within two seconds)
_SERIES = {
    "air": ("pm2_5_ug_m3", "pm2_5", 0.11),
    "noise": ("sound_level", "laeq", None),
    "bin": ("distance_mm", "distance", 3.0),
    "garden": ("temperature_c", "temperature", 0.011),
}


def compare(outcome: Outcome) -> None:
    for node in outcome.street.planned:
        asked, stored, tolerance = _SERIES[node.kind]
        acquisitions = outcome.street.ledgers[node.site_id].acquisitions(asked, gap_s=25)
        series = outcome.of(node.site_id, stored)
        assert len(series) == len(acquisitions), node.site_id
        assert len({o.observed_at_ms for o in series}) == len(series)
        for observation, seen in zip(series, acquisitions, strict=True):
            assert observation.state == "ok"
            # the record's time is that of the end of its acquisition, to the second
            assert abs(observation.observed_at_ms / 1000 - seen[-1].at_us / 1e6) < 2.5, node.site_id
            if tolerance is not None:
                assert observation.raw_value == pytest.approx(seen[-1].value, abs=tolerance), node.site_id


@pytest.mark.mpy
@pytest.mark.slow
def test_an_hour_of_twelve_nodes_arrives_once_and_equal(tmp_path: Path) -> None:
    outcome = run_house(tmp_path, nodes=12, virtual_s=3600 + 120, start_s=START_S)
    compare(outcome)
    assert len(outcome.observations) > 12 * 12


@pytest.mark.mpy
def test_nodes_on_wifi_send_later_what_they_measured_while_it_was_away(tmp_path: Path) -> None:
    async def outage(gateway: Gateway, street: Street) -> None:
        for node in street.planned:
            if node.transport != "mqtt":
                street.nodes[node.site_id].power_off()
        await asyncio.sleep(900)
        street.wifi.up = False
        await asyncio.sleep(2400)
        street.wifi.up = True

    outcome = run_house(tmp_path, nodes=6, virtual_s=2 * 3600 + 120, start_s=START_S, meanwhile=outage)
    outcome.street.planned = [node for node in outcome.street.planned if node.transport == "mqtt"]
    assert len(outcome.street.planned) == 2
    compare(outcome)
