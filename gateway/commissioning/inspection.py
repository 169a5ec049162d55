"""Gathers what the rules judge: what the device told since the visit began, and what stands around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.commissioning import rules
from gateway.commissioning.model import RED, WAITING, Check, Neighbour, Position, worst
from gateway.commissioning.uplinks import RecentUplinks
from gateway.errors import RegistryError
from gateway.registry import Device, Registry, Site

ABOUT_MS = 45 * 60_000  # values this close in time are compared
_DAMNING = ("range", "geometry", "order")  # flags that no weather explains


class Form(Protocol):
    """What a stored value is (gateway.store.sqlite.Form has it)."""

    @property
    def quantity(self) -> str: ...  # noqa: D102
    @property
    def state(self) -> str: ...  # noqa: D102
    @property
    def flags(self) -> tuple[str, ...]: ...  # noqa: D102


class Stored(Protocol):
    """A stored value (gateway.store.sqlite.Row has it)."""

    @property
    def site_id(self) -> str: ...  # noqa: D102
    @property
    def observed_at_ms(self) -> int: ...  # noqa: D102
    @property
    def form(self) -> Form: ...  # noqa: D102
    @property
    def value(self) -> float | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Scene:
    """A visit: which device was scanned, where it should be, since when the technician is there."""

    dev_eui: str
    site_id: str
    since_ms: int
    position: Position | None = None
    has_photo: bool = False


@dataclass(frozen=True, slots=True)
class Inspection:
    """What all checks say. passed: nothing is red and nothing is waited for."""

    checks: tuple[Check, ...]
    verdict: str

    @property
    def passed(self) -> bool:
        """Whether the site may be left like this."""
        return self.verdict not in (RED, WAITING)


class Inspector:
    """Judges a site from registry and store, as often as the page asks; keeps nothing."""

    def __init__(
        self, registry: Registry, latest: Callable[[], Iterable[Stored]], recent: RecentUplinks
    ) -> None:
        """latest: newest value of each site and quantity (SqliteStore.latest)."""
        self._registry = registry
        self._latest = latest
        self._recent = recent

    def inspect(self, scene: Scene, now_ms: int) -> Inspection:
        """Return what the checks say now. RegistryError when device or site is unknown."""
        device = self._registry.device(scene.dev_eui)
        if device is None:
            raise RegistryError(f"{scene.dev_eui} is not registered: scan the label again, or add it first")
        wanted = self._registry.site(scene.site_id)
        if wanted is None:
            raise RegistryError(f"site {scene.site_id!r} is not registered: make it first")
        at = self._registry.site_of(scene.dev_eui, now_ms)
        rows = list(self._latest())
        own = self._own(rows, at, scene)
        checks = [rules.place(device.kind, wanted.kind, at.id if at else "-", wanted.id)]
        uplinks = self._recent.of(scene.dev_eui, scene.since_ms)
        checks.append(rules.signal(uplinks) if device.transport == "lorawan" else rules.wifi(uplinks))
        checks.append(rules.sensors({name: row.form.state for name, row in own.items()}))
        distance = own["distance"].value if "distance" in own else None
        if "tilt" in own:
            leaning = rules.tilt(device.kind, own["tilt"].value, distance)
            if leaning is not None:
                checks.append(leaning)
        checks.append(self._plausible(device, wanted, own, rows))
        checks.append(rules.position(scene.position, wanted.longitude, wanted.latitude))
        checks.append(rules.photo(scene.has_photo))
        return Inspection(tuple(checks), worst(checks))

    # -- within

    def _own(self, rows: Iterable[Stored], at: Site | None, scene: Scene) -> dict[str, Stored]:
        if at is None:
            return {}
        # A site goes on with a new device: what the one before told is not what is judged.
        since_ms = max(scene.since_ms, self._registry.deployments(scene.dev_eui)[-1].from_ms)
        return {
            row.form.quantity: row for row in rows if row.site_id == at.id and row.observed_at_ms >= since_ms
        }

    def _plausible(
        self, device: Device, wanted: Site, own: Mapping[str, Stored], rows: Iterable[Stored]
    ) -> Check:
        values = {name: row.value for name, row in own.items() if row.value is not None}
        if not values:
            return Check("plausible", WAITING, "sensors_waiting")
        flagged = sorted(name for name, row in own.items() if set(row.form.flags) & set(_DAMNING))
        if flagged:
            return Check("plausible", RED, "value_flagged", {"names": ", ".join(flagged)})
        found: list[Check] = []
        if device.kind == "bin" and "distance" in values:
            judged = rules.bin_geometry(values["distance"], wanted.empty_mm, wanted.full_mm)
            found += [judged] if judged else []
        around = {name: self._around(wanted, name, own[name], rows) for name in values}
        room = rules.indoors(values, around)
        if room is not None:
            return room
        for name, value in values.items():
            judged = rules.against_neighbours(name, value, around[name])
            found += [judged] if judged else []
        if not found:
            return Check("plausible", "green", "nothing_to_compare")
        verdict = worst(found)
        return next(check for check in found if check.verdict == verdict)

    def _around(self, wanted: Site, quantity: str, own: Stored, rows: Iterable[Stored]) -> list[Neighbour]:
        found: list[Neighbour] = []
        for row in rows:
            if row.form.quantity != quantity or row.site_id in (wanted.id, own.site_id) or row.value is None:
                continue
            if row.form.flags or row.form.state != "ok":
                continue
            if abs(row.observed_at_ms - own.observed_at_ms) > ABOUT_MS:
                continue
            site = self._registry.site(row.site_id)
            if site is not None:
                away_m = rules.distance_m(wanted.longitude, wanted.latitude, site.longitude, site.latitude)
                found.append(Neighbour(site.id, row.value, away_m))
        return found
