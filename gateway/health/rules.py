"""How long is too long and how little too little; what an incident is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.health.facts import DeviceFacts, Facts
from gateway.health.table import CAUSES
from gateway.silence import SILENT_INTERVALS, SILENT_LEAST_MS

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Rules:
    """How long is too long, and how little too little.

    silent_intervals: a device is silent after this many of its intervals, but never before silent_least_ms
    nor later than silent_most_ms (FloodNet's rule of three hours). A forwarder is away after gateway_away_ms.
    Battery bounds are of two AA cells in series or one lithium cell behind its regulator. A link below
    weak_margin_db with more than weak_missed of its frames lost is weak; FloodNet calls 20 % a fault.
    A disk is low below disk_low_share of it, but not before disk_low_least or a tenth is left, and at
    disk_low_most for certain. Certificates are renewed 30 days before they end; certificate_days is too late.
    """

    silent_intervals: float = SILENT_INTERVALS
    silent_least_ms: int = SILENT_LEAST_MS
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
    disk_low_share: float = 0.05
    disk_low_least: int = 1 << 30
    disk_low_most: int = 5 << 30
    certificate_days: int = 14

    def disk_low(self, total: int) -> int:
        """Return how many bytes a disk of that size must have free, or people are told."""
        wanted = max(self.disk_low_share * total, self.disk_low_least)
        return int(min(wanted, self.disk_low_most, total / 10))


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
        cause = CAUSES.get(self.cause)
        return cause is not None and cause.urgent


def is_silent(device: DeviceFacts, facts: Facts, rules: Rules) -> bool:
    """Tell whether a device should have been heard by now. Our own start is no silence of theirs."""
    return facts.now_ms - quiet_since(device, facts) > patience_ms(device, rules)


def patience_ms(device: DeviceFacts, rules: Rules) -> int:
    """Return after how long without a word a device counts as silent."""
    interval_ms = rules.unknown_interval_ms if device.interval_ms is None else device.interval_ms
    wanted = int(rules.silent_intervals * interval_ms)
    most = max(rules.silent_most_ms, 2 * interval_ms)  # a device that speaks twice a day is no outage
    return min(max(wanted, rules.silent_least_ms), most)


def quiet_since(device: DeviceFacts, facts: Facts) -> int:
    """Return since when a device says nothing, as far as we could have heard it."""
    return max(device.heard_ms or 0, device.since_ms, facts.started_ms)
