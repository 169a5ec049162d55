"""Observations to `<prefix>/<site>/<quantity>`, in time order; see README.md for the JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.counters import Counters
from gateway.exports import JsonWriter
from gateway.model import PublicObservation, PublicReader, PublicSite
from gateway.publish.base import Outcome, Packed, Parcel, Rejection
from gateway.publish.mqtt_link import BrokerSettings, Message, MqttLink, check_broker
from gateway.publish.posting import check_between
from gateway.publish.sitebook import News

PARCEL_ROWS = 1000


@dataclass(frozen=True, slots=True)
class MqttPublisherSettings:
    """Settings of a broker that gets our observations (not the one of the nodes, or with another prefix)."""

    name: str = "mqtt"
    host: str = "127.0.0.1"
    port: int = 1883
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    prefix: str = "meetnet/sites"
    timeout_s: float = 20.0

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the key and the remedy."""
        key = f"publish.{self.name}"
        check_broker(key, self.host, self.port, self.prefix)
        check_between(f"{key}.timeout_s", self.timeout_s, 0.1, 600, "20")


class MqttPublisher:
    """Publisher for one broker."""

    def __init__(self, settings: MqttPublisherSettings, counters: Counters) -> None:
        self._settings = settings
        self._counters = counters
        s = settings
        self._link = MqttLink(
            BrokerSettings(s.host, s.port, s.username, s.password, s.tls, timeout_s=s.timeout_s)
        )
        self._writer = JsonWriter(_place)
        self.chunk_rows = PARCEL_ROWS

    @property
    def name(self) -> str:
        """Return the name under which position, counters and side list are kept."""
        return self._settings.name

    def pack(self, rows: Sequence[PublicObservation], reader: PublicReader) -> Packed:
        """Make messages in time order; only the newest of a series is retained."""
        sites = {site.site_id: site for site in reader.sites()}
        newest = {(row.site_id, row.quantity): row.position for row in reader.latest()}
        good, rejections = list[PublicObservation](), list[Rejection]()
        for row in sorted(rows, key=lambda row: (row.observed_at_ms, row.position)):
            if row.site_id not in sites:
                continue
            if any(one is not None and not math.isfinite(one) for one in (row.value, row.raw_value)):
                rejections.append(Rejection(row, "is not a finite number"))
            else:
                good.append(row)
        parts = [good[at : at + PARCEL_ROWS] for at in range(0, len(good), PARCEL_ROWS)]
        return Packed(
            [Parcel(tuple(part), [self._message(row, sites, newest) for row in part]) for part in parts],
            rejections,
        )

    def announce(self, news: News, reader: PublicReader) -> Sequence[Parcel]:
        """Retain the newest values anew where a site changed; take them off where it is gone."""
        changed = {site.site_id: site for site in news.changed}
        rows = [row for row in reader.latest() if row.site_id in changed]
        newest = {(row.site_id, row.quantity): row.position for row in rows}
        messages = [
            self._message(row, changed, newest)
            for row in rows
            if all(one is None or math.isfinite(one) for one in (row.value, row.raw_value))
        ]
        messages += [
            Message(f"{self._settings.prefix}/{site_id}/{quantity}", b"", True)
            for site_id, told in news.gone.items()
            for quantity in told.quantities
        ]
        return [Parcel((), messages[at : at + PARCEL_ROWS]) for at in range(0, len(messages), PARCEL_ROWS)]

    async def send(self, parcel: Parcel, attempt: int) -> Outcome:
        """Send one parcel."""
        why = await self._link.publish(parcel.content)
        return Outcome((), parcel, why) if why else Outcome()

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()

    def _message(
        self, row: PublicObservation, sites: dict[str, PublicSite], newest: dict[tuple[str, str], int]
    ) -> Message:
        site = sites[row.site_id]
        topic = f"{self._settings.prefix}/{row.site_id}/{row.quantity}"
        retain = newest.get((row.site_id, row.quantity)) == row.position
        return Message(topic, self._writer.text(row, site).encode(), retain)


def _place(site: PublicSite) -> dict[str, Any]:
    return {
        "site_name": site.name,
        "kind": site.kind,
        "longitude": site.longitude,
        "latitude": site.latitude,
        "precision_m": site.precision_m,
        "licence": site.licence,
    }
