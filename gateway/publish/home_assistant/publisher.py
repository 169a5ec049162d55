"""A device document a site (`homeassistant/device/<id>/config`), its state, our availability, all retained.

The state holds the newest finite value of each quantity; what is missing is null, which Home Assistant shows
as unknown. A bare NaN would make every entity of the document unknown, so none can get in.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

from gateway.counters import Counters
from gateway.errors import ConfigError
from gateway.exports import iso_utc
from gateway.model import PublicObservation, PublicReader, PublicRecord, PublicSite, RecordReader
from gateway.publish.base import Chosen, Outcome, Packed, Parcel, RecordRows
from gateway.publish.home_assistant.components import COMPONENTS, TOTALS, component
from gateway.publish.mqtt_link import BrokerSettings, Message, MqttLink, check_broker
from gateway.publish.posting import check_between
from gateway.publish.sitebook import News
from gateway.shapes import Form

PARCEL_SITES = 200  # whose messages are under way together
KINDS = {"air": "Luchtkwaliteit", "noise": "Geluid", "bin": "Afvalbak", "garden": "Tuin"}


@dataclass(frozen=True, slots=True)
class HomeAssistantSettings:
    """Settings of the broker that Home Assistant listens to.

    discovery: its discovery prefix. prefix: topics of our states. expire_after_s: a value that is not renewed
    for so long becomes unavailable; 0: never. time_zone: whose midnight begins a day of rain.
    """

    name: str = "home_assistant"
    host: str = "127.0.0.1"
    port: int = 1883
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    discovery: str = "homeassistant"
    prefix: str = "meetnet/home"
    expire_after_s: int = 0
    time_zone: str = "Europe/Brussels"
    timeout_s: float = 20.0

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the key and the remedy."""
        key = f"publish.{self.name}"
        check_broker(key, self.host, self.port, self.prefix)
        check_broker(key, self.host, self.port, self.discovery)
        try:
            ZoneInfo(self.time_zone)
        except (ValueError, OSError, KeyError):
            raise ConfigError(f"{key}.time_zone", "must be a name like Europe/Brussels") from None
        check_between(f"{key}.expire_after_s", self.expire_after_s, 0, 604_800, "3600")
        check_between(f"{key}.timeout_s", self.timeout_s, 0.1, 600, "20")


class HomeAssistantPublisher:
    """Publisher for one Home Assistant."""

    def __init__(self, settings: HomeAssistantSettings, counters: Counters) -> None:
        self._settings = settings
        self._counters = counters
        s = settings
        self._available = f"{s.prefix}/status"
        self._link = MqttLink(
            BrokerSettings(
                s.host,
                s.port,
                s.username,
                s.password,
                s.tls,
                will_topic=self._available,
                timeout_s=s.timeout_s,
            )
        )
        self._configs: dict[str, tuple[tuple[Any, ...], Message]] = {}
        self._chosen: dict[int, tuple[tuple[Form, ...], Chosen]] = {}
        self.chunk_rows = 2000
        self._told: dict[str, bytes] = {}  # device documents that this connection's broker has

    @property
    def name(self) -> str:
        """Return the name under which position, counters and side list are kept."""
        return self._settings.name

    def pack(self, rows: Sequence[PublicObservation], reader: PublicReader) -> Packed:
        """Make document and state of each site of which there is news."""
        sites = {site.site_id: site for site in reader.sites()}
        latest = _by_site(reader.latest())
        news: dict[str, list[PublicObservation]] = {}
        for row in rows:
            news.setdefault(row.site_id, []).append(row)
        return Packed(
            [
                Parcel(tuple(mine), [self._messages(sites[site_id], latest.get(site_id, {}), reader)])
                for site_id, mine in news.items()
                if site_id in sites
            ]
        )

    @property
    def chunk_records(self) -> int:
        """Return how many records the follower should hand over at once."""
        return 1000

    def pack_records(self, records: Sequence[PublicRecord], reader: RecordReader) -> Packed:
        """Make the same of whole records: only that there is news of a site counts, and its newest values."""
        news: dict[str, list[tuple[PublicRecord, Chosen]]] = {}
        for record in records:
            news.setdefault(record.site_id, []).append((record, self._whole(record.forms)))
        sites = reader.places_of(list(news))
        latest = _by_site(reader.latest_of(list(sites)))
        here = [site_id for site_id in news if site_id in sites]
        parcels: list[Parcel] = []
        for at in range(0, len(here), PARCEL_SITES):
            part = here[at : at + PARCEL_SITES]
            content = [self._messages(sites[one], latest.get(one, {}), reader) for one in part]
            parcels.append(Parcel(RecordRows([row for one in part for row in news[one]]), content))
        return Packed(parcels)

    def announce(self, news: News, reader: PublicReader) -> Sequence[Parcel]:
        """Tell changed sites anew; take devices of sites that are gone out of Home Assistant."""
        sites = {site.site_id: site for site in reader.sites()}
        latest = _by_site(reader.latest())
        found = [
            Parcel((), [self._messages(sites[site.site_id], latest[site.site_id], reader)])
            for site in news.changed
            if site.site_id in sites and site.site_id in latest
        ]
        for site_id in news.gone:  # an empty retained message: the device goes, its last value too
            found.append(Parcel((), [(Message(self._where(site_id), b"", True), self._state_of(site_id))]))
        return found

    async def send(self, parcel: Parcel, attempt: int) -> Outcome:
        """Send some sites; a device document only when this broker has it not."""
        messages: list[Message] = []
        for config, state in parcel.content:
            if attempt or self._told.get(config.topic) != config.payload:
                messages.append(config)
            messages.append(state)
        why = await self._link.publish(messages)
        if why:
            self._told.clear()
            return Outcome((), parcel, why)
        self._told |= {config.topic: config.payload for config, _ in parcel.content}
        return Outcome()

    async def close(self) -> None:
        """Say that we are offline and close the connection."""
        await self._link.close()

    def _whole(self, forms: tuple[Form, ...]) -> Chosen:
        """Return all of a record; made once for records of the same forms."""
        found = self._chosen.get(id(forms))
        if found is None or found[0] is not forms:
            if len(self._chosen) >= 4096:
                self._chosen.clear()
            chosen = Chosen(tuple(range(len(forms))), tuple([form.quantity for form in forms]))
            found = self._chosen[id(forms)] = forms, chosen
        return found[1]

    def _where(self, site_id: str) -> str:
        return f"{self._settings.discovery}/device/{device_id(site_id)}/config"

    def _state_of(self, site_id: str, content: bytes = b"") -> Message:
        return Message(f"{self._settings.prefix}/{site_id}/state", content, True)

    def _messages(
        self, site: PublicSite, latest: dict[str, PublicObservation], reader: PublicReader
    ) -> tuple[Message, Message]:
        state: dict[str, Any] = {}
        for quantity, row in sorted(latest.items()):
            if quantity not in COMPONENTS:
                continue
            state[quantity] = row.value if row.value is not None and math.isfinite(row.value) else None
            if quantity in TOTALS:
                state[quantity] = self._total(row, reader)
        config = self._config(site, tuple(state))
        state["observed_at"] = iso_utc(max((row.observed_at_ms for row in latest.values()), default=0))
        return config, self._state_of(site.site_id, _json(state))

    def _config(self, site: PublicSite, quantities: tuple[str, ...]) -> Message:
        """Return a site's device document: written once, as long as it stays the same."""
        key = (site.site_id, site.name, site.kind, quantities)
        known = self._configs.get(site.site_id)
        if known is not None and known[0] == key:
            return known[1]
        device = device_id(site.site_id)
        components: dict[str, Any] = {}
        for quantity in quantities:
            found = component(quantity, f"{device}_{quantity}")
            if self._settings.expire_after_s:
                found["expire_after"] = self._settings.expire_after_s
            components[quantity] = found
        document: dict[str, Any] = {
            "dev": {
                "identifiers": [device],
                "name": site.name or site.site_id,
                "manufacturer": "Meetnet",
                "model": KINDS.get(site.kind, site.kind),
            },
            "o": {"name": "Meetnet", "sw": "0.1.0"},
            "cmps": components,
            "state_topic": f"{self._settings.prefix}/{site.site_id}/state",
            "availability_topic": self._available,
            "qos": 1,
        }
        config = Message(self._where(site.site_id), _json(document), True)
        self._configs[site.site_id] = (key, config)
        return config

    def _total(self, row: PublicObservation, reader: PublicReader) -> float:
        """Return the sum of the day of the newest observation: total_increasing starts again at midnight."""
        moment = datetime.fromtimestamp(row.observed_at_ms / 1000, ZoneInfo(self._settings.time_zone))
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        start_ms = int(midnight.timestamp() * 1000)
        rows = reader.series(row.site_id, row.quantity, start_ms, row.observed_at_ms + 1)
        values = [one.value for one in rows if one.value is not None and math.isfinite(one.value)]
        return round(sum(values), 6)


def _by_site(rows: Sequence[PublicObservation]) -> dict[str, dict[str, PublicObservation]]:
    found: dict[str, dict[str, PublicObservation]] = {}
    for row in rows:
        found.setdefault(row.site_id, {})[row.quantity] = row
    return found


def device_id(site_id: str) -> str:
    """Return the id of a site's device: letters, digits, _ and - only, and never that of another site."""
    clean = re.sub(r"[^A-Za-z0-9_-]", "_", site_id)
    mark = "" if clean == site_id else "_" + blake2b(site_id.encode(), digest_size=3).hexdigest()
    return f"meetnet_{clean}{mark}"


def _json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
