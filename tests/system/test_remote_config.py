"""Configuration by downlink, everything real: gateway's queue, LNS, UDP, radio, node, flash, and back."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.app import Gateway
from gateway.cli.main import main
from simulator.street import Street
from tests.system.house import run_house
from wire import commands, ports

pytestmark = [pytest.mark.mpy, pytest.mark.timeout(300)]

START_S = 1_790_000_000
MINUTE_S = 60


def _interval(street: Street, site_id: str) -> int:
    return json.loads((street.nodes[site_id].flash / "config.json").read_text())["interval_s"]


def _trial_minutes_to_wait(minutes: int) -> float:
    return (max(minutes, 3 * 10 + 10) + 12) * MINUTE_S  # never less than three intervals, here of ten minutes


def test_a_heard_change_is_kept_and_an_unheard_one_reverted(tmp_path: Path) -> None:
    seen: dict[str, int] = {}

    async def meanwhile(gateway: Gateway, street: Street) -> None:
        planned = next(p for p in street.planned if p.transport == "lorawan")
        site, node = planned.site_id, street.nodes[planned.site_id]

        async def order(payload: bytes) -> None:
            await gateway.downlinks.enqueue(planned.dev_eui, ports.COMMANDS, payload, confirmed=True)

        await asyncio.sleep(12 * MINUTE_S)
        seen["before"] = _interval(street, site)
        await order(commands.pack_set(1, 20, [("interval_s", 120)]))
        await asyncio.sleep(20 * MINUTE_S)
        seen["kept"] = _interval(street, site)
        seen["boots"] = node.boots
        assert not (node.flash / "config.prev").exists()

        await order(commands.pack_set(2, 10, [("interval_s", 600)]))
        for _ in range(600):  # until it has started with the new value: then nobody hears it
            await asyncio.sleep(1)
            if node.boots > seen["boots"]:
                break
        seen["trial"] = _interval(street, site)
        listeners, street.channel._listeners = street.channel._listeners, []
        await asyncio.sleep(_trial_minutes_to_wait(10))
        street.channel._listeners = listeners
        seen["reverted"] = _interval(street, site)
        await asyncio.sleep(10 * MINUTE_S)

    run_house(tmp_path, nodes=3, virtual_s=115 * MINUTE_S, start_s=START_S, meanwhile=meanwhile)
    assert seen == {"before": 300, "kept": 120, "boots": 2, "trial": 600, "reverted": 120}


def test_the_command_line_changes_the_interval_and_reads_it_back(tmp_path: Path) -> None:
    told: dict[str, Any] = {}

    def device_config(*words: str) -> Result:
        words = ("device", "config", *words, "--json", "--data", str(tmp_path / "gateway"))
        return CliRunner().invoke(main, words)

    async def operator(gateway: Gateway, street: Street) -> None:
        planned = next(p for p in street.planned if p.transport == "lorawan")
        told["dev_eui"], told["site"] = planned.dev_eui, planned.site_id

        async def run(command: str, *words: str) -> list[str]:
            found = await asyncio.to_thread(device_config, command, planned.dev_eui, *words)
            assert found.exit_code == 0, found.output
            token = json.loads(found.output)["token"]
            await asyncio.sleep(20 * MINUTE_S)
            return [a.outcome for a in gateway.registry.node_answers(planned.dev_eui) if a.token == token]

        await asyncio.sleep(12 * MINUTE_S)
        told["set"] = await run("set", "interval_s=120", "--trial", "20")
        told["flash"] = _interval(street, planned.site_id)
        told["get"] = await run("get")

    outcome = run_house(tmp_path, nodes=3, virtual_s=55 * MINUTE_S, start_s=START_S, meanwhile=operator)
    assert (told["set"][-1], told["flash"], told["get"]) == ("kept", 120, ["values"])
    device = next(row for row in outcome.status["devices"] if row["dev_eui"] == told["dev_eui"])
    values = device["config"]["values"]
    assert (values["interval_s"]["value"], values["interval_s"]["current"]) == (120, True)
    assert sorted(values) == sorted(row[1] for row in commands.KEYS)
    assert outcome.counters["pipeline.config_answers"] >= 2
    assert not outcome.status["dead_letters"]
    times = sorted({o.observed_at_ms // 1000 for o in outcome.observations if o.site_id == told["site"]})
    assert {b - a for a, b in itertools.pairwise(times[-6:])} == {120}
