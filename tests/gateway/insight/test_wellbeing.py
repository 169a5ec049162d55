"""Faults as scripts: for each, the one cause that a host is told."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.insight.wellbeing import Newest, Signs, finding

NOW = 10_000_000
HOUR = 3_600_000


def signs(**changes: Any) -> Signs:
    good = Newest("temperature", "ok", (), NOW)
    fields: dict[str, Any] = {
        "transport": "lorawan", "heard_ms": NOW - 60_000, "stale_ms": HOUR, "newest": (good,), **changes,
    }  # fmt: skip
    return Signs(**fields)


def value(state: str = "ok", *flags: str) -> tuple[Newest, ...]:
    return (Newest("temperature", "ok", (), NOW), Newest("relative_humidity", state, flags, NOW))


OLD = NOW - HOUR - 1
SCRIPTS = {
    "fine": signs(),
    "never_heard": signs(heard_ms=None),
    "waiting": signs(newest=()),
    "gateway_down": signs(heard_ms=OLD, others=9, others_silent=9),
    "network_down": signs(heard_ms=OLD, transport="mqtt", others=3, others_silent=2),
    "silent_radio": signs(heard_ms=OLD, others=9, others_silent=1),
    "silent_wifi": signs(heard_ms=OLD, transport="mqtt"),
    "battery_empty": signs(heard_ms=OLD, status={"flags": "battery_low"}),
    "wifi_password": signs(heard_ms=OLD, transport="mqtt", status={"last_failure": "wifi_wrong_password"}),
    "wifi_gone": signs(heard_ms=OLD, transport="mqtt", status={"last_failure": "wifi_not_found"}),
    "wifi_router": signs(heard_ms=OLD, transport="mqtt", status={"last_failure": "wifi_no_address"}),
    "no_internet": signs(heard_ms=OLD, transport="mqtt", status={"last_failure": "name_not_found"}),
    "account": signs(heard_ms=OLD, transport="mqtt", status={"last_failure": "broker_wrong_password"}),
    "sensor_silent": signs(newest=value("no_answer")),
    "dirty": signs(newest=value("degraded")),
    "overload": signs(newest=value("overload")),
    "stuck": signs(newest=value("ok", "stuck")),
    "odd": signs(newest=value("ok", "range")),
    "clock": signs(newest=value("ok", "time_unset", "stuck")),
    "battery_low": signs(status={"flags": "battery_low mended"}),
    "settings_lost": signs(status={"flags": "config_defaults"}),
}


@pytest.mark.parametrize("code", SCRIPTS)
def test_each_fault_has_its_cause(code: str) -> None:
    found = finding(SCRIPTS[code], NOW)
    assert found.code == code
    if code in ("sensor_silent", "dirty", "stuck"):
        assert found.quantities == ("relative_humidity",)


def test_every_cause_has_a_sentence_and_a_step() -> None:
    from gateway.web.causes import CAUSES

    assert set(SCRIPTS) | {"fog"} == set(CAUSES)
    for code, words in CAUSES.items():
        assert words.sentence.endswith((".", "?")), code
        assert words.step.endswith(".") or code in ("fine", "waiting"), code
