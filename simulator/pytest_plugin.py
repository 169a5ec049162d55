"""pytest fixtures that stand in for hardware: play a scenario, and have its traffic arrive somewhere.

The plugin is loaded by itself where `meetnet[simulator]` is installed; nothing is imported or started
before a fixture is used.

    def test_my_platform(meetnet_play, meetnet_http):
        played = meetnet_play("first", until="30m", publish={"webhook": {"url": meetnet_http.url}})
        assert played.result.accounts["stored"] == ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from simulator.stage.scenario import Scenario
    from simulator.stage.sinks import HttpSink, MqttSink, UdpSink
    from simulator.stage.stage import Result


@dataclass(frozen=True)
class Played:
    """What a scenario left behind. folder: events.jsonl, street.json, a folder a node, the gateway's data."""

    result: Result
    folder: Path

    @property
    def events(self) -> list[dict[str, Any]]:
        """The event log, one dictionary an event."""
        from simulator.stage import events

        return events.read(self.folder / "events.jsonl")

    def of(self, kind: str, what: str = "") -> list[dict[str, Any]]:
        """Return the events of a kind: sensor, node, radio, gateway, store, fault."""
        return [e for e in self.events if e["kind"] == kind and what in ("", e["what"])]


Play = Callable[..., Played]


@pytest.fixture
def meetnet_play(tmp_path: Path) -> Play:
    """Return a function that plays a scenario to its end and fails the test when its accounts do not balance.

    play(scenario, *, seed=None, until=None, publish=None, lorawan="", mqtt="", speed=None). scenario: a
    name, a path, or a dictionary as in TOML. publish: tables of the gateway's `publish` settings. lorawan,
    mqtt: host:port of servers of yours that take the place of ours.
    """
    from simulator.stage.stage import play

    played = 0

    def run(
        scenario: str | Path | Mapping[str, Any],
        *,
        seed: int | None = None,
        until: str | None = None,
        publish: Mapping[str, Mapping[str, Any]] | None = None,
        lorawan: str = "",
        mqtt: str = "",
        speed: float | None = None,
    ) -> Played:
        nonlocal played
        played += 1
        folder = tmp_path / f"meetnet-{played}"
        found = _with(_read(scenario), seed, until, publish, lorawan, mqtt)
        result = play(found, folder, speed=speed)
        assert not result.failures, "\n".join(result.failures)
        return Played(result, folder)

    return run


def _read(scenario: str | Path | Mapping[str, Any]) -> Scenario:
    from simulator.stage.scenario import find, load, parse

    return parse(dict(scenario)) if isinstance(scenario, Mapping) else load(find(str(scenario)))


def _with(
    found: Scenario,
    seed: int | None,
    until: str | None,
    publish: Mapping[str, Mapping[str, Any]] | None,
    lorawan: str,
    mqtt: str,
) -> Scenario:
    if seed is not None:
        found.seed = seed
    if until is not None:
        found.until = until
    if publish is not None:
        found.gateway.publish = {name: dict(table) for name, table in publish.items()}
    found.gateway.semtech_udp = lorawan or found.gateway.semtech_udp
    found.gateway.mqtt = mqtt or found.gateway.mqtt
    if found.gateway.semtech_udp and found.gateway.mqtt:
        found.gateway.house = ""  # nobody is left for it to hear
    return found


@pytest.fixture
def meetnet_http() -> Iterator[HttpSink]:
    """Offer a platform that takes any HTTP request and remembers it (`requests`, `accepted`, `status`)."""
    from simulator.stage.sinks import HttpSink

    with HttpSink() as sink:
        yield sink


@pytest.fixture
def meetnet_udp() -> Iterator[UdpSink]:
    """Offer a Semtech UDP server that acknowledges and remembers (`frames`, `rxpk`)."""
    from simulator.stage.sinks import UdpSink

    with UdpSink() as sink:
        yield sink


@pytest.fixture
def meetnet_mqtt() -> Iterator[MqttSink]:
    """Offer an MQTT broker that lets everybody in and remembers (`messages`)."""
    from simulator.stage.sinks import MqttSink

    with MqttSink() as sink:
        yield sink
