"""What is newest of devices and sites, some at a time, without their values: to look at a whole city."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import msgspec

from gateway.shapes import Form, Shape
from gateway.statements import pieces
from gateway.store.database import Database, marks
from gateway.store.rows import decode_parts


class Seen(msgspec.Struct, frozen=True, gc=False):
    """When, by which way and with which status a device was last heard, and how often so far."""

    source: str
    received_at_ms: int
    uplinks: int
    status: dict[str, int | str] | None


class NewestForms(msgspec.Struct, frozen=True, gc=False):
    """Some of the newest values of a site that were measured together: what they are, not how much."""

    observed_at_ms: int
    received_at_ms: int
    shape: Shape
    mask: int  # a bit for each form of the shape that is newest

    def forms(self) -> tuple[Form, ...]:
        """Return the forms of these values."""
        forms = self.shape.forms
        if self.mask == (1 << len(forms)) - 1:
            return forms
        return tuple([form for at, form in enumerate(forms) if self.mask >> at & 1])


def seen_of(database: Database, dev_euis: Sequence[str]) -> dict[str, Seen]:
    """Return those of some devices that were heard."""
    found: dict[str, Seen] = {}
    for part in pieces(dev_euis):
        rows = database.query(
            "SELECT dev_eui, source, received_at_ms, uplinks, status FROM devices "  # noqa: S608
            f"WHERE uplinks > 0 AND dev_eui IN ({marks(len(part))})",
            part,
        )
        for dev_eui, source, received_at_ms, uplinks, status in rows:
            found[dev_eui] = Seen(source, received_at_ms, uplinks, json.loads(status) if status else None)
    return found


def newest_of(
    database: Database, shape_of: Callable[[int], Shape], site_ids: Sequence[str]
) -> dict[str, list[NewestForms]]:
    """Return what the newest values of some sites are."""
    found: dict[str, list[NewestForms]] = {}
    for part in pieces(site_ids):
        rows = database.query(
            f"SELECT site_id, last FROM sites WHERE site_id IN ({marks(len(part))})",  # noqa: S608
            part,
        )
        for site_id, last in rows:
            found[site_id] = [
                NewestForms(one.observed_at_ms, one.received_at_ms, shape_of(one.shape), one.mask)
                for one in decode_parts(last)
            ]
    return found
