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
from typing import Any

from gateway.counters import Counters
from gateway.exports import iso_utc
from gateway.model import PublicObservation, PublicReader, PublicSite
from gateway.publish.base import Outcome, Packed, Parcel
from gateway.publish.home_assistant.components import component
from gateway.publish.mqtt_link import BrokerSettings, Message, MqttLink, check_broker
from gateway.publish.posting import check_between

KINDS = {"air": "Luchtkwaliteit", "noise": "Geluid", "bin": "Afvalbak", "garden": "Tuin"}


@dataclass(frozen=True, slots=True)
class HomeAssistantSettings:
    """Settings of the broker that Home Assistant listens to.

    discovery: its discovery prefix. prefix: topics of our states. expire_after_s: a value that is not renewed
    for so long becomes unavailable; 0: never.
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
    timeout_s: float = 20.0

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the key and the remedy."""
        key = f"publish.{self.name}"
        check_broker(key, self.host, self.port, self.prefix)
        check_broker(key, self.host, self.port, self.discovery)
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
        self._told: dict[str, bytes] = {}  # device documents that this connection's broker has

    @property
    def name(self) -> str:
        """Return the name under which position, counters and side list are kept."""
        return self._settings.name

    def pack(self, rows: Sequence[PublicObservation], reader: PublicReader) -> Packed:
        """Make document and state of each site of which there is news."""
        sites = {site.site_id: site for site in reader.sites()}
        latest: dict[str, dict[str, PublicObservation]] = {}
        for row in reader.latest():
            latest.setdefault(row.site_id, {})[row.quantity] = row
        parcels: list[Parcel] = []
        for site_id in dict.fromkeys(row.site_id for row in rows):
            if site_id in sites:
                news = tuple(row for row in rows if row.site_id == site_id)
                parcels.append(Parcel(news, self._messages(sites[site_id], latest.get(site_id, {}))))
        return Packed(parcels)

    async def send(self, parcel: Parcel, attempt: int) -> Outcome:
        """Send one site."""
        config, state = parcel.content
        is_told = not attempt and self._told.get(config.topic) == config.payload
        why = await self._link.publish([state] if is_told else [config, state])
        if why:
            self._told.clear()
            return Outcome((), parcel, why)
        self._told[config.topic] = config.payload
        return Outcome()

    async def close(self) -> None:
        """Say that we are offline and close the connection."""
        await self._link.close()

    def _messages(self, site: PublicSite, latest: dict[str, PublicObservation]) -> tuple[Message, Message]:
        device = "meetnet_" + re.sub(r"[^A-Za-z0-9_-]", "_", site.site_id)
        topic = f"{self._settings.prefix}/{site.site_id}/state"
        components: dict[str, Any] = {}
        state: dict[str, Any] = {}
        for quantity, row in sorted(latest.items()):
            found = component(quantity, f"{device}_{quantity}")
            if found is None:
                continue
            if self._settings.expire_after_s:
                found["expire_after"] = self._settings.expire_after_s
            components[quantity] = found
            state[quantity] = row.value if row.value is not None and math.isfinite(row.value) else None
        state["observed_at"] = iso_utc(max((row.observed_at_ms for row in latest.values()), default=0))
        document: dict[str, Any] = {
            "dev": {
                "identifiers": [device],
                "name": site.name or site.site_id,
                "manufacturer": "Meetnet",
                "model": KINDS.get(site.kind, site.kind),
            },
            "o": {"name": "Meetnet", "sw": "0.1.0"},
            "cmps": components,
            "state_topic": topic,
            "availability_topic": self._available,
            "qos": 1,
        }
        where = f"{self._settings.discovery}/device/{device}/config"
        return Message(where, _json(document), True), Message(topic, _json(state), True)


def _json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
