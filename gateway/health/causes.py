"""From facts to incidents: one for each cause, however many devices it silences.

A device that is not heard is explained by the widest cause that fits: our own disk or network connection, a
radio gateway that is away, and only then the device itself: its battery, its link, its place, or unknown.
A device that is heard can have a cause too: a battery that will not last, a weak link, a dead sensor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.health.facts import DeviceFacts, Facts, GatewayFacts

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

DISK, NETWORK, RADIO_GATEWAY, PLATFORM = "disk", "network", "gateway", "platform"
BATTERY_EMPTY, BATTERY_LOW, LINK_LOST, NEVER_HEARD, WIFI_OR_POWER, SILENT = (
    "battery_empty", "battery_low", "link_lost", "never_heard", "wifi_or_power", "silent",
)  # fmt: skip
WEAK_LINK, SENSOR, CRASHING, FULL_SIDE_LIST = "weak_link", "sensor", "crashing", "rejected"
CAUSES = (
    DISK, NETWORK, RADIO_GATEWAY, PLATFORM, FULL_SIDE_LIST, BATTERY_EMPTY, LINK_LOST, NEVER_HEARD,
    WIFI_OR_POWER, SILENT, BATTERY_LOW, WEAK_LINK, SENSOR, CRASHING,
)  # fmt: skip
URGENT = frozenset({DISK, NETWORK, RADIO_GATEWAY})  # these are told at night too


@dataclass(frozen=True, slots=True)
class Rules:
    """How long is too long, and how little too little.

    silent_intervals: a device is silent after this many of its intervals, but never before silent_least_ms
    nor later than silent_most_ms (FloodNet's rule of three hours). A forwarder is away after gateway_away_ms.
    Battery bounds are of two AA cells in series or one lithium cell behind its regulator. A link below
    weak_margin_db with more than weak_missed of its frames lost is weak; FloodNet calls 20 % a fault.
    """

    silent_intervals: float = 3.0
    silent_least_ms: int = 20 * MINUTE_MS
    silent_most_ms: int = 3 * HOUR_MS
    unknown_interval_ms: int = HOUR_MS
    gateway_away_ms: int = 5 * MINUTE_MS
    network_away_ms: int = 2 * MINUTE_MS
    battery_empty_mv: float = 2500.0
    days_left_low: float = 21.0
    weak_margin_db: float = 3.0
    weak_missed: float = 0.2
    platform_failures: int = 5
    shared_share: float = 0.8


@dataclass(frozen=True, slots=True)
class Incident:
    """A cause at work. key: the same one as long as it lasts. devices: those that it touches, by DevEUI.

    subject: the gateway, network, outlet or site. since_ms: when it began, as far as is known. figures: what
    speaks for it, for the sentence.
    """

    key: str
    cause: str
    subject: str
    since_ms: int
    devices: tuple[str, ...] = ()
    figures: Mapping[str, float | int | str] | None = None

    @property
    def urgent(self) -> bool:
        """Whether people are told of it at night too."""
        return self.cause in URGENT


def incidents(facts: Facts, rules: Rules | None = None) -> list[Incident]:
    """Return what is wrong, the widest causes first. The same facts give the same incidents."""
    rules = rules or Rules()
    found: list[Incident] = []
    if facts.disk:
        found.append(Incident(DISK, DISK, "", facts.now_ms, (), {"reason": facts.disk}))
    silent = {device.dev_eui: device for device in facts.devices if is_silent(device, facts, rules)}
    for network in facts.networks:
        since_ms = network.since_ms if network.since_ms is not None else facts.started_ms
        if network.connected or facts.now_ms - since_ms < rules.network_away_ms:
            continue
        touched = [device for device in silent.values() if device.way == network.way]
        found.append(
            Incident(f"{NETWORK}:{network.way}", NETWORK, network.way, since_ms, _take(silent, touched))
        )
    for gateway in facts.gateways:
        touched = _silenced_by(gateway, facts, silent, rules)
        if touched is not None:
            since_ms = gateway.alive_ms if gateway.alive_ms is not None else facts.started_ms
            key = f"{RADIO_GATEWAY}:{gateway.gateway_id}"
            found.append(Incident(key, RADIO_GATEWAY, gateway.gateway_id, since_ms, _take(silent, touched)))
    for publisher in facts.publishers:
        if publisher.failures >= rules.platform_failures:
            figures = {"reason": publisher.trouble, "behind": publisher.behind}
            found.append(
                Incident(f"{PLATFORM}:{publisher.name}", PLATFORM, publisher.name, facts.now_ms, (), figures)
            )
        elif publisher.rejected:
            key = f"{FULL_SIDE_LIST}:{publisher.name}"
            figures = {"rows": publisher.rejected}
            found.append(Incident(key, FULL_SIDE_LIST, publisher.name, facts.now_ms, (), figures))
    found += [_own_cause(device, facts, rules) for device in silent.values()]
    for device in facts.devices:
        if device.dev_eui not in silent and not any(device.dev_eui in one.devices for one in found):
            found += _ailments(device, facts, rules)
    return sorted(found, key=lambda one: (CAUSES.index(one.cause), one.key))


def is_silent(device: DeviceFacts, facts: Facts, rules: Rules) -> bool:
    """Tell whether a device should have been heard by now. Our own start is no silence of theirs."""
    return facts.now_ms - _quiet_since(device, facts) > patience_ms(device, rules)


def patience_ms(device: DeviceFacts, rules: Rules) -> int:
    """Return after how long without a word a device counts as silent."""
    interval_ms = rules.unknown_interval_ms if device.interval_ms is None else device.interval_ms
    wanted = int(rules.silent_intervals * interval_ms)
    most = max(rules.silent_most_ms, 2 * interval_ms)  # a device that speaks twice a day is no outage
    return min(max(wanted, rules.silent_least_ms), most)


def _quiet_since(device: DeviceFacts, facts: Facts) -> int:
    return max(device.heard_ms or 0, device.since_ms, facts.started_ms)


def _take(silent: dict[str, DeviceFacts], touched: Iterable[DeviceFacts]) -> tuple[str, ...]:
    """Return the devices, which have their cause now."""
    names = tuple(sorted(device.dev_eui for device in touched))
    for name in names:
        silent.pop(name, None)
    return names


def _silenced_by(
    gateway: GatewayFacts, facts: Facts, silent: Mapping[str, DeviceFacts], rules: Rules
) -> list[DeviceFacts] | None:
    """Return the devices that a gateway silences, None when it is there.

    It is away when its forwarder says nothing; or when it does, but those whom only it hears fell silent
    together: its antenna, its radio, its way to us.
    """
    only = [device for device in facts.devices if device.heard_by == frozenset((gateway.gateway_id,))]
    quiet = [device for device in only if device.dev_eui in silent]
    alive_ms = gateway.alive_ms if gateway.alive_ms is not None else 0
    if facts.now_ms - max(alive_ms, facts.started_ms) > rules.gateway_away_ms:
        return quiet
    together = len(quiet) >= 3 and len(quiet) >= rules.shared_share * len(only)
    return quiet if together else None


def _own_cause(device: DeviceFacts, facts: Facts, rules: Rules) -> Incident:
    since_ms = _quiet_since(device, facts)

    def cause(name: str, **figures: float | int | str) -> Incident:
        eui = device.dev_eui
        return Incident(f"{name}:{eui}", name, device.site_name, since_ms, (eui,), figures or None)

    if device.heard_ms is None:
        return cause(NEVER_HEARD)
    if device.battery_mv and device.battery_mv[-1][1] <= rules.battery_empty_mv + 100:
        return cause(BATTERY_EMPTY, battery_mv=round(device.battery_mv[-1][1]))
    if "battery_low" in str(device.status.get("flags", "")):
        return cause(BATTERY_EMPTY, battery_mv=int(device.status.get("battery_mv", 0)))
    if device.margin_db is not None and device.margin_db < rules.weak_margin_db:
        return cause(LINK_LOST, margin_db=round(device.margin_db, 1))
    if device.way in ("broker", "mqtt"):
        return cause(WIFI_OR_POWER)
    return cause(SILENT)


def _ailments(device: DeviceFacts, facts: Facts, rules: Rules) -> list[Incident]:
    eui, found = device.dev_eui, list[Incident]()

    def add(name: str, **figures: float | int | str) -> None:
        key = f"{name}:{eui}"
        found.append(Incident(key, name, device.site_name, facts.now_ms, (eui,), figures or None))

    days = days_left(device, rules)
    if days is not None and days < rules.days_left_low:
        add(BATTERY_LOW, days=round(days))
    weak = device.margin_db is not None and device.margin_db < rules.weak_margin_db
    if weak and device.missed is not None and device.missed > rules.weak_missed:
        add(WEAK_LINK, margin_db=round(device.margin_db or 0.0, 1), missed_percent=round(100 * device.missed))
    if device.bad_states:
        add(SENSOR, quantities=", ".join(device.bad_states))
    if "safe_mode" in str(device.status.get("flags", "")):
        add(CRASHING)
    return found


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
