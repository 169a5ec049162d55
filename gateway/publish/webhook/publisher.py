"""Observations to an address of somebody's own, signed as Standard Webhooks (standardwebhooks.com) says.

`webhook-id` is the same when a delivery is repeated, so that a receiver can tell; `webhook-signature` is
`v1,` and the base64 of HMAC-SHA256 over `<id>.<timestamp>.<body>`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from gateway.clock import Clock
from gateway.counters import Counters
from gateway.errors import ConfigError
from gateway.exports import JsonWriter
from gateway.model import PublicObservation, PublicReader
from gateway.publish.base import Outcome, Packed, Parcel, Rejection
from gateway.publish.posting import (
    HttpClient,
    Verdict,
    check_address,
    check_between,
    judge,
    reason,
    retry_after_s,
)
from gateway.publish.sitebook import News


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Settings of one receiver. secret: shared with it, `whsec_` and base64 of 24 to 64 bytes."""

    url: str
    name: str = "webhook"
    secret: str = field(default="", repr=False)
    max_rows: int = 200
    timeout_s: float = 20.0

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the key and the remedy."""
        key = f"publish.{self.name}"
        check_address(f"{key}.url", self.url, "https://city.example/hook")
        check_between(f"{key}.max_rows", self.max_rows, 1, 5000, "200")
        check_between(f"{key}.timeout_s", self.timeout_s, 0.1, 600, "20")
        try:
            if not 24 <= len(self.key()) <= 64:
                raise ValueError
        except ValueError:
            raise ConfigError(f"{key}.secret", "must be whsec_ and base64 of 24 to 64 random bytes") from None

    def key(self) -> bytes:
        """Return the signing key; raise ValueError."""
        return b64decode(self.secret.removeprefix("whsec_"), validate=True)


class WebhookPublisher:
    """Publisher for one receiver."""

    def __init__(
        self,
        settings: WebhookSettings,
        counters: Counters,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._clock = clock
        headers = {"content-type": "application/json"}
        self._client = HttpClient(settings.url, headers, settings.timeout_s, transport)
        self._writer = JsonWriter(
            lambda site: {"longitude": site.longitude, "latitude": site.latitude, "licence": site.licence}
        )
        self.chunk_rows = max(500, settings.max_rows * 10)

    @property
    def name(self) -> str:
        """Return the name under which position, counters and side list are kept."""
        return self._settings.name

    def pack(self, rows: Sequence[PublicObservation], reader: PublicReader) -> Packed:
        """Make deliveries in store order."""
        sites = {site.site_id: site for site in reader.sites()}
        good = [row for row in rows if row.site_id in sites and _is_finite(row)]
        bad = [Rejection(row, "is not a finite number") for row in rows if not _is_finite(row)]
        most = self._settings.max_rows
        parcels: list[Parcel] = []
        for at in range(0, len(good), most):
            part = good[at : at + most]
            data = ",".join([self._writer.text(row, sites[row.site_id]) for row in part])
            parcels.append(Parcel(tuple(part), f'{{"type":"observations","data":[{data}]}}'.encode()))
        return Packed(parcels, bad)

    def announce(self, news: News, reader: PublicReader) -> Sequence[Parcel]:
        """Make one delivery of what changed: sites as they are now, and which are gone."""
        names = ("site_id", "name", "kind", "longitude", "latitude", "precision_m", "licence")
        changed = [{name: getattr(site, name) for name in names} for site in news.changed]
        data = {"changed": changed, "gone": sorted(news.gone)}
        body = json.dumps({"type": "sites", "data": data}, ensure_ascii=False, allow_nan=False)
        return [Parcel((), body.encode())]

    async def send(self, parcel: Parcel, attempt: int) -> Outcome:
        """Send one delivery."""
        body: bytes = parcel.content
        name = f"{self.name}.sites.{hashlib.sha256(body).hexdigest()[:24]}"
        if parcel.rows:
            name = f"{self.name}.{parcel.rows[0].position}.{parcel.rows[-1].position}"
        stamp = str(self._clock.now_ms() // 1000)
        signed = hmac.new(self._settings.key(), f"{name}.{stamp}.".encode() + body, hashlib.sha256).digest()
        headers = {
            "webhook-id": name,
            "webhook-timestamp": stamp,
            "webhook-signature": f"v1,{b64encode(signed).decode()}",
        }
        answer = await self._client.request("POST", self._settings.url, body, headers)
        if isinstance(answer, str):
            return Outcome((), parcel, answer)
        verdict = judge(answer)
        if verdict is Verdict.RETRY:
            return Outcome((), parcel, reason(answer), retry_after_s(answer))
        refused = verdict is Verdict.REFUSED
        return Outcome([Rejection(row, reason(answer)) for row in parcel.rows] if refused else ())

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _is_finite(row: PublicObservation) -> bool:
    value, raw_value = row.value, row.raw_value
    return (value is None or math.isfinite(value)) and (raw_value is None or math.isfinite(raw_value))
