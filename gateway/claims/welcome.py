"""What a new host sees: has the sensor been heard, and its first own value.

The page asks again every few seconds with the token or as the owner; no account is needed to see. Nothing
here is public: it shows the host the host's own sensor, consent to others or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from gateway.claims.book import ClaimBook
from gateway.claims.errors import ClaimError
from gateway.registry import Registry

# What a host is shown first, by kind of device: the first of these that has a number.
HEADLINES = {
    "air": ("pm2_5", "pm10", "temperature"),
    "noise": ("laeq", "lafmax"),
    "bin": ("filling_level", "distance"),
    "garden": ("temperature", "relative_humidity", "precipitation", "rain_tips"),
}


class Form(Protocol):
    """What a stored value is (gateway.store.sqlite.Form has it)."""

    @property
    def quantity(self) -> str: ...  # noqa: D102
    @property
    def unit(self) -> str: ...  # noqa: D102


class Stored(Protocol):
    """A stored value (gateway.store.sqlite.Row has it)."""

    @property
    def site_id(self) -> str: ...  # noqa: D102
    @property
    def observed_at_ms(self) -> int: ...  # noqa: D102
    @property
    def received_at_ms(self) -> int: ...  # noqa: D102
    @property
    def form(self) -> Form: ...  # noqa: D102
    @property
    def value(self) -> float | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a device is.

    stage: `silent` (not heard), `heard` (heard, but no number yet), `no_site` (it measures, but nobody said
    where it is: ask the host for a place), `value`. The other fields are set with `value`: the value,
    its unit and times, and its site; heard_ms with all but `silent`.
    """

    stage: str
    kind: str
    heard_ms: int | None = None
    site_id: str | None = None
    quantity: str | None = None
    unit: str | None = None
    value: float | None = None
    observed_at_ms: int | None = None


class Welcome:
    """Tells how far a device is, from registry and store."""

    def __init__(
        self,
        book: ClaimBook,
        registry: Registry,
        latest: Callable[[], Iterable[Stored]],
        heard_ms: Callable[[str], int | None],
    ) -> None:
        """latest: newest value of each site and quantity (SqliteStore.latest); heard_ms: by DevEUI."""
        self._book = book
        self._registry = registry
        self._latest = latest
        self._heard_ms = heard_ms

    def by_token(self, token: str, now_ms: int) -> Progress:
        """Return how far the device of a card is; ClaimError as ClaimBook.look."""
        return self.by_device(self._book.look(token, now_ms).dev_eui, now_ms)

    def by_device(self, dev_eui: str, now_ms: int) -> Progress:
        """Return how far a device is; ClaimError `device` when it is not registered."""
        device = self._registry.device(dev_eui)
        if device is None:
            raise ClaimError("device")
        heard_ms = self._heard_ms(dev_eui)
        if heard_ms is None:
            return Progress("silent", device.kind)
        site = self._registry.site_of(dev_eui, now_ms)
        if site is None:
            return Progress("no_site", device.kind, heard_ms)
        # A site goes on with a new device: what the one before measured is no first own value.
        since_ms = self._registry.deployments(dev_eui)[-1].from_ms
        own = {
            row.form.quantity: row
            for row in self._latest()
            if row.site_id == site.id and row.value is not None and row.observed_at_ms >= since_ms
        }
        for quantity in HEADLINES[device.kind]:
            row = own.get(quantity)
            if row is not None:
                return Progress(
                    "value",
                    device.kind,
                    heard_ms,
                    site.id,
                    quantity,
                    row.form.unit,
                    row.value,
                    row.observed_at_ms,
                )
        return Progress("heard", device.kind, heard_ms, site.id)
