"""Is a store whole? Every record readable, every newest value the newest, every number given out once."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.store.history.checking import history_faults
from gateway.store.rows import decode_parts, shape_of, values_of
from gateway.store.store import Store
from gateway.store.writing import PIPELINE

_MOST = 100


def check(store: Store, log_sequence: int | None = None) -> list[str]:
    """Return what is wrong, in words; nothing when all is well. log_sequence: the last of the segment log."""
    found: list[str] = []
    for fault in _faults(store, log_sequence):
        found.append(fault)
        if len(found) >= _MOST:
            found.append("... and perhaps more")
            break
    return found


def _faults(store: Store, log_sequence: int | None) -> Iterator[str]:
    database = store.database
    yield from database.damage()
    shapes = {number: shape_of(text) for number, text in database.query("SELECT id, shape FROM shapes")}
    top = 0
    newest: dict[int, int] = {}
    for number, site, observed, shape_id, body in database.stream(
        "SELECT id, site, observed_at_ms, shape, body FROM records ORDER BY id"
    ):
        top = number
        newest[site] = max(newest.get(site, observed), observed)
        form = shapes.get(shape_id)
        if form is None:
            yield f"record {number}: its shape {shape_id} is not there"
        elif len(body) not in (8 * len(form), 16 * len(form)):
            yield f"record {number}: {len(body)} bytes, {len(form)} values"
        else:
            values_of(len(form), body)
    following = store.position("records")
    if top and top >= following:
        yield f"record {top} is stored, and {following} would be given out next"
    yield from _sites(store, newest)
    yield from history_faults(store)
    rows = database.query("SELECT device, seq FROM records GROUP BY device, seq HAVING COUNT(*) > 1 LIMIT 5")
    for device, seq in rows:
        yield f"device {device}: record {seq} is there more than once"
    if log_sequence is not None and store.position(PIPELINE) > log_sequence:
        yield (
            f"the store is at {store.position(PIPELINE)} of the log, which ends at {log_sequence}: "
            "the log is an older copy"
        )


def _sites(store: Store, newest: dict[int, int]) -> Iterator[str]:
    for number, site_id, observed, last in store.database.stream(
        "SELECT id, site_id, observed_at_ms, last FROM sites"
    ):
        if number in newest and newest[number] > observed:
            yield f"site {site_id}: its newest record is of {newest[number]}, the site says {observed}"
        try:
            parts = decode_parts(last)
        except ValueError as error:
            yield f"site {site_id}: its newest values cannot be read ({error})"
            continue
        for part in parts:
            rows = store.database.query("SELECT body FROM records WHERE id = ?", (part.id,))
            if rows and bytes(rows[0][0]) != part.body:
                yield f"site {site_id}: its newest values are not those of record {part.id}"
