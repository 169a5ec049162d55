"""One batch into the store: records, newest values, what quality remembers, devices, position.

Everything of a batch changes in one transaction, so every uplink takes effect exactly once however often
the process is killed. What is looked up often is kept between batches, and thrown away as soon as another
process has written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.errors import StoreError
from gateway.model import Decoded, Reception, Uplink
from gateway.shapes import Judged, Shape, fingerprint
from gateway.statements import pieces
from gateway.store.database import Transaction, marks
from gateway.store.history.sealed import by_keys
from gateway.store.kept import LOOK, NOTHING, Kept
from gateway.store.positions import PIPELINE, position, put_position
from gateway.store.rows import (
    POSITIONS_PER_RECORD,
    Part,
    Record,
    body_of,
    decode_parts,
    encode_parts,
    shape_of,
    shape_text,
    values_of,
)

_NEXT_RECORD = "records"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A frame, or a record of it, that could not be used: why, and which."""

    cause: str
    detail: str


class Outcome(msgspec.Struct, gc=False):
    """What became of one uplink of the segment log. records: each with its site and its observations."""

    sequence: int
    uplink: Uplink
    records: list[tuple[Decoded, str, Judged]] = []
    dead: list[DeadLetter] = []
    status: dict[str, int | str] | None = None


class Batch:
    """A transaction on the store. Make it with Store.batch."""

    def __init__(self, transaction: Transaction, kept: Kept) -> None:
        self._db = transaction
        self._kept = kept
        self.new: list[Record] = []  # what it stores, in order

    # -- what is there already

    def known(self, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Return the fingerprints of those (DevEUI, seq) that are stored."""
        self._find_devices({dev_eui for dev_eui, _ in keys})
        kept = self._kept
        devices, top_seq = kept.devices, kept.top_seq
        doubtful: list[tuple[int, int]] = []
        names: dict[tuple[int, int], tuple[str, int]] = {}
        for key in keys:
            device = devices.get(key[0])
            if device is not None and key[1] <= top_seq[device]:
                doubtful.append((device, key[1]))
                names[doubtful[-1]] = key
        found: dict[tuple[str, int], int] = {}
        for part in pieces(doubtful):
            values = ",".join(["(?,?)"] * len(part))
            rows = self._db.query(
                "SELECT device, seq, shape, body FROM records WHERE (device, seq) IN "  # noqa: S608
                f"(VALUES {values})",
                [value for key in part for value in key],
            )
            for device, seq, shape_id, body in rows:
                form = self._shape(shape_id)
                raws, _ = values_of(len(form), body)
                found[names[device, seq]] = fingerprint(form.mark, raws[: form.n_readings])
        rest = [key for key in doubtful if names[key] not in found]
        for key, (shape_id, chunk, place) in by_keys(self._db, rest).items():
            form = self._shape(shape_id)
            found[names[key]] = fingerprint(form.mark, chunk.numbers(place)[0][: form.n_readings])
        return found

    def memories(self, site_ids: Iterable[str]) -> dict[str, bytes | None]:
        """Return what quality remembers of those sites that have records; None: nothing is written down."""
        found: dict[str, bytes | None] = {}
        for part in pieces(list(site_ids)):
            rows = self._db.query(
                f"SELECT site_id, memory FROM sites WHERE site_id IN ({marks(len(part))})",  # noqa: S608
                part,
            )
            found.update(rows)
        return found

    # -- what is new

    def put(self, outcomes: Sequence[Outcome], memories: Mapping[str, bytes], name: str = PIPELINE) -> None:
        """Store outcomes whose records are not there yet, and the position of the last."""
        records = [
            (outcome.sequence, *record)
            for outcome in outcomes
            for record in outcome.records
            if record[2].raws
        ]
        self._find_devices({outcome.uplink.dev_eui for outcome in outcomes})
        self.put_records(records, memories)
        heard: dict[str, list[Outcome]] = {}
        dead: list[Sequence[Any]] = []
        for outcome in outcomes:
            heard.setdefault(outcome.uplink.dev_eui, []).append(outcome)
            if outcome.dead:
                dead += _letters(name, outcome)
        self._put_devices(heard)
        self._db.insert(
            "dead_letters",
            "name, log_sequence, item, received_at_ms, source, dev_eui, f_port, cause, detail, payload",
            dead,
            "DO NOTHING",
        )
        if outcomes:
            self.put_position(name, outcomes[-1].sequence)

    def put_records(
        self, records: Sequence[tuple[int, Decoded, str, Judged]], memories: Mapping[str, bytes]
    ) -> None:
        """Store records (log sequence, decoded, site, judged) that are not there yet."""
        if not records:
            return
        self._find_devices({decoded.dev_eui for _, decoded, _, _ in records}, make=True)
        self._find_sites({site_id for _, _, site_id, _ in records})
        kept = self._kept
        devices, sites, top_seq = kept.devices, kept.sites, kept.top_seq
        first = number = self._next_record()
        rows: list[Sequence[Any]] = []
        news: dict[str, list[Part]] = {}
        newest: dict[str, int] = {}
        for sequence, decoded, site_id, judged in records:
            if len(judged.raws) > POSITIONS_PER_RECORD:
                raise StoreError(f"a record of {len(judged.raws)} observations, {POSITIONS_PER_RECORD} fit")
            device = devices[decoded.dev_eui]
            if decoded.seq > top_seq[device]:
                top_seq[device] = decoded.seq
            form = judged.shape
            shape_id = self.number_of(form)
            body = body_of(judged)
            observed, received = decoded.observed_at_ms, decoded.received_at_ms
            rows.append(
                (number, device, decoded.seq, sites[site_id], observed, received, sequence, shape_id, body)
            )
            part = Part(number, observed, received, shape_id, (1 << len(form.forms)) - 1, body)
            parts = news.get(site_id)
            if parts is None:
                news[site_id] = [part]
                before = kept.site_ms[sites[site_id]]
            else:
                parts.append(part)
                before = newest[site_id]
            newest[site_id] = max(before, observed)
            self.new.append(
                Record(
                    number, site_id, observed, received, form, judged.raws, judged.values, before > observed
                )
            )
            number += 1
        self._db.insert(
            "records",
            "id, device, seq, site, observed_at_ms, received_at_ms, log_sequence, shape, body",
            rows,
        )
        self._put_sites(news, memories)
        self.put_position(_NEXT_RECORD, first + len(rows))

    def position(self, name: str) -> int:
        """Return a position as it is in this transaction; 0 where there is none."""
        return position(self._db, name)

    def put_position(self, name: str, at: int) -> None:
        """Note a position."""
        put_position(self._db, name, at)

    # -- numbers

    def _next_record(self) -> int:
        return self.position(_NEXT_RECORD) or 1

    def _shape(self, number: int) -> Shape:
        found = self._kept.shapes_by_id.get(number)
        if found is None:
            text = self._db.query("SELECT shape FROM shapes WHERE id = ?", (number,))[0][0]
            found = self._kept.shapes_by_id[number] = shape_of(text)
        return found

    def number_of(self, form: Shape) -> int:
        """Return the number of a shape, a new one if there is none."""
        return self._kept.shapes.get(form) or self._put_shape(form)

    def _put_shape(self, form: Shape) -> int:
        text = shape_text(form)
        rows = self._db.query("SELECT id FROM shapes WHERE shape = ?", (text,))
        if not rows:
            self._db.execute(
                "INSERT INTO shapes(id, shape) SELECT COALESCE(MAX(id), 0) + 1, ? FROM shapes", (text,)
            )
            rows = self._db.query("SELECT id FROM shapes WHERE shape = ?", (text,))
        found: int = rows[0][0]
        self._kept.shapes[form] = found
        self._kept.shapes_by_id[found] = form
        return found

    def _find_devices(self, wanted: set[str], *, make: bool = False) -> None:
        kept = self._kept
        # the texts of who asks are kept: others keep them, too
        missing = {dev_eui: dev_eui for dev_eui in wanted if dev_eui not in kept.devices}
        for part in pieces(list(missing)):
            rows = self._db.query(
                "SELECT dev_eui, id, top_seq, f_cnt, missed FROM devices "  # noqa: S608
                f"WHERE dev_eui IN ({marks(len(part))})",
                part,
            )
            for dev_eui, number, top, f_cnt, missed in rows:
                kept.keep_device(missing[dev_eui], number, top, -1 if f_cnt is None else f_cnt, missed)
        if not make:
            return
        new = [dev_eui for dev_eui in missing if dev_eui not in kept.devices]
        if new:
            number = self._db.query("SELECT COALESCE(MAX(id), 0) FROM devices")[0][0]
            for at, dev_eui in enumerate(new, number + 1):
                kept.keep_device(dev_eui, at, -1, -1, 0)
            self._db.insert(
                "devices",
                "id, dev_eui, top_seq, source, uplinks, received_at_ms, missed",
                [(kept.devices[dev_eui], dev_eui, -1, "", 0, 0, 0) for dev_eui in new],
            )

    def _find_sites(self, wanted: set[str]) -> None:
        kept = self._kept
        missing = {site_id: site_id for site_id in wanted if site_id not in kept.sites}
        for part in pieces(list(missing)):
            rows = self._db.query(
                f"SELECT site_id, id, observed_at_ms FROM sites WHERE site_id IN ({marks(len(part))})",  # noqa: S608
                part,
            )
            for site_id, number, observed_at_ms in rows:
                kept.keep_site(missing[site_id], number, observed_at_ms)
        new = [site_id for site_id in missing if site_id not in kept.sites]
        if new:
            number = self._db.query("SELECT COALESCE(MAX(id), 0) FROM sites")[0][0]
            for at, site_id in enumerate(new, number + 1):
                kept.keep_site(site_id, at, -(2**62), NOTHING)  # its row is made by _put_sites

    # -- newest values

    def _put_sites(self, news: Mapping[str, list[Part]], memories: Mapping[str, bytes]) -> None:
        kept = self._kept
        rows: list[Sequence[Any]] = []
        for site_id, parts in news.items():
            number = kept.sites[site_id]
            newest = parts[0]
            known = kept.site_set[number]
            is_same = self._set(newest) == known
            for part in parts[1:]:
                is_same = is_same and self._set(part) == known
                if part.observed_at_ms >= newest.observed_at_ms:
                    newest = part
            if known == NOTHING and len(parts) == 1:
                pass
            elif is_same and newest.observed_at_ms >= kept.site_ms[number]:
                parts = [newest]  # all say the same quantities: the newest says all
            else:
                parts = self._merged(number, parts, is_new=known == NOTHING)
            kept.site_ms[number] = max(kept.site_ms[number], newest.observed_at_ms)
            kept.site_set[number] = self._set(parts[0]) if len(parts) == 1 else LOOK
            rows.append((number, site_id, kept.site_ms[number], encode_parts(parts), memories.get(site_id)))
        self._db.insert(
            "sites",
            "id, site_id, observed_at_ms, last, memory",
            rows,
            "(id) DO UPDATE SET observed_at_ms = excluded.observed_at_ms, last = excluded.last, "
            "memory = excluded.memory",
        )

    def _set(self, part: Part) -> int:
        """Return the number of the quantities of a part that holds all of its record's; -2 for another."""
        found = self._kept.set_of.get(part.shape)
        if found is None:
            forms = self._shape(part.shape).forms
            quantities = tuple([form.quantity for form in forms])
            sets = self._kept.sets
            found = sets.setdefault(quantities, len(sets)), (1 << len(forms)) - 1
            self._kept.set_of[part.shape] = found
        return found[0] if part.mask == found[1] else -2

    def _merged(self, number: int, parts: Iterable[Part], *, is_new: bool) -> list[Part]:
        """Return the parts of a site with new ones, in the order of arrival, put over them."""
        before: list[Part] = []
        if not is_new:
            before = decode_parts(self._db.query("SELECT last FROM sites WHERE id = ?", (number,))[0][0])
        newest: dict[str, tuple[Part, int]] = {}
        for part in (*before, *parts):
            for at, form in enumerate(self._shape(part.shape).forms):
                if not part.mask >> at & 1:
                    continue
                known = newest.get(form.quantity)
                if known is None or part.observed_at_ms >= known[0].observed_at_ms:
                    newest[form.quantity] = part, at
        masks: dict[int, tuple[Part, int]] = {}
        for part, at in newest.values():
            masks[part.id] = part, masks.get(part.id, (part, 0))[1] | 1 << at
        return [
            Part(part.id, part.observed_at_ms, part.received_at_ms, part.shape, mask, part.body)
            for part, mask in masks.values()
        ]

    # -- devices

    def _put_devices(self, heard: Mapping[str, list[Outcome]]) -> None:
        """Note when and how devices were heard."""
        self._find_devices(set(heard), make=True)
        kept = self._kept
        rows: list[Sequence[Any]] = []
        for dev_eui, outcomes in heard.items():
            number = kept.devices[dev_eui]
            uplink = outcomes[-1].uplink
            f_cnt, missed = kept.f_cnt[number], kept.missed[number]
            status = None
            for outcome in outcomes:
                counter = outcome.uplink.f_cnt
                counter = -1 if counter is None else counter
                if counter > f_cnt >= 0:
                    missed += counter - f_cnt - 1  # a counter that falls is a new session, not a gap
                f_cnt = counter
                status = outcome.status or status
            kept.f_cnt[number], kept.missed[number] = f_cnt, missed
            best = _best(uplink.receptions) if uplink.receptions else None
            rows.append((
                number, dev_eui, kept.top_seq[number], uplink.source, len(outcomes), uplink.received_at_ms,
                None if f_cnt < 0 else f_cnt, missed, best.rssi_dbm if best else None,
                best.snr_db if best else None, None if status is None else json.dumps(status),
            ))  # fmt: skip
        self._db.insert(
            "devices",
            "id, dev_eui, top_seq, source, uplinks, received_at_ms, f_cnt, missed, rssi_dbm, snr_db, status",
            rows,
            "(id) DO UPDATE SET top_seq = excluded.top_seq, source = excluded.source, "
            "uplinks = devices.uplinks + excluded.uplinks, received_at_ms = "
            "CASE WHEN excluded.received_at_ms > devices.received_at_ms THEN excluded.received_at_ms "
            "ELSE devices.received_at_ms END, f_cnt = excluded.f_cnt, missed = excluded.missed, "
            "rssi_dbm = excluded.rssi_dbm, snr_db = excluded.snr_db, "
            "status = COALESCE(excluded.status, devices.status)",
        )

    def put_tops(self, dev_euis: Iterable[str]) -> None:
        """Write the highest sequence numbers of devices that no uplink was heard of (imports)."""
        kept = self._kept
        for dev_eui in dev_euis:
            number = kept.devices[dev_eui]
            self._db.execute("UPDATE devices SET top_seq = ? WHERE id = ?", (kept.top_seq[number], number))


def _best(receptions: Sequence[Reception]) -> Reception:
    if len(receptions) == 1:
        return receptions[0]
    return max(receptions, key=lambda r: -1000.0 if r.rssi_dbm is None else r.rssi_dbm)


def _letters(name: str, outcome: Outcome) -> list[Sequence[Any]]:
    uplink = outcome.uplink
    return [
        (name, outcome.sequence, item, uplink.received_at_ms, uplink.source, uplink.dev_eui, uplink.f_port,
         dead.cause, dead.detail, uplink.payload)
        for item, dead in enumerate(outcome.dead)
    ]  # fmt: skip
