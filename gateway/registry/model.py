"""What the registry knows. A site is not a device: series belong to sites, a device is deployed from-to.

A site's position here is the exact one; it leaves the house only through `snapped` (gateway.store.public).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

KINDS = ("air", "noise", "bin", "garden")
TRANSPORTS = ("lorawan", "mqtt", "http", "serial")
MAX_PRECISION_M = 50_000
DEFAULT_ORGANISATION = "city"
PUBLIC = "public"  # the recipient that stands for everybody: pages, open data, platforms


@dataclass(frozen=True, slots=True)
class Site:
    """A place where something is measured. precision_m: size of the grid cell shown; 0 = the exact point."""

    id: str
    organisation: str
    name: str
    kind: str
    longitude: float
    latitude: float
    precision_m: int
    licence: str
    empty_mm: float | None = None  # bin: distance sensor to bottom
    full_mm: float | None = None  # bin: distance at which it counts as full
    rain_mm_per_tip: float | None = None


class SharedSite(msgspec.Struct, frozen=True, gc=False):
    """What a recipient's view of a site is made of, the exact position still in it."""

    id: str
    name: str
    kind: str
    longitude: float
    latitude: float
    precision_m: int
    licence: str


@dataclass(frozen=True, slots=True)
class Device:
    """A node. Its keys and passwords are kept elsewhere (see secrets)."""

    dev_eui: str
    kind: str
    transport: str
    join_eui: str | None = None
    profile: str = ""  # how it writes, where it is none of ours (gateway/decode/foreign)
    alias: str | None = None  # what it calls itself, where that is no DevEUI: esp8266-12345678


@dataclass(frozen=True, slots=True)
class Deployment:
    """A device at a site, in [from_ms, to_ms); to_ms None = still there."""

    dev_eui: str
    site_id: str
    from_ms: int
    to_ms: int | None


@dataclass(frozen=True, slots=True)
class Consent:
    """A host's word that data of a site, observed in [from_ms, to_ms), may go to a recipient."""

    site_id: str
    recipient: str
    from_ms: int
    to_ms: int | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """A calibration of a noise node as it told it. outcome: done, or why not (wire.sound.OUTCOMES).

    correction_db: in effect after it, added to the nominal sensitivity. to_ms: until when it holds, from
    at_ms on; None = still; only those that are done hold at all.
    """

    dev_eui: str
    at_ms: int
    token: int
    outcome: str
    level_db: float
    correction_db: float
    instrument: str
    to_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Correction:
    """How a quantity of a device is corrected, observed in [from_ms, to_ms); to_ms None = still.

    method, version, parameters: a row of gateway.quality.ASSIGNABLE. evidence: what it rests on, in words.
    uncertainty_percent: expanded (k = 2), relative, where a co-location gave one.
    """

    dev_eui: str
    quantity: str
    method: str
    version: int
    parameters: Mapping[str, float]
    from_ms: int
    to_ms: int | None
    evidence: str
    uncertainty_percent: float | None = None


@dataclass(frozen=True, slots=True)
class NodeAnswer:
    """What a node answered to a configuration command (wire.commands), received at at_ms.

    outcome: `values` for an answer to get, otherwise what came of a set (wire.commands.OUTCOMES). key: the
    one at fault, "" when none is. config_hash: 8 hex digits of the configuration that then ran. values: by
    key, only with `values`.
    """

    dev_eui: str
    at_ms: int
    token: int
    outcome: str
    key: str
    config_hash: str
    values: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class NodeOrder:
    """Values that a node was asked at at_ms to take. token: what its answers carry. who: by whom."""

    dev_eui: str
    at_ms: int
    token: int
    trial_min: int
    values: dict[str, int]
    who: str = ""


@dataclass(frozen=True, slots=True)
class RowReport:
    """What became of one row of an import: added, updated, unchanged or refused (with the reason).

    row: its number from 1; of CSV the line, as spreadsheets number it.
    """

    row: int
    dev_eui: str
    outcome: str
    message: str = ""
