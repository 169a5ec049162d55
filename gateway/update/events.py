"""Whether something is going on at a device's site that an update must not miss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, Protocol

RAIN_MS = 3_600_000  # it may go on
NOISE_MS = 1_800_000
DAY_MS = 86_400_000
ABOVE_DB = 10.0  # an event stands out of the background (ISO 1996-2:2017, 3.5: identifiable in total sound)


class Store(Protocol):
    """Where the observations are."""

    def history(self, site_id: str, since_ms: int) -> Sequence[Any]:
        """Return a site's observations from a time on."""
        ...


class Sites(Protocol):
    """Which device is where."""

    def site_of(self, dev_eui: str, at_ms: int) -> Any:
        """Return the site, or None."""
        ...


def something_on(store: Store, sites: Sites, now_ms: Callable[[], int], dev_eui: str) -> bool:
    """Tell whether it rained in the last hour, or the newest half hour is much louder than the day before."""
    now = now_ms()
    site = sites.site_of(dev_eui, now)
    if site is None:
        return False
    levels: list[float] = []
    newest: list[float] = []
    for row in store.history(site.id, now - DAY_MS):
        value = row.value if row.value is not None else row.raw
        if value is None:
            continue
        if row.form.quantity == "precipitation" and value > 0 and row.observed_at_ms > now - RAIN_MS:
            return True
        if row.form.quantity == "laeq":
            (newest if row.observed_at_ms > now - NOISE_MS else levels).append(value)
    return bool(levels and newest) and max(newest) > median(levels) + ABOVE_DB
