"""When a pause of a device is silence: for incidents (health), and for how a device is usually heard.

Both must mean the same: what counts as an outage must not become the usual pause of a device.
"""

from __future__ import annotations

SILENT_INTERVALS = 3.0  # of its own, after which a device is silent
SILENT_LEAST_MS = 20 * 60_000  # but never before
