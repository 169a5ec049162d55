"""Collects what gateway.health concludes from: registry, store, radio gateways, networks, publishers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from pathlib import Path
from statistics import median
from typing import Any

from gateway.commissioning import RecentUplinks
from gateway.commissioning.rules import SNR_FLOOR_DB, spreading_factor
from gateway.config import Config
from gateway.health import (
    CertificateFacts,
    DeviceFacts,
    DiskFacts,
    Facts,
    GatewayFacts,
    NetworkFacts,
    Newest,
    PublisherFacts,
)
from gateway.model import Uplink
from gateway.registry import Registry
from gateway.registry.standing import Standing
from gateway.shapes import Form
from gateway.store import Store
from gateway.store.newest import NewestForms, Seen, newest_of, seen_of
from gateway.tls import expiry_of, listener_certificates

DAY_MS = 86_400_000
BATTERIES_A_LOOK = 200
_OCCASION_MS, _GAPS, _SETTLED_UPLINKS = 60_000, 3, 20


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
        space: Callable[[], DiskFacts | None] = lambda: None,
        certificates: Callable[[], Sequence[CertificateFacts]] = tuple,
        refused: Callable[[str], int] = lambda _: 0,
    ) -> None:
        """networks: as gateway.networks.Networks.status; disk_failures: how many so far, and the last one.

        refused: how many rows wait on the side list of a publisher.
        """
        self._space, self._certificates, self._refused = space, certificates, refused
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
        """Return everything as it is now. The devices are read while one looks at them: once."""
        status = self._networks()
        failures, reason = self._disk_failures()
        disk = reason if failures > self._failures_seen else ""
        self._failures_seen = failures
        return Facts(
            now_ms=now_ms,
            started_ms=self._started_ms,
            devices=self._devices(now_ms),
            gateways=tuple(_gateway(one) for one in status["gateways"]),
            networks=tuple(self._network(name, one, now_ms) for name, one in status["networks"].items()),
            publishers=tuple(self._publisher(name, state) for name, state in self._publishers().items()),
            disk=disk,
            space=self._space(),
            certificates=tuple(self._certificates()),
        )

    def device(self, dev_eui: str, now_ms: int) -> tuple[DeviceFacts, Facts] | None:
        """Return what is known of one device, and the moment it is known at; None when it stands nowhere."""
        device, site = self._registry.device(dev_eui), self._registry.site_of(dev_eui, now_ms)
        if device is None or site is None:
            return None
        times = (one.from_ms for one in self._registry.deployments(dev_eui))
        since_ms = max(at_ms for at_ms in times if at_ms <= now_ms)
        told = (self._registry.node_config(dev_eui) or {"values": {}})["values"]
        batch = int(told.get("batch", {"value": 1})["value"])
        speaks_s = int(told["interval_s"]["value"]) * batch if "interval_s" in told else None
        one = Standing(dev_eui, device.kind, device.transport, site.id, site.name, since_ms, speaks_s)
        self._reads_left = max(1, self._reads_left)
        found = next(iter(self._some([one], now_ms)))
        return found, Facts(now_ms, self._started_ms, (found,))

    def site_names(self, dev_euis: Sequence[str]) -> list[str]:
        """Return the names of the sites at which devices are now, in order, each once."""
        found = (self._registry.site_of(dev_eui, 2**53) for dev_eui in dev_euis)
        return list(dict.fromkeys(site.name for site in found if site is not None))

    def _devices(self, now_ms: int) -> Iterator[DeviceFacts]:
        self._reads_left = BATTERIES_A_LOOK
        for part in self._registry.standing(now_ms):
            yield from self._some(part, now_ms)

    def _some(self, part: Sequence[Standing], now_ms: int) -> Iterator[DeviceFacts]:
        database = self._store.database
        seen = seen_of(database, [one.dev_eui for one in part])
        newest = newest_of(database, self._store.shape_of, list({one.site_id for one in part}))
        for one in part:
            yield self._facts_of(one, seen.get(one.dev_eui), newest.get(one.site_id, ()), now_ms)

    def _facts_of(
        self, one: Standing, seen: Seen | None, parts: Sequence[NewestForms], now_ms: int
    ) -> DeviceFacts:
        """Put together what is known. parts: the newest of the site, whoever measured."""
        uplinks = self._recent.of(one.dev_eui)
        own = [part for part in parts if part.observed_at_ms >= one.since_ms]
        heard_ms = seen.received_at_ms if seen else max((part.received_at_ms for part in own), default=None)
        return DeviceFacts(
            dev_eui=one.dev_eui,
            site_id=one.site_id,
            site_name=one.site_name,
            kind=one.kind,
            since_ms=one.since_ms,
            way=seen.source if seen else one.transport,
            heard_ms=heard_ms,
            interval_ms=self._interval_ms(one, uplinks, seen.uplinks if seen else 0),
            heard_by=_heard_by(uplinks) if uplinks else _NOBODY,
            margin_db=_margin_db(uplinks),
            missed=_missed(uplinks),
            battery_mv=self._battery(one.site_id, now_ms) if any(map(_has_battery, parts)) else (),
            status=(seen.status if seen else None) or {},
            newest=_said([part.forms() for part in own]),
        )

    def _interval_ms(self, one: Standing, uplinks: Sequence[Uplink], heard: int) -> int | None:
        """Return how often a device should be heard: by what it told, and how it was heard lately."""
        usual_ms = _usual_ms([uplink.received_at_ms for uplink in uplinks], heard) if uplinks else None
        if usual_ms is not None:
            usual_ms = max(usual_ms, self._recent.pause_ms(one.dev_eui))
        return usual_ms if one.speaks_s is None else max(one.speaks_s * 1000, usual_ms or 0)

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
            self._refused(name),
            max(0, behind),
        )


def space_of(directory: Path) -> DiskFacts | None:
    """Return what is left of the disk of a directory; None when that cannot be told."""
    try:
        found = shutil.disk_usage(directory)
    except OSError:
        return None
    return DiskFacts(found.free, found.total)


def certificates_of(config: Config) -> list[CertificateFacts]:
    """Return until when the certificates of our listeners hold, as they are in their files now."""
    found: list[CertificateFacts] = []
    for section, path in listener_certificates(config):
        ends = expiry_of(path)
        if ends is not None:
            found.append(CertificateFacts(section, int(ends.timestamp() * 1000)))
    return found


def _gateway(status: Mapping[str, Any]) -> GatewayFacts:
    # what the two protocols have: pushes and pulls of datagrams, messages of a station
    times = [status.get(name) for name in ("last_push_ms", "last_pull_ms", "last_message_ms")]
    known = [int(at_ms) for at_ms in times if at_ms is not None]
    return GatewayFacts(str(status["gateway_id"]), max(known) if known else None)


_NOBODY: frozenset[str] = frozenset()


def _has_battery(part: NewestForms) -> bool:
    return any(form.quantity == "battery" for form in part.forms())


@lru_cache(1000)  # most sites of a city have the same to say
def _newest_of(forms: tuple[Form, ...]) -> tuple[Newest, ...]:
    return tuple(sorted((Newest(form.quantity, form.state, form.flags) for form in forms), key=_by_quantity))


def _by_quantity(one: Newest) -> str:
    return one.quantity


def _said(parts: Sequence[tuple[Form, ...]]) -> tuple[Newest, ...]:
    return _newest_of(parts[0]) if len(parts) == 1 else _newest_of(tuple(chain.from_iterable(parts)))


def _heard_by(uplinks: Sequence[Uplink]) -> frozenset[str]:
    return frozenset(heard.gateway_id for uplink in uplinks for heard in uplink.receptions)


def _usual_ms(times_ms: Sequence[int], heard: int) -> int | None:
    """Return the usual time between a device's uplinks, None while that cannot be told.

    A node that starts says several things within a minute or so (joins, asks the time, tells its status)
    and then one frame an hour, if that is how often it is to: what follows within a minute is one occasion.
    Who is heard each few seconds for good is told from that by how often it was heard in all.
    """
    gaps = [later - earlier for earlier, later in pairwise(times_ms)]
    apart = [gap for gap in gaps if gap >= _OCCASION_MS]
    if not apart and heard >= _SETTLED_UPLINKS:
        apart = gaps
    return int(median(apart)) if len(apart) >= _GAPS else None


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
