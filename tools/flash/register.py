"""Makes a device known: registry, claim card, network server. Every step may be repeated."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gateway.claims import ClaimBook, ClaimError
from gateway.errors import GatewayError
from gateway.provision import Moving
from gateway.registry import Registry, RowReport
from gateway.registry.street import put_row
from tools.flash.errors import FlashError
from tools.flash.rows import Row

_NUMBERS = ("longitude", "latitude", "precision_m")


class NetworkServer(Protocol):
    """Where LoRaWAN devices go beside the built-in network server (gateway.provision.chirpstack has it)."""

    def put_all(self, devices: Iterable[Moving]) -> list[RowReport]:
        """Bring devices with their keys to what they must be; GatewayError when the server is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Registered:
    """What registering gave: tag for the label, claim code for the card (None: it has an owner already)."""

    tag: str
    code: str | None = field(repr=False)


class Registrar:
    """One for a run. Safe to call from several threads."""

    def __init__(self, directory: Path, server: NetworkServer | None = None) -> None:
        self._registry = Registry(directory)
        self._claims = ClaimBook(directory / "claims.db")
        self._server = server
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the files."""
        self._registry.close()
        self._claims.close()

    def put(self, row: Row, dev_eui: str, app_key: str | None, password: str | None) -> Registered:
        """Register a device with its site; RegistryError when it cannot be."""
        fields = _fields(row, app_key, password)
        from_ms = int(row.site["from_ms"]) if "from_ms" in row.site else None
        with self._lock:
            put_row(self._registry, dev_eui, fields, from_ms)
        if self._server is not None and app_key is not None:
            name = row.title
            moving = Moving(dev_eui, row.join_eui, name, row.kind, bytes.fromhex(app_key))
            try:
                (report,) = self._server.put_all([moving])
            except GatewayError as error:  # it will be there again: the row is not at fault
                raise FlashError("server", str(error)) from error
            if report.outcome == "refused":
                raise FlashError("server", f"the network server refuses {dev_eui}: {report.message}")
        tag = self._claims.tag_of(dev_eui)
        try:
            code = self._claims.issue(dev_eui, time.time_ns() // 1_000_000)
        except ClaimError:  # it has an owner already: flashed again, it keeps that one
            code = None
        return Registered(tag, code)


def _fields(row: Row, app_key: str | None, password: str | None) -> dict[str, Any]:
    site: dict[str, Any] = {
        "id": row.site["site_id"],
        "name": row.title,
    }
    site |= {name: float(row.site[name]) for name in _NUMBERS if name in row.site}
    if "licence" in row.site:
        site["licence"] = row.site["licence"]
    geometry = {name: float(row.site[name]) for name in ("empty_mm", "full_mm") if name in row.site}
    if geometry:
        site["bin"] = geometry
    if "rain_mm_per_tip" in row.site:
        site["rain_mm_per_tip"] = float(row.site["rain_mm_per_tip"])
    site["public"] = row.site.get("public", "yes").lower() in ("yes", "true", "1", "ja", "oui")
    lorawan = row.transport == "lorawan"
    return {
        "kind": row.kind,
        "transport": row.transport,
        "join_eui": row.join_eui if lorawan else None,
        "app_key": app_key,
        "mqtt_password": password,
        "site": site,
    }
