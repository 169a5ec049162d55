"""Causes of silence: the widest that fits, one incident for each, and nobody accused without a reason."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from gateway.health import (
    CertificateFacts,
    DeviceFacts,
    DiskFacts,
    Facts,
    GatewayFacts,
    Incident,
    NetworkFacts,
    Newest,
    PublisherFacts,
    incidents,
    verdict,
)
from gateway.health.device import days_left
from gateway.health.rules import DAY_MS
from gateway.health.table import CAUSES, ORDER

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
NOW = 1_795_000_000_000
UP = NOW - 10 * DAY_MS


def device(number: int, heard_ago_ms: int | None = MINUTE_MS, **changes: Any) -> DeviceFacts:
    found = DeviceFacts(
        dev_eui=f"{number:016x}",
        site_id=f"s{number}",
        site_name=f"Plein {number}",
        kind="air",
        since_ms=UP,
        way="lorawan",
        heard_ms=None if heard_ago_ms is None else NOW - heard_ago_ms,
        interval_ms=5 * MINUTE_MS,
        heard_by=frozenset({"gw-a"}),
        margin_db=12.0,
        missed=0.0,
    )
    return replace(found, **changes)


def facts(*devices: DeviceFacts, **changes: Any) -> Facts:
    return Facts(
        **({"now_ms": NOW, "started_ms": UP, "devices": devices, "gateways": (gateway(),)} | changes)
    )


def gateway(name: str = "gw-a", alive_ago_ms: int = 10_000) -> GatewayFacts:
    return GatewayFacts(name, NOW - alive_ago_ms)


def causes(found: list[Incident]) -> list[tuple[str, int]]:
    return [(one.cause, len(one.devices)) for one in found]


def test_when_all_is_well_nothing_is_said() -> None:
    assert incidents(facts(device(1), device(2))) == []


def test_forty_devices_behind_one_gateway_are_one_incident() -> None:
    silent = [device(n, heard_ago_ms=40 * MINUTE_MS) for n in range(40)]
    elsewhere = device(99, heard_by=frozenset({"gw-b"}))
    found = incidents(
        facts(*silent, elsewhere, gateways=(gateway(alive_ago_ms=40 * MINUTE_MS), gateway("gw-b")))
    )
    assert causes(found) == [("gateway", 40)]
    assert (found[0].subject, found[0].since_ms) == ("gw-a", NOW - 40 * MINUTE_MS)


def test_a_gateway_whose_forwarder_lives_but_hears_nobody_is_one_incident_too() -> None:
    found = incidents(facts(*(device(n, heard_ago_ms=HOUR_MS) for n in range(5))))
    assert causes(found) == [("gateway", 5)]


def test_devices_that_another_gateway_hears_too_have_a_cause_of_their_own() -> None:
    both = device(1, heard_ago_ms=HOUR_MS, heard_by=frozenset({"gw-a", "gw-b"}))
    found = incidents(facts(both, gateways=(gateway(alive_ago_ms=HOUR_MS), gateway("gw-b"))))
    assert causes(found) == [("gateway", 0), ("silent", 1)]


def test_a_lost_network_explains_its_devices() -> None:
    ours = [device(n, heard_ago_ms=HOUR_MS, way="ttn", heard_by=frozenset()) for n in range(3)]
    network = NetworkFacts("ttn", False, NOW - HOUR_MS)
    assert causes(incidents(facts(*ours, networks=(network,)))) == [("network", 3)]
    fresh = NetworkFacts("ttn", False, NOW - 30_000)
    assert "network" not in dict(causes(incidents(facts(device(1), networks=(fresh,)))))


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"battery_mv": ((NOW - DAY_MS, 2700.0), (NOW, 2550.0))}, "battery_empty"),
        ({"status": {"flags": "battery_low", "battery_mv": 2600}}, "battery_empty"),
        ({"margin_db": 1.0}, "link_lost"),
        ({"way": "broker", "heard_by": frozenset(), "margin_db": None}, "wifi_or_power"),
        (
            {"way": "mqtt", "margin_db": None, "status": {"causes": "time_never_set wifi_wrong_password"}},
            "wifi_wrong_password",
        ),
        ({"heard_ms": None, "since_ms": NOW - DAY_MS}, "never_heard"),
        ({}, "silent"),
    ],
)
def test_a_silent_device_has_the_likeliest_cause(changes: dict[str, Any], cause: str) -> None:
    assert causes(incidents(facts(device(1, heard_ago_ms=HOUR_MS, **changes)))) == [(cause, 1)]


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"status": {"days_left": 9}}, "battery_fading"),
        ({"status": {"flags": "battery_low mended"}}, "battery_low"),
        ({"margin_db": 2.0, "missed": 0.4}, "weak_link"),
        ({"newest": (Newest("pm2_5", "no_answer"),)}, "sensor_dead"),
        ({"newest": (Newest("pm2_5", "degraded"),)}, "dirty"),
        ({"status": {"causes": "config_defaults"}}, "config_defaults"),
        ({"status": {"flags": "safe_mode"}}, "safe_mode"),
    ],
)
def test_a_device_that_is_heard_can_ail(changes: dict[str, Any], cause: str) -> None:
    assert causes(incidents(facts(device(1, **changes)))) == [(cause, 1)]


def test_a_weak_link_that_loses_nothing_is_no_incident() -> None:
    assert incidents(facts(device(1, margin_db=1.0, missed=0.0))) == []


def test_our_own_start_is_no_silence_of_theirs() -> None:
    late = device(1, heard_ago_ms=DAY_MS)
    assert incidents(facts(late, started_ms=NOW - 5 * MINUTE_MS)) == []
    assert causes(incidents(facts(late, started_ms=NOW - HOUR_MS))) == [("silent", 1)]


def test_patience_follows_the_interval() -> None:
    """Three intervals, at least 20 minutes, at most three hours (FloodNet: last seen over 3 h)."""
    for interval_ms, patience_ms in ((MINUTE_MS, 20 * MINUTE_MS), (HOUR_MS // 2, 90 * MINUTE_MS),
                                     (HOUR_MS, 3 * HOUR_MS), (2 * HOUR_MS, 4 * HOUR_MS)):  # fmt: skip
        at = device(1, heard_ago_ms=patience_ms, interval_ms=interval_ms)
        assert incidents(facts(at)) == []
        over = device(1, heard_ago_ms=patience_ms + 1, interval_ms=interval_ms)
        assert causes(incidents(facts(over))) == [("silent", 1)]


def test_platforms_and_disk() -> None:
    away = PublisherFacts("ngsi_ld", 5, "503 Service Unavailable", 0, 1200)
    refused = PublisherFacts("opensensemap", 0, "", 3, 0)
    found = incidents(facts(device(1), publishers=(away, refused), disk="No space left on device"))
    assert causes(found) == [("disk", 0), ("platform", 0), ("rejected", 0)]
    assert found[0].urgent
    assert not found[1].urgent
    assert incidents(facts(publishers=(replace(away, failures=4),))) == []


@pytest.mark.parametrize(
    ("free_gb", "total_gb", "is_low"),
    [
        (2, 16, False), (1, 16, True),  # a memory card
        (20, 200, False), (5, 200, True),
        (6, 2000, False), (5, 2000, True),  # a twentieth of a large disk is plenty
        (0.05, 0.25, False), (0.02, 0.25, True),  # a small partition
    ],
)  # fmt: skip
def test_a_disk_that_is_nearly_full_is_told_while_it_still_works(
    free_gb: float, total_gb: float, is_low: bool
) -> None:
    space = DiskFacts(int(free_gb * 1e9), int(total_gb * 1e9))
    found = incidents(facts(device(1), space=space))
    assert [one.cause for one in found] == (["disk_low"] if is_low else [])
    assert not any(one.urgent for one in found)
    full = incidents(
        facts(device(1), space=DiskFacts(0, int(total_gb * 1e9)), disk="No space left on device")
    )
    assert [one.cause for one in full] == ["disk"]


@pytest.mark.parametrize(
    ("days", "cause"),
    [(30, ""), (14, ""), (13, "certificate_ends"), (0.5, "certificate_ends"), (-0.01, "certificate_ended")],
)
def test_a_certificate_is_told_before_it_ends_and_at_night_when_it_has(days: float, cause: str) -> None:
    certificate = CertificateFacts("broker", NOW + int(days * DAY_MS))
    found = incidents(facts(device(1), certificates=(certificate,)))
    assert [(one.cause, one.subject) for one in found] == ([(cause, "broker")] if cause else [])
    assert [one.urgent for one in found] == ([cause == "certificate_ended"] if cause else [])


def test_days_left_of_a_falling_battery() -> None:
    """3000 mV falling by 20 mV a day to 2500 mV: 25 days; one that rests or rises says nothing."""
    falling = tuple((NOW - (10 - day) * DAY_MS, 3200.0 - 20 * day) for day in range(11))
    assert days_left(device(1, battery_mv=falling)) == pytest.approx(25, abs=0.01)
    resting = tuple((at_ms, 3000.0) for at_ms, _ in falling)
    assert days_left(device(1, battery_mv=resting)) is None
    assert days_left(device(1, battery_mv=falling[:3])) is None
    assert days_left(device(1, battery_mv=falling, status={"days_left": 400})) == 400


@pytest.mark.parametrize("seed", range(30))
def test_every_silent_device_is_in_exactly_one_incident(seed: int) -> None:
    dice = random.Random(seed)
    devices = [
        device(
            n,
            heard_ago_ms=dice.choice([MINUTE_MS, HOUR_MS, 5 * HOUR_MS]),
            heard_by=frozenset(dice.sample(["gw-a", "gw-b"], dice.randint(0, 2))),
            way=dice.choice(["lorawan", "ttn", "broker"]),
            margin_db=dice.choice([None, 1.0, 9.0]),
        )
        for n in range(60)
    ]
    found = incidents(
        facts(
            *devices,
            gateways=(gateway(alive_ago_ms=dice.choice([1000, HOUR_MS])), gateway("gw-b")),
            networks=(NetworkFacts("ttn", dice.random() < 0.5, NOW - HOUR_MS),),
        )
    )
    named = [eui for one in found for eui in one.devices]
    assert len(named) == len(set(named))
    assert set(named) == {one.dev_eui for one in devices if one.heard_ms and NOW - one.heard_ms >= HOUR_MS}
    assert [ORDER[one.cause] for one in found] == sorted(ORDER[one.cause] for one in found)


def values(state: str = "ok", *flags: str) -> tuple[Newest, ...]:
    return (Newest("temperature", "ok"), Newest("relative_humidity", state, flags))


HOSTS = {
    "fine": device(1, newest=values()),
    "waiting": device(1),
    "never_heard": device(1, heard_ago_ms=None),
    "gateway": device(1, heard_ago_ms=HOUR_MS, newest=values()),
    "network": device(1, heard_ago_ms=HOUR_MS, way="mqtt", margin_db=None),
    "silent": device(2, heard_ago_ms=HOUR_MS),
    "wifi_or_power": device(2, heard_ago_ms=HOUR_MS, way="mqtt", margin_db=None),
    "battery_empty": device(2, heard_ago_ms=HOUR_MS, status={"flags": "battery_low"}),
    "wifi_not_found": device(
        2, heard_ago_ms=HOUR_MS, way="mqtt", margin_db=None, status={"causes": "wifi_not_found"}
    ),
    "sensor_dead": device(1, newest=values("no_answer")),
    "dirty": device(1, newest=values("degraded")),
    "overload": device(1, newest=values("overload")),
    "time_never_set": device(1, newest=values("ok", "time_unset", "stuck")),
    "stuck": device(1, newest=values("ok", "stuck")),
    "odd": device(1, newest=values("ok", "range")),
    "fog": device(1, newest=values("ok", "fog")),
    "battery_low": device(1, status={"flags": "battery_low mended", "causes": "mended"}),
}


@pytest.mark.parametrize("cause", HOSTS)
def test_a_host_is_told_the_one_cause_that_says_most(cause: str) -> None:
    one = HOSTS[cause]
    away = cause if cause in ("gateway", "network") else "network"
    wide = [
        Incident("silent:0000000000000001", "silent", "Plein 1", NOW, ("0" * 15 + "1",)),
        Incident(f"{away}:x", away, "x", NOW, (f"{1:016x}", f"{3:016x}")),
    ]
    found = verdict(one, facts(one), wide)
    assert found.cause == cause
    assert CAUSES[found.cause].words["host"]["nl"][0]
    if cause in ("sensor_dead", "dirty", "stuck"):
        assert found.figures == {"quantities": "relative_humidity"}


def test_only_what_somebody_can_mend_calls_somebody() -> None:
    """Fog passes; a spike is on the page of the site; neither rings at anybody's door."""
    for cause in ("overload", "time_never_set", "stuck", "odd", "fog"):
        assert incidents(facts(HOSTS[cause])) == []
