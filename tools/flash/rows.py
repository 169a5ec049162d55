"""The list of devices to make: one CSV row a device, checked whole before the first board is written.

Columns as of `meetnet device add --from FILE.csv`, and:
    board      which board of firmware/boards (t3s3_garden)
    row        its name in journal and report; without this column site_id: lines come and go, a site stays
    mac        this very board; else the next board with the right chip
    owner      whose it is, for the label; language of label and card: nl, fr, en
and any key of the node's config.json (interval_s, wifi.ssid, ...), as given.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway import sheet
from gateway.errors import GatewayError, SheetError
from gateway.registry import rules
from gateway.registry.street import site_in
from gateway.registry.tables import device_fields, read_sheet
from node import config as node_config
from tools.flash.application import Node, nodes
from tools.flash.errors import FlashError

NEEDED = ("board", "kind", "transport", "site_id", "longitude", "latitude")
_OWN = ("row", "board", "mac", "owner", "language", "dev_eui", "join_eui", "app_key", "mqtt_password")
_SITE = (
    "kind", "transport", "site_id", "site_name", "longitude", "latitude", "precision_m", "licence",
    "empty_mm", "full_mm", "rain_mm_per_tip", "public", "from_ms",
)  # fmt: skip
_KEYS = {row[0]: row[1] for row in node_config.KEYS}
_DEFAULTS = {row[0]: row[2] for row in node_config.KEYS}
# Keys of config.json that follow from other columns.
_FIXED = ("kind", "board", "radio", "dev_eui", "join_eui", "app_key", "mqtt.password")
_FREE = tuple(key for key in _KEYS if key not in _FIXED)
_MAC = re.compile(r"[0-9a-f]{12}")
_ROW = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Row:
    """One device to make. dev_eui None: from the board's MAC. Its repr shows no secret.

    site: as in a provisioning file, checked. from_ms: since when it is there; None: since ever.
    """

    name: str
    line: int
    board: str
    chip: str
    kind: str
    transport: str
    site: Mapping[str, Any]
    from_ms: int | None = None
    mac: str | None = None
    dev_eui: str | None = None
    join_eui: str = "0" * 16
    app_key: str | None = field(default=None, repr=False)
    mqtt_password: str | None = field(default=None, repr=False)
    owner: str = ""
    language: str = "nl"
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)

    @property
    def title(self) -> str:
        """Name of its site, as people know it."""
        return str(self.site["name"])

    @property
    def site_id(self) -> str:
        """Public id of its site."""
        return str(self.site["id"])


def read(path: Path) -> list[Row]:
    """Return the rows of a file. FlashError `rows` names every bad line."""
    try:
        found = read_sheet(path)
    except SheetError as error:
        raise FlashError("rows", str(error)) from error
    said = sheet.missing(found, NEEDED)
    said += [f"column {name!r} is unknown" for name in found.columns if name not in (*_OWN, *_SITE, *_FREE)]
    if said:
        raise FlashError("rows", f"{path}: {', '.join(said)}")
    known, rows, faults = nodes(), list[Row](), list[tuple[int, str]]()
    for one_row in found.rows:
        try:
            if one_row.fault:
                raise FlashError("rows", one_row.fault)
            rows.append(_row(one_row.cells, one_row.line, known))
        except (FlashError, GatewayError) as error:
            faults.append((one_row.line, str(error)))
    faults += _twice(rows)
    if faults:
        raise FlashError("rows", f"{path}:{sheet.told(faults)}")
    if not rows:
        raise FlashError("rows", f"{path}: no row in it")
    return rows


def one(cells: Mapping[str, str]) -> Row:
    """Return the row of a single device from its columns; FlashError or GatewayError when it cannot be."""
    for name in cells:
        if name not in (*_OWN, *_SITE, *_FREE):
            raise FlashError("rows", f"{name}: is no column; see tools/flash/README.md")
    return _row(cells, 1, nodes())


def _row(cells: Mapping[str, str], line: int, known: Mapping[str, Node]) -> Row:
    for name in NEEDED:
        if not cells.get(name):
            raise FlashError("rows", f"{name}: missing")
    board = cells["board"].lower()
    if board not in known:
        near = difflib.get_close_matches(board, known)
        raise FlashError("rows", f"board: {board!r} is none of {', '.join(near or known)}")
    node = known[board]
    name = cells.get("row") or cells["site_id"]
    if not _ROW.fullmatch(name):
        raise FlashError("rows", f"row: {name!r}; give 1 to 64 of A-Z a-z 0-9 . _ -")
    mac = cells.get("mac", "").replace(":", "").replace("-", "").lower() or None
    if mac is not None and not _MAC.fullmatch(mac):
        raise FlashError("rows", f"mac: {cells['mac']!r} is not 12 hex digits")
    language = (cells.get("language") or "nl").lower()
    if language not in ("nl", "fr", "en"):
        raise FlashError("rows", f"language: {language!r}; give nl, fr or en")
    transport, kind = cells["transport"].lower(), cells["kind"].lower()
    if transport not in ("lorawan", "mqtt"):
        raise FlashError("rows", f"transport: {transport!r}; give lorawan or mqtt")
    if kind not in node_config.KINDS:
        raise FlashError("rows", f"kind: {kind!r}; give {', '.join(node_config.KINDS)}")
    if kind != node.kind:
        raise FlashError(
            "rows", f"kind: {kind!r}, but {board} measures as {node.kind!r}; correct one of them"
        )
    app_key, password = cells.get("app_key") or None, cells.get("mqtt_password") or None
    if app_key is not None:
        app_key = rules.key("app_key", app_key).hex()
    if password is not None and not 8 <= len(password) <= 64:
        raise FlashError("rows", "mqtt_password: give 8 to 64 characters, or none for a random one")
    settings = {key: _setting(key, cells[key]) for key in _FREE if cells.get(key)}
    if transport == "mqtt" and "mqtt.host" not in settings:
        raise FlashError("rows", "mqtt.host: missing; give the name or address of the gateway")
    fields = device_fields(cells)
    site = site_in(fields, kind)
    dev_eui = rules.eui("dev_eui", cells["dev_eui"]) if cells.get("dev_eui") else None
    if dev_eui is not None:
        rules.check_pseudonym(site.id, dev_eui)
    return Row(
        name, line, board, node.chip, kind, transport, fields["site"],
        sheet.moment_ms("from_ms", cells["from_ms"]) if cells.get("from_ms") else None, mac, dev_eui,
        rules.eui("join_eui", cells["join_eui"]) if cells.get("join_eui") else "0" * 16,
        app_key, password, cells.get("owner", ""), language, settings,
    )  # fmt: skip


def _setting(key: str, text: str) -> Any:
    kind = _KEYS[key]
    value: Any = text
    if kind == "int":
        try:
            value = int(text)
        except ValueError:
            raise FlashError("rows", f"{key}: {text!r} is no whole number") from None
    elif isinstance(_DEFAULTS[key], bool):
        value = sheet.truth(key, text)
    elif kind == "choice":
        value = text.lower()
    fault = node_config.fault(key, value)
    if fault:
        raise FlashError("rows", f"{key}: {fault}")
    return value


def _twice(rows: list[Row]) -> list[tuple[int, str]]:
    faults: list[tuple[int, str]] = []
    for what in ("name", "mac", "dev_eui", "site_id", "app_key"):
        seen: dict[str, int] = {}
        for row in rows:
            value = getattr(row, what)
            if value is not None and value in seen:
                shown = "app_key" if what == "app_key" else f"{what} {value}"
                faults.append((row.line, f"{shown} is on line {seen[value]} too; each device has its own"))
            elif value is not None:
                seen[value] = row.line
    return faults


def with_trust(row: Row, trust: Mapping[str, Any], broker: Callable[[], Mapping[str, Any]]) -> Row:
    """Return a row with what a node of this gateway trusts, where its own columns do not say it.

    trust: for every node. broker: for those on Wi-Fi; asked only when a row has no mqtt.ca of its own.
    """
    found = dict(trust)
    says_it = "mqtt.ca" in row.settings or row.settings.get("mqtt.tls") is False
    if row.transport == "mqtt" and not says_it:
        found |= broker()
    return replace(row, settings=found | dict(row.settings))


def config_of(row: Row, dev_eui: str, app_key: str | None, password: str | None) -> dict[str, Any]:
    """Return config.json of a device; FlashError `rows` when the node would not take it as it is."""
    found: dict[str, Any] = {
        "schema": node_config.SCHEMA, "kind": row.kind, "board": row.board, "dev_eui": dev_eui,
        "radio": row.transport,
    }  # fmt: skip
    if row.transport == "lorawan":
        found |= {"join_eui": row.join_eui, "app_key": app_key}
    nested = dict(row.settings)
    if password is not None:
        nested["mqtt.password"] = password
    for key, value in nested.items():
        place = found
        *parts, last = key.split(".")
        for part in parts:
            place = place.setdefault(part, {})
        place[last] = value
    return found
