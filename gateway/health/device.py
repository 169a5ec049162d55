"""What is wrong with one device, from what is known of it: why it is silent, or what it ails from."""

from __future__ import annotations

from functools import lru_cache

from gateway.health.facts import DeviceFacts, Facts, Newest
from gateway.health.rules import DAY_MS, Incident, Rules, quiet_since
from gateway.health.table import CAUSES

_DEAD = ("no_answer", "timeout", "checksum", "fault")
_OF_STATES = (("sensor_dead", _DEAD), ("dirty", ("degraded",)), ("overload", ("overload",)))
_OF_FLAGS = (
    ("time_never_set", ("time_unset", "future")),
    ("stuck", ("stuck",)),
    ("odd", ("range", "step", "order", "geometry")),
    ("fog", ("fog",)),
)
# What a status says that is so now; the rest of it is history, or about a link that works again.
_OF_STATUS = ("safe_mode", "log_fault", "battery_low", "fell_back", "config_defaults")
_FIRST_OWN_CODE = 64  # below it are a node's reasons why nothing gets out (wire.causes)


def silence(device: DeviceFacts, facts: Facts, rules: Rules) -> Incident:
    """Return the likeliest cause of a device's silence that lies with itself or its place."""
    since_ms = quiet_since(device, facts)

    def cause(name: str, **figures: float | int | str) -> Incident:
        eui = device.dev_eui
        return Incident(f"{name}:{eui}", name, device.site_name, since_ms, (eui,), figures or None)

    if device.heard_ms is None:
        return cause("never_heard")
    if device.battery_mv and device.battery_mv[-1][1] <= rules.battery_empty_mv + 100:
        return cause("battery_empty", battery_mv=round(device.battery_mv[-1][1]))
    if "battery_low" in _flags(device):
        return cause("battery_empty", battery_mv=int(device.status.get("battery_mv", 0)))
    if device.margin_db is not None and device.margin_db < rules.weak_margin_db:
        return cause("link_lost", margin_db=round(device.margin_db, 1))
    if device.way in ("broker", "mqtt"):
        return cause(_last_word(device) or "wifi_or_power")
    return cause("silent")


def ailments(device: DeviceFacts, facts: Facts, rules: Rules) -> list[Incident]:
    """Return what a device that is heard ails from, what explains more first."""
    eui = device.dev_eui
    found: dict[str, dict[str, float | int | str]] = {}
    days = days_left(device, rules)
    if days is not None and days < rules.days_left_low:
        found["battery_fading"] = {"days": round(days)}
    weak = device.margin_db is not None and device.margin_db < rules.weak_margin_db
    if weak and device.missed is not None and device.missed > rules.weak_missed:
        margin_db = round(device.margin_db or 0.0, 1)
        found["weak_link"] = {"margin_db": margin_db, "missed_percent": round(100 * device.missed)}
    words = _flags(device) | set(str(device.status.get("causes", "")).split())
    for name in _OF_STATUS:
        if name in words:
            found[name] = {}
    for name, about in _of_newest(device.newest):
        found[name] = {"quantities": about}
    if not found:
        return []
    names = [name for name in CAUSES if name in found]
    return [
        Incident(f"{name}:{eui}", name, device.site_name, facts.now_ms, (eui,), found[name] or None)
        for name in names
    ]


@lru_cache(1000)  # most devices of a city have the same to say: that all is well
def _of_newest(newest: tuple[Newest, ...]) -> tuple[tuple[str, str], ...]:
    """Return what the newest values speak for, and of which quantities."""
    found: list[tuple[str, list[str]]] = [
        (name, [one.quantity for one in newest if one.state in states]) for name, states in _OF_STATES
    ]
    found += [
        (name, [one.quantity for one in newest if set(one.flags) & set(raised)]) for name, raised in _OF_FLAGS
    ]
    return tuple((name, ", ".join(about)) for name, about in found if about)


def days_left(device: DeviceFacts, rules: Rules | None = None) -> float | None:
    """Return after how many days a battery will be empty, None when nothing says so.

    The node's own coulomb count where it told one; otherwise the slope of the voltage over at least three
    days, by least squares, when it falls by more than a millivolt a day.
    """
    told = device.status.get("days_left")
    if isinstance(told, int):
        return float(told)
    readings = device.battery_mv
    if len(readings) < 4 or readings[-1][0] - readings[0][0] < 3 * DAY_MS:
        return None
    times = [(at_ms - readings[0][0]) / DAY_MS for at_ms, _ in readings]
    mean_t = sum(times) / len(times)
    mean_v = sum(mv for _, mv in readings) / len(readings)
    spread = sum((t - mean_t) ** 2 for t in times)
    slope = sum((t - mean_t) * (mv - mean_v) for t, (_, mv) in zip(times, readings, strict=True)) / spread
    if slope > -1.0:
        return None
    now_mv = mean_v + slope * (times[-1] - mean_t)
    return max(0.0, (now_mv - (rules or Rules()).battery_empty_mv) / -slope)


def _flags(device: DeviceFacts) -> set[str]:
    return set(str(device.status.get("flags", "")).split())


def _last_word(device: DeviceFacts) -> str | None:
    """Return why nothing got out when the device last told, if it did."""
    for name in str(device.status.get("causes", "")).split():
        cause = CAUSES.get(name)
        if cause is not None and cause.code is not None and cause.code < _FIRST_OWN_CODE:
            return name
    return None
