"""One reading, told from its frame to its recipients: where it came from, what was done, where it went.

For the operator only: it names the device, the frame and the gateways that heard it.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from gateway.config import Config
from gateway.decode import Foreign, Profiles, decode
from gateway.errors import IngestError, RegistryError, StoreError
from gateway.exports import iso_utc
from gateway.model import Decoded, Uplink
from gateway.outlets import outlets
from gateway.publish import FileSideList
from gateway.quality import ASSIGNABLE, CHECKS, DEFAULTS, METHODS
from gateway.registry import Registry
from gateway.store import Store
from gateway.store.assessments import Assessments
from gateway.store.origin import Origin, origin
from gateway.store.rows import Row

_READING = re.compile(r"([^/@\s]+)/([^/@\s]+)(?:@(\S+))?")
_DAY_MS = 86_400_000
HOW = {
    "lns": "LoRaWAN, by the built-in network server",
    "chirpstack": "LoRaWAN, by ChirpStack",
    "ttn": "LoRaWAN, by The Things Stack",
    "mqtt": "MQTT",
    "push": "HTTP push",
    "serial": "a cable",
}
MOST = 100_000


@dataclass(frozen=True, slots=True)
class Sources:
    """What is asked. frame: the uplink at a sequence of this process's raw log, None when it is gone."""

    config: Config
    registry: Registry
    store: Store
    assessments: Assessments
    profiles: Profiles
    side: Path
    frame: Callable[[int], Uplink | StoreError | None]


def find(store: Store, reading: str) -> Row:
    """Return the observation that `SITE/QUANTITY[@TIME]` or a position names; raise RegistryError."""
    if reading.isascii() and reading.isdigit():
        row = store.at(int(reading[:18]))
        if row is None:
            raise RegistryError(f"there is no observation at position {reading[:20]}")
        return row
    found = _READING.fullmatch(reading)
    if found is None:
        raise RegistryError(
            f"{reading[:60]!r} names no reading: give SITE/QUANTITY[@2026-11-30T12:00:00Z] or a position"
        )
    site, quantity, when = found.groups()
    if when is None:
        rows = [row for row in store.latest([site]) if row.form.quantity == quantity]
    else:
        at_ms = _moment(when)
        rows = store.series(site, quantity, at_ms - _DAY_MS, at_ms + _DAY_MS, MOST)
        rows = sorted(rows, key=lambda row: abs(row.observed_at_ms - at_ms))[:1]
    if not rows:
        raise RegistryError(
            f"there is no {quantity[:40]} of {site[:64]}" + (f" within a day of {when}" if when else "")
        )
    return rows[0]


def explain(sources: Sources, reading: str) -> dict[str, Any]:
    """Return everything that is known of a reading; raise RegistryError when there is none."""
    row = find(sources.store, reading)
    came_from = origin(sources.store, row.position)
    uplink = sources.frame(came_from.log_sequence) if came_from and came_from.log_sequence else None
    return {
        "reading": _reading(row),
        "came_from": _came_from(sources, row, came_from, uplink),
        "decoded": _decoded(sources, row, came_from, uplink),
        "judged": _judged(sources, row, came_from),
        "went_to": _went_to(sources, row),
    }


def _reading(row: Row) -> dict[str, Any]:
    return {
        "position": row.position,
        "site": row.site_id,
        "quantity": row.form.quantity,
        "unit": row.form.unit,
        "raw": row.raw,
        "shown": row.value,
        "state": row.form.state,
        "flags": list(row.form.flags),
        "observed_at": iso_utc(row.observed_at_ms),
        "received_at": iso_utc(row.received_at_ms),
    }


def _came_from(
    sources: Sources, row: Row, came: Origin | None, uplink: Uplink | StoreError | None
) -> dict[str, Any]:
    if came is None:
        return {"text": "its record is not known any more: it was sealed or copied without its origin"}
    device = sources.registry.device(came.dev_eui)
    found: dict[str, Any] = {
        "device": came.dev_eui,
        "alias": device.alias if device else None,
        "transport": device.transport if device else None,
        "profile": (device.profile if device else "") or "ours",
        "record": came.seq,
        "log_sequence": came.log_sequence,
        "deployed_since": _since(sources.registry, came.dev_eui, row.observed_at_ms),
    }
    if not came.log_sequence:
        return found | {"text": "it was imported: no frame brought it"}
    if uplink is None:
        return found | {"text": "its frame is not in this raw log (data.raw_days, or another worker's)"}
    if isinstance(uplink, StoreError):
        return found | {"text": f"its frame cannot be read: {uplink}"}
    return found | {
        "network": uplink.source,
        "how": HOW.get(uplink.source, uplink.source),
        "port": uplink.f_port,
        "counter": uplink.f_cnt,
        "frame": uplink.payload.hex(),
        "received_at": iso_utc(uplink.received_at_ms),
        "heard_by": [msgspec.structs.asdict(reception) for reception in uplink.receptions],
    }


def _since(registry: Registry, dev_eui: str, at_ms: int) -> str | None:
    for one in reversed(registry.deployments(dev_eui)):
        if one.from_ms <= at_ms:
            return iso_utc(one.from_ms) if one.from_ms else "ever"
    return None


def _decoded(
    sources: Sources, row: Row, came: Origin | None, uplink: Uplink | StoreError | None
) -> dict[str, Any]:
    if came is None or not isinstance(uplink, Uplink):
        return {"text": "there is no frame to decode again"}
    profile = sources.registry.profile_of(came.dev_eui)
    try:
        if profile:
            records, _ = Foreign(sources.profiles.get).decode(uplink, profile)
        else:
            records = decode(uplink).records
    except IngestError as error:
        return {"text": f"the same frame is refused now: {error}", "cause": error.cause}
    found = next((one for one in records if one.seq == came.seq), None)
    if found is None:
        return {"text": "the frame brought it by the parity of others, or its profile has changed since"}
    return {
        "by": f"profile {profile}" if profile else "wire.codec",
        "time": found.time_quality,
        "readings": _readings(found),
        "same_as_stored": _same(found, row),
    }


def _readings(record: Decoded) -> list[dict[str, Any]]:
    return [
        {"quantity": one.quantity, "value": one.value, "unit": one.unit, "state": one.state}
        for one in record.readings
    ]


def _same(record: Decoded, row: Row) -> bool | None:
    for one in record.readings:
        if one.quantity == row.form.quantity:
            return one.value == row.raw and one.state == row.form.state
    return None  # derived: the device said something else of which it follows


def _judged(sources: Sources, row: Row, came: Origin | None) -> dict[str, Any]:
    at_ms, quantity = row.observed_at_ms, row.form.quantity
    checks = [
        {
            "check": check.name,
            "version": check.version,
            "parameters": dict(check.parameters),
            "source": check.source,
            "raised": check.name in row.form.flags,
        }
        for check in CHECKS
        if check.quantity == quantity and check.valid_from_ms <= at_ms < check.valid_to_ms
    ]
    known = {check.name for check in CHECKS if check.quantity == quantity}
    second = [
        {**asdict(one), "from": iso_utc(one.from_ms), "to": iso_utc(one.to_ms)}
        for one in sources.assessments.between(at_ms, at_ms + 1, row.site_id)
        if one.quantity == quantity
    ]
    return {
        "checks": checks,
        "other_flags": [flag for flag in row.form.flags if flag not in known],
        "correction": _correction(sources, row, came),
        "second_look": second,
    }


def _correction(sources: Sources, row: Row, came: Origin | None) -> dict[str, Any]:
    form = row.form
    if form.method == "none":
        return {"method": "none", "text": "shown as measured"}
    found: dict[str, Any] = {"method": form.method, "version": form.method_version}
    assigned = sources.registry.correction(came.dev_eui, form.quantity, row.observed_at_ms) if came else None
    if assigned is not None and assigned.method == form.method:
        found |= {
            "parameters": dict(assigned.parameters),
            "evidence": assigned.evidence,
            "uncertainty_percent": assigned.uncertainty_percent,
        }
    for method in (*METHODS, *(default.method for default in DEFAULTS)):
        if (method.name, method.quantity) == (form.method, form.quantity):
            found = {"parameters": dict(method.parameters), "text": method.text} | found
    for known in ASSIGNABLE:
        if known.name == form.method:
            found = {"text": known.text} | found
    return found


def _moment(text: str) -> int:
    try:
        when = datetime.datetime.fromisoformat(text)
        return int((when if when.tzinfo else when.replace(tzinfo=datetime.UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise RegistryError(f"{text[:40]!r} is no time: write 2026-11-30T12:00:00Z") from None


def _went_to(sources: Sources, row: Row) -> list[dict[str, Any]]:
    positions = sources.store.publisher_positions()
    side = FileSideList(sources.side)
    out: list[dict[str, Any]] = []
    names = [("page and open data", "public", None)]
    names += [
        (outlet.name, outlet.recipient, positions.get(outlet.name, 0)) for outlet in outlets(sources.config)
    ]
    for name, recipient, position in names:
        consent = _consent(sources.registry, row, recipient)
        refused = next((one.reason for one in side.read(name) if one.row.position == row.position), None)
        is_past = position is None or position >= row.position
        out.append(
            {
                "outlet": name,
                "recipient": recipient,
                "position": position,
                "consent": consent,
                "outcome": "not for it"
                if not consent["given"]
                else f"refused for good: {refused}"
                if refused
                else "confirmed"
                if is_past and position is not None
                else "shown"
                if is_past
                else "waits",
            }
        )
    return out


def _consent(registry: Registry, row: Row, recipient: str) -> dict[str, Any]:
    for one in registry.consents(row.site_id):
        if one.recipient == recipient and one.to_ms is None and one.from_ms <= row.observed_at_ms:
            return {"given": True, "since": iso_utc(one.from_ms) if one.from_ms else "ever"}
    ended = [one.to_ms for one in registry.consents(row.site_id) if one.recipient == recipient and one.to_ms]
    later = [one.from_ms for one in registry.consents(row.site_id) if one.recipient == recipient]
    why = (
        f"withdrawn at {iso_utc(max(ended))}"
        if ended
        else f"given from {iso_utc(min(later))} on only"
        if later
        else "never given"
    )
    return {"given": False, "why": why}
