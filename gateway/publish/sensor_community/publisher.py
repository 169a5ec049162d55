"""Observations as a node of Sensor.Community sends them (airrohr-firmware: ext_def.h and .ino).

P1 is PM10 and P2 is PM2.5; pressure is in pascal; every value is a string; one POST a PIN. The platform has
no time in its messages: what is old is left out rather than shown as new. It corrects by itself, so it gets
what was measured, before any correction of ours.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from gateway.clock import Clock
from gateway.counters import Counters
from gateway.model import PublicObservation, PublicReader
from gateway.publish.base import Outcome, Packed, Parcel, Rejection
from gateway.publish.posting import HttpClient, Verdict, judge, reason, retry_after_s
from gateway.publish.sensor_community.settings import SensorCommunitySettings

CLIMATE = 0  # in place of a PIN: the one of the settings


@dataclass(frozen=True, slots=True)
class _Value:
    pin: int
    type: str
    scale: float = 1.0


VALUES: dict[str, _Value] = {
    "pm10": _Value(1, "P1"),
    "pm2_5": _Value(1, "P2"),
    "pm1": _Value(1, "P0"),
    "pm4": _Value(1, "P4"),
    "temperature": _Value(CLIMATE, "temperature"),
    "relative_humidity": _Value(CLIMATE, "humidity"),
    "pressure": _Value(3, "pressure", 100.0),
    "laeq": _Value(15, "noise_LAeq"),
    "lafmin": _Value(15, "noise_LA_min"),
    "lafmax": _Value(15, "noise_LA_max"),
    "co2": _Value(17, "co2_ppm"),
}


@dataclass(frozen=True, slots=True)
class _Message:
    sensor: str
    pin: int
    body: bytes


class SensorCommunityPublisher:
    """Publisher for Sensor.Community."""

    def __init__(
        self,
        settings: SensorCommunitySettings,
        counters: Counters,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._clock = clock
        headers = {"content-type": "application/json"}
        self._client = HttpClient(settings.url, headers, settings.timeout_s, transport)

    @property
    def name(self) -> str:
        """Return the name under which position, counters and side list are kept."""
        return self._settings.name

    def pack(self, rows: Sequence[PublicObservation], reader: PublicReader) -> Packed:
        """Make a message for each site, moment and PIN."""
        oldest_ms = self._clock.now_ms() - self._settings.max_age_s * 1000
        groups: dict[tuple[int, str, int], dict[str, PublicObservation]] = {}
        for row in rows:
            value = VALUES.get(row.quantity)
            if value is None or row.raw_value is None or not math.isfinite(row.raw_value):
                continue
            if row.site_id not in self._settings.sensors:
                self._counters.count(f"publish.{self.name}.not_registered", row.site_id)
            elif row.observed_at_ms < oldest_ms:
                self._counters.count(f"publish.{self.name}.too_old")
            else:
                pin = self._settings.climate_pin if value.pin == CLIMATE else value.pin
                groups.setdefault((row.observed_at_ms, row.site_id, pin), {})[value.type] = row
        return Packed([self._parcel(key, groups[key]) for key in sorted(groups)])

    async def send(self, parcel: Parcel, attempt: int) -> Outcome:
        """Send one message."""
        if attempt and parcel.rows[0].observed_at_ms < self._clock.now_ms() - self._settings.max_age_s * 1000:
            self._counters.count(f"publish.{self.name}.too_old", n=len(parcel.rows))
            return Outcome()
        message: _Message = parcel.content
        headers = {"x-sensor": message.sensor, "x-pin": str(message.pin)}
        answer = await self._client.request("POST", self._settings.url, message.body, headers)
        if isinstance(answer, str):
            return Outcome((), parcel, answer)
        verdict = judge(answer)
        if verdict is Verdict.TAKEN:
            return Outcome()
        if verdict is Verdict.RETRY:
            return Outcome((), parcel, reason(answer), retry_after_s(answer))
        # "Sensor could not be selected": the host has to register this PIN.
        why = f"{message.sensor} PIN {message.pin}: {reason(answer)}; is it registered with this PIN?"
        return Outcome([Rejection(row, why) for row in parcel.rows])

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _parcel(self, key: tuple[int, str, int], found: dict[str, PublicObservation]) -> Parcel:
        _, site_id, pin = key
        body = {
            "software_version": "Meetnet-0.1",
            "sensordatavalues": [
                {"value_type": name, "value": _text((row.raw_value or 0.0) * VALUES[row.quantity].scale)}
                for name, row in found.items()
            ],
        }
        sensor = self._settings.sensors[site_id]
        return Parcel(tuple(found.values()), _Message(sensor, pin, json.dumps(body).encode()))


def _text(value: float) -> str:
    return f"{value:.2f}"
