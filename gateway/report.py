"""How the gateway is doing: what anybody may know, and what whoever runs it may know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from gateway.backfill import Backfill
from gateway.clock import Clock
from gateway.counters import Counters
from gateway.health import IncidentBook
from gateway.leases import Leases
from gateway.networks import Networks
from gateway.outward import Outward
from gateway.pipeline import Pipeline
from gateway.registry import Registry
from gateway.store import Changes, Store
from gateway.ways import Ways


class PublicReport:
    """Numbers, no device, no detail."""

    def __init__(
        self,
        uptime_s: Callable[[], float],
        clock: Clock,
        counters: Counters,
        changes: Changes,
        pipeline: Pipeline,
    ) -> None:
        """uptime_s: since the gateway was started."""
        self._uptime_s = uptime_s
        self._clock = clock
        self._counters = counters
        self._changes = changes
        self._pipeline = pipeline

    def __call__(self) -> dict[str, Any]:
        """Return what anybody may know."""
        return {
            "uptime_s": round(self._uptime_s()),
            "now_ms": self._clock.now_ms(),
            "position": self._changes.position,
            "log": {"durable": self._pipeline.durable, "stored": self._pipeline.position},
            "counters": {name: found["count"] for name, found in self._counters.snapshot().items()},
        }


class Report:
    """The same with details, devices, gateways, publishers, and what is wrong."""

    def __init__(
        self,
        public: PublicReport,
        clock: Clock,
        counters: Counters,
        registry: Registry,
        store: Store,
        networks: Networks,
        ways: Ways,
        outward: Outward,
        leases: Leases,
        backfill: Backfill,
        incidents: IncidentBook,
        ports: dict[str, int],
    ) -> None:
        """ports: where the gateway listens, as it is when it is asked."""
        self._public = public
        self._clock = clock
        self._counters = counters
        self._registry = registry
        self._store = store
        self._networks = networks
        self._ways = ways
        self._outward = outward
        self._leases = leases
        self._backfill = backfill
        self._incidents = incidents
        self._ports = ports

    def __call__(self) -> dict[str, Any]:
        """Return what the operator may know."""
        devices, foreign = self._devices()
        return {
            **self._public(),
            "ports": self._ports,
            "counters": self._counters.snapshot(),
            "devices": devices,
            "foreign_devices": foreign,
            **self._networks.status(),
            "serial": self._ways.status(),
            "mqtt_connected": self._ways.mqtt_connected,
            "publishers": self._outward.state(),
            "leases": self._leases.state(),
            "missing_records": self._backfill.state(),
            "incidents": [
                {**asdict(entry.incident), "id": entry.id, "opened_ms": entry.opened_ms}
                for entry in self._incidents.open()
            ],
            "dead_letters": self._store.dead_letters(20),
        }

    def _devices(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the registered devices, and those that were heard and are not registered."""
        seen = {device.dev_eui: device for device in self._store.devices_seen()}
        devices: list[dict[str, Any]] = []
        for device in self._registry.devices():
            site = self._registry.site_of(device.dev_eui, self._clock.now_ms())
            found = seen.pop(device.dev_eui, None)
            devices.append(
                {
                    **asdict(device),
                    "site": site.id if site else None,
                    "seen": asdict(found) if found else None,
                    "config": self._registry.node_config(device.dev_eui),
                }
            )
        return devices, [asdict(device) for device in seen.values()]
