"""Collects what gateway.health concludes from: registry, store, radio gateways, networks, publishers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from gateway.commissioning import RecentUplinks
from gateway.commissioning.rules import SNR_FLOOR_DB, spreading_factor
from gateway.health import DeviceFacts, Facts, GatewayFacts, NetworkFacts, Newest, PublisherFacts
from gateway.model import Uplink
from gateway.registry import Device, Registry, Site
from gateway.store import Store
from gateway.store.rows import Row
from gateway.store.store import DeviceSeen

DAY_MS = 86_400_000
BATTERIES_A_LOOK = 200


class Collector:
    """Remembers since when a network has been away, and who failed to write last."""

    def __init__(
        self,
        registry: Registry,
        store: Store,
        recent: RecentUplinks,
        networks: Callable[[], Mapping[str, Any]],
        publishers: Callable[[], Mapping[str, Mapping[str, Any]]],
        disk_failures: Callable[[], tuple[int, str]],
        started_ms: int,
    ) -> None:
        """networks: as gateway.networks.Networks.status; disk_failures: how many so far, and the last one."""
        self._registry = registry
        self._store = store
        self._recent = recent
        self._networks = networks
        self._publishers = publishers
        self._disk_failures = disk_failures
        self._started_ms = started_ms
        self._away_since: dict[str, int] = {}
        self._batteries: dict[str, tuple[int, tuple[tuple[int, float], ...]]] = {}
        self._failures_seen = 0
        self._reads_left = 0

    def facts(self, now_ms: int) -> Facts:
        """Return everything as it is now."""
        status = self._networks()
        failures, reason = self._disk_failures()
        disk = reason if failures > self._failures_seen else ""
        self._failures_seen = failures
        return Facts(
            now_ms=now_ms,
            started_ms=self._started_ms,
            devices=tuple(self._devices(now_ms)),
            gateways=tuple(_gateway(one) for one in status["gateways"]),
            networks=tuple(self._network(name, one, now_ms) for name, one in status["networks"].items()),
            publishers=tuple(self._publisher(name, state) for name, state in self._publishers().items()),
            disk=disk,
        )

    def device(self, dev_eui: str, now_ms: int) -> tuple[DeviceFacts, Facts] | None:
        """Return what is known of one device, and the moment it is known at; None when it stands nowhere."""
        device, site = self._registry.device(dev_eui), self._registry.site_of(dev_eui, now_ms)
        if device is None or site is None:
            return None
        seen = {one.dev_eui: one for one in self._store.devices_seen()}
        self._reads_left = max(1, self._reads_left)
        found = self._facts_of(device, site, seen.get(dev_eui), self._store.latest([site.id]), now_ms)
        return found, Facts(now_ms, self._started_ms, (found,))

    def site_names(self, dev_euis: Sequence[str]) -> list[str]:
        """Return the names of the sites at which devices are now, in order, each once."""
        found = (self._registry.site_of(dev_eui, 2**53) for dev_eui in dev_euis)
        return list(dict.fromkeys(site.name for site in found if site is not None))

    def _devices(self, now_ms: int) -> Iterable[DeviceFacts]:
        seen = {one.dev_eui: one for one in self._store.devices_seen()}
        self._reads_left = BATTERIES_A_LOOK
        rows: dict[str, list[Row]] = {}
        for row in self._store.latest():
            rows.setdefault(row.site_id, []).append(row)
        for device in self._registry.devices():
            site = self._registry.site_of(device.dev_eui, now_ms)
            if site is None:
                continue  # in a drawer
            yield self._facts_of(device, site, seen.get(device.dev_eui), rows.get(site.id, ()), now_ms)

    def _facts_of(
        self, device: Device, site: Site, seen: DeviceSeen | None, rows: Sequence[Row], now_ms: int
    ) -> DeviceFacts:
        """Put together what is known. rows: the newest of the site, whoever measured."""
        times = (one.from_ms for one in self._registry.deployments(device.dev_eui))
        since_ms = max(at_ms for at_ms in times if at_ms <= now_ms)
        uplinks = self._recent.of(device.dev_eui)
        own = [row for row in rows if row.observed_at_ms >= since_ms]
        has_battery = any(row.form.quantity == "battery" for row in rows)
        return DeviceFacts(
            dev_eui=device.dev_eui,
            site_id=site.id,
            site_name=site.name,
            kind=device.kind,
            since_ms=since_ms,
            way=seen.source if seen else device.transport,
            heard_ms=seen.received_at_ms if seen else max((row.received_at_ms for row in own), default=None),
            interval_ms=self._interval_ms(device.dev_eui, uplinks),
            heard_by=frozenset(heard.gateway_id for uplink in uplinks for heard in uplink.receptions),
            margin_db=_margin_db(uplinks),
            missed=_missed(uplinks),
            battery_mv=self._battery(site.id, now_ms) if has_battery else (),
            status=(seen.status if seen else None) or {},
            newest=tuple(Newest(row.form.quantity, row.form.state, row.form.flags) for row in own),
        )

    def _battery(self, site_id: str, now_ms: int) -> tuple[tuple[int, float], ...]:
        """Return the daily means of two weeks, read again each six hours, of some sites at a look."""
        read_ms, known = self._batteries.get(site_id, (0, ()))
        if now_ms - read_ms < DAY_MS // 4 or self._reads_left <= 0:
            return known
        self._reads_left -= 1
        days = self._store.buckets(site_id, "battery", now_ms - 14 * DAY_MS, now_ms + 1, DAY_MS, 0)
        found = tuple((day.start_ms, day.mean) for day in days)
        self._batteries[site_id] = (now_ms, found)
        return found

    def _interval_ms(self, dev_eui: str, uplinks: Sequence[Uplink]) -> int | None:
        """What the node told of its configuration, else the usual time between its last uplinks."""
        known = self._registry.node_config(dev_eui)
        told = known["values"].get("interval_s") if known else None
        if told is not None:
            return int(told["value"]) * 1000
        times = [uplink.received_at_ms for uplink in uplinks]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        return int(median(gaps)) if len(gaps) >= 3 else None

    def _network(self, name: str, status: Mapping[str, Any], now_ms: int) -> NetworkFacts:
        connected = bool(status["connected"])
        if connected:
            self._away_since.pop(name, None)
        else:
            self._away_since.setdefault(name, now_ms)
        return NetworkFacts(name, connected, self._away_since.get(name))

    def _publisher(self, name: str, state: Mapping[str, Any]) -> PublisherFacts:
        behind = self._store.newest_position() - int(state["position"])
        return PublisherFacts(
            name,
            int(state["failures_in_a_row"]),
            str(state["trouble"]),
            int(state["rejected"]),
            max(0, behind),
        )


def _gateway(status: Mapping[str, Any]) -> GatewayFacts:
    # what the two protocols have: pushes and pulls of datagrams, messages of a station
    times = [status.get(name) for name in ("last_push_ms", "last_pull_ms", "last_message_ms")]
    known = [int(at_ms) for at_ms in times if at_ms is not None]
    return GatewayFacts(str(status["gateway_id"]), max(known) if known else None)


def _margin_db(uplinks: Sequence[Uplink]) -> float | None:
    """Return the middle of the best margins of the last uplinks above what their data rate needs."""
    best: list[float] = []
    for uplink in uplinks:
        found = [
            heard.snr_db - SNR_FLOOR_DB[factor]
            for heard in uplink.receptions
            if heard.snr_db is not None and (factor := spreading_factor(heard.data_rate)) is not None
        ]
        if found:
            best.append(max(found))
    return median(best) if best else None


def _missed(uplinks: Sequence[Uplink]) -> float | None:
    """Return the share of the last frames that did not arrive, by their counters."""
    counters = [uplink.f_cnt for uplink in uplinks if uplink.f_cnt is not None]
    if len(counters) < 4 or sorted(counters) != counters:
        return None
    span = counters[-1] - counters[0] + 1
    return 1 - len(set(counters)) / span
