"""What corrections and calibrations of sites rest on, for the page of data quality. No device is named."""

from __future__ import annotations

from gateway.quality.colocation import LIMITS
from gateway.registry import Registry
from gateway.web.house import Calibrated


def calibrated(registry: Registry, now_ms: int) -> list[Calibrated]:
    """Return the corrections that hold now, and the newest good calibration of each noise node."""
    found: list[Calibrated] = []
    for one in registry.corrections():
        site = registry.site_of(one.dev_eui, now_ms)
        if site is None or one.from_ms > now_ms or (one.to_ms is not None and one.to_ms <= now_ms):
            continue
        percent, limits = one.uncertainty_percent, LIMITS.get(one.quantity)
        objectives = limits.objectives if limits and percent is not None else ()
        met = next((goal for goal in objectives if percent is not None and percent <= goal.percent), None)
        found.append(
            Calibrated(
                site_id=site.id,
                quantity=one.quantity,
                method=f"{one.method}, {one.version}",
                at_ms=one.from_ms,
                evidence=one.evidence,
                uncertainty_percent=percent,
                objective=met.name if met else "none" if objectives else "",
                objective_percent=met.percent if met else objectives[-1].percent if objectives else 0.0,
            )
        )
    for one in registry.calibrations():
        site = registry.site_of(one.dev_eui, now_ms)
        if site is None or one.outcome != "done" or one.to_ms is not None:
            continue
        found.append(Calibrated(site.id, "laeq", f"{one.correction_db:+.1f} dB", one.at_ms, one.instrument))
    return found
