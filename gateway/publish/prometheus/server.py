"""The text format of Prometheus 0.0.4. Names and units pass `promtool check metrics`.

Its linter refuses milli and micro in names, so lengths are metres, shares are ratios, pressures are pascals;
the mass of particles keeps the field's own unit as `ugm3`, and decibels and ppm have no base unit.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.clock import Clock
from gateway.model import PublicReader
from gateway.publish.posting import check_between

PATH = "/metrics"
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# unit of the measurement table: (suffix, scale)
_UNITS: dict[str, tuple[str, float]] = {
    "ug/m3": ("ugm3", 1.0),
    "Cel": ("celsius", 1.0),
    "%": ("ratio", 0.01),
    "dB(A)": ("decibels", 1.0),
    "dB(C)": ("decibels", 1.0),
    "dB": ("decibels", 1.0),
    "mm": ("meters", 0.001),
    "mm/h": ("meters_per_hour", 0.001),
    "mV": ("volts", 0.001),
    "mA": ("amperes", 0.001),
    "hPa": ("pascals", 100.0),
    "ppm": ("ppm", 1.0),
    "deg": ("degrees", 1.0),
    "1": ("", 1.0),
}


@dataclass(frozen=True, slots=True)
class PrometheusSettings:
    """Settings of /metrics. stale_s: a value older than that is left out, so that no flat line is drawn."""

    name: str = "prometheus"
    stale_s: int = 7200

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the key and the remedy."""
        check_between(f"publish.{self.name}.stale_s", self.stale_s, 60, 604_800, "7200")


class MetricsServer:
    """ASGI application for /metrics."""

    def __init__(
        self,
        reader: PublicReader,
        clock: Clock,
        settings: PrometheusSettings,
        status: Callable[[], dict[str, Any]] = dict,
        executor: Executor | None = None,
    ) -> None:
        self._reader = reader
        self._clock = clock
        self._settings = settings
        self._status = status
        self._executor = executor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        status = self._status()
        loop = asyncio.get_running_loop()
        text = await loop.run_in_executor(self._executor, lambda: self.text(status))
        response: Response = PlainTextResponse(text, media_type=MEDIA_TYPE)
        await response(scope, receive, send)

    def text(self, status: dict[str, Any]) -> str:
        """Return all metrics. Blocks: it reads the store."""
        oldest_ms = self._clock.now_ms() - self._settings.stale_s * 1000
        sites = {site.site_id: site for site in self._reader.sites()}
        families: dict[str, tuple[str, str, list[str]]] = {}
        times: list[str] = []
        for row in self._reader.latest():
            site = sites.get(row.site_id)
            if site is None or row.value is None or row.observed_at_ms < oldest_ms:
                continue
            suffix, scale = _UNITS.get(row.unit, ("", 1.0))
            name = f"meetnet_{row.quantity}" + (f"_{suffix}" if suffix else "")
            quality = "doubtful" if row.flags or row.state != "ok" else "good"
            labels = _labels(site=row.site_id, kind=site.kind, quality=quality, method=row.method)
            text = f"Newest {row.quantity.replace('_', ' ')} of each site."
            family = families.setdefault(name, (text, "gauge", []))
            family[2].append(f"{name}{labels} {_number(row.value * scale)}")
            labels = _labels(site=row.site_id, quantity=row.quantity)
            times.append(f"meetnet_observed_timestamp_seconds{labels} {row.observed_at_ms / 1000:.3f}")
        if times:
            text = "When the newest value of each series was observed."
            families["meetnet_observed_timestamp_seconds"] = (text, "gauge", times)
        _add_status(families, status)
        return "".join(
            f"# HELP {name} {text}\n# TYPE {name} {kind}\n" + "\n".join(lines) + "\n"
            for name, (text, kind, lines) in sorted(families.items())
        )


def _add_status(families: dict[str, tuple[str, str, list[str]]], status: dict[str, Any]) -> None:
    counters: dict[str, int] = status.get("counters", {})
    if counters:
        lines = [
            f"meetnet_events_total{_labels(event=name)} {count}" for name, count in sorted(counters.items())
        ]
        families["meetnet_events_total"] = ("What the gateway counted since it started.", "counter", lines)
    if "uptime_s" in status:
        text = "Time since the gateway started."
        lines = [f"meetnet_uptime_seconds {_number(float(status['uptime_s']))}"]
        families["meetnet_uptime_seconds"] = (text, "gauge", lines)
    if "position" in status:
        lines = [f"meetnet_store_position {status['position']}"]
        families["meetnet_store_position"] = ("Newest position of the store.", "gauge", lines)


def _labels(**values: str) -> str:
    def quoted(text: str) -> str:
        return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    return "{" + ",".join(f'{name}="{quoted(value)}"' for name, value in values.items()) + "}"


def _number(value: float) -> str:
    return f"{value:.10g}" if math.isfinite(value) else "NaN"
