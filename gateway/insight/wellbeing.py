"""What is wrong with a sensor, as one code: the cause that explains most, with one next step for its host.

The first rule that fits counts: a silent gateway before a silent sensor, that before its last values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FINE, WAITING = "fine", "waiting"
_SILENT_STATES = ("no_answer", "timeout", "checksum", "fault", "not_ready")
_WIFI_FAILURES = {
    "wifi_wrong_password": "wifi_password",
    "wifi_not_found": "wifi_gone",
    "wifi_no_address": "wifi_router",
    "wifi_no_answer": "wifi_router",
    "name_not_found": "no_internet",
    "broker_unreachable": "no_internet",
    "ntp_silent": "no_internet",
    "broker_wrong_password": "account",
    "broker_refused": "account",
}
LEAST_GATEWAY_SITES = 3


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest value of one quantity."""

    quantity: str
    state: str
    flags: tuple[str, ...]
    at_ms: int


@dataclass(frozen=True, slots=True)
class Signs:
    """What is known of a device. others_silent, others: devices on the same kind of link."""

    transport: str
    heard_ms: int | None
    stale_ms: int
    newest: Sequence[Newest]
    status: Mapping[str, int | str] = field(default_factory=dict[str, int | str])
    others_silent: int = 0
    others: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """code: a key of the page's sentences. quantities: which values it is about."""

    code: str
    quantities: tuple[str, ...] = ()


def finding(signs: Signs, now_ms: int) -> Finding:
    """Return the cause that explains most."""
    if signs.heard_ms is None:
        return Finding("never_heard")
    flags = set(str(signs.status.get("flags", "")).split())
    if now_ms - signs.heard_ms > signs.stale_ms:
        return Finding(_silent(signs, flags))
    if not signs.newest:
        return Finding(WAITING)
    for code, states in (
        ("sensor_silent", _SILENT_STATES),
        ("dirty", ("degraded",)),
        ("overload", ("overload",)),
    ):
        names = tuple(one.quantity for one in signs.newest if one.state in states)
        if names:
            return Finding(code, names)
    for code, raised in (
        ("clock", ("time_unset", "future")),
        ("stuck", ("stuck",)),
        ("odd", ("range", "step", "order", "geometry")),
        ("fog", ("fog",)),
    ):
        names = tuple(one.quantity for one in signs.newest if set(one.flags) & set(raised))
        if names:
            return Finding(code, names)
    if "battery_low" in flags:
        return Finding("battery_low")
    if flags & {"safe_mode", "config_defaults"}:
        return Finding("settings_lost")
    return Finding(FINE)


def _silent(signs: Signs, flags: set[str]) -> str:
    if signs.others >= LEAST_GATEWAY_SITES and signs.others_silent * 3 >= signs.others * 2:
        return "gateway_down" if signs.transport == "lorawan" else "network_down"
    if "battery_low" in flags:
        return "battery_empty"
    if signs.transport == "mqtt":
        return _WIFI_FAILURES.get(str(signs.status.get("last_failure", "")), "silent_wifi")
    return "silent_radio"
