"""Decoded records to observations: raw and shown value side by side, with flags, method and version.

A batch is judged as a few matrices: records of the same head, each of another site; where they are few, one
by one (few.py). What is remembered of a site follows from its stored records (memory.py), so it is the same
after a restart as without one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import numpy as np

from gateway.model import Decoded, Observation, observations
from gateway.quality import few, table
from gateway.quality.checks import NAMES, RANGE_BIT, Checks
from gateway.quality.correct import FOG, PM, Corrections, correct, inputs_of, no_corrections
from gateway.quality.defaults import Defaults
from gateway.quality.memory import NEWEST, NEWEST_MS, TIPS, Memory
from gateway.shapes import Form, Head, Judged, Shape, Value, shape

HISTORY_MS = 24 * table.HOUR_MS  # longer than any window in the table
_DERIVED = frozenset(("distance", "rain_tips"))
_MOST_KEPT = 20_000
_UNSET, _FUTURE, _FOG, _NOTES_SHIFT = 1, 2, 4, 3  # bits of what all values of a record share
_Methods = tuple[tuple[int, str, int], ...]  # (column, method, version) of the corrected values


class SiteGeometry(Protocol):
    """What is needed of a site (gateway.registry.Site has it)."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def empty_mm(self) -> Value: ...  # noqa: D102
    @property
    def full_mm(self) -> Value: ...  # noqa: D102
    @property
    def rain_mm_per_tip(self) -> Value: ...  # noqa: D102


# (quantity, observed_at_ms, raw value) of a site's last HISTORY_MS, by observed time
History = Callable[[str], Sequence[tuple[str, int, float | None]]]


Records = Sequence[tuple[Decoded, SiteGeometry]]
Members = Sequence[tuple[int, int]]  # which of the records, and the row of its site
# of each member its flags, what is good of it, whether it is foggy; then what defaults make of columns
_Checked = tuple[
    list[bytes], list[list[bool]], list[bool], list[tuple[int, table.Method, list[float | None]]]
]


class _Rules:
    """The rules of one head, for many records and for few."""

    def __init__(self, head: Head) -> None:
        self.checks, self.defaults = Checks(head), Defaults(head)
        self.few = few.Few(head, self.defaults)


class Judge:
    """Quality control of all sites. Belongs to one thread."""

    def __init__(
        self,
        history: History,
        corrections: Corrections = no_corrections,
        corrected: Callable[[], Collection[str]] | None = None,
    ) -> None:
        """history: asked of a site of which nothing is remembered and nothing was written down.

        corrected: the devices of which `corrections` knows anything; without it each of them is asked for.
        """
        self._history = history
        self._corrections = corrections
        self._corrected = corrected
        self._asks_each = corrected is None and corrections is not no_corrections
        self.memory = Memory()
        self._rules: dict[Head, _Rules] = {}
        self._shapes: dict[tuple[Head, str, int, bytes, _Methods], Shape] = {}

    def forget(self) -> None:
        """Drop what was remembered, after a commit that failed: it is read from the store again."""
        self.memory.forget()

    def meet(self, site_id: str, written: bytes | None) -> None:
        """Take up a site that has records: from what was written down, else from its history."""
        memory = self.memory
        row = memory.row(site_id)
        if written is None or not memory.load(site_id, written):
            memory.push(row, self._history(site_id))

    def observations(self, decoded: Decoded, site: SiteGeometry) -> list[Observation]:
        """Return the observations of one record, derived ones last."""
        if site.id not in self.memory:
            self.meet(site.id, None)
        return observations(decoded, site.id, self.judge([(decoded, site)])[0])

    def judge(self, records: Records) -> list[Judged]:
        """Return what each record amounts to. Sites that have records must have been met."""
        memory = self.memory
        turn: dict[int, int] = {}
        groups: dict[tuple[int, Head], list[tuple[int, int]]] = {}
        for number, (decoded, site) in enumerate(records):
            row = memory.row(site.id)
            wave = turn.get(row, 0)
            turn[row] = wave + 1
            key = wave, decoded.readings.head
            group = groups.get(key)
            if group is None:
                groups[key] = [(number, row)]
            else:
                group.append((number, row))
        found: list[Judged | None] = [None] * len(records)
        for wave, head in sorted(groups, key=lambda key: key[0]):
            self._judge_group(head, groups[wave, head], records, found)
        return found  # type: ignore[return-value]

    def _judge_group(
        self,
        head: Head,
        members: Members,
        records: Records,
        found: list[Judged | None],
    ) -> None:
        rules = self._rules_of(head)
        defaults = rules.defaults
        if len(members) <= few.MOST:
            bits_of, good_rows, is_foggy, better = self._checked_few(rules, members, records)
        else:
            bits_of, good_rows, is_foggy, better = self._checked(rules, members, records)
        own = self._corrected() if self._corrected is not None else ()
        notes = head.quantities.index("sound_notes") if "sound_notes" in head.quantities else -1
        every = tuple([(column, method.name, method.version) for column, method, _ in better])
        is_derived = not _DERIVED.isdisjoint(head.quantities)
        for at, (number, row) in enumerate(members):
            decoded, site = records[number]
            raws = decoded.readings.values
            common = _FOG if is_foggy[at] else 0
            if decoded.time_quality == "estimated":
                common |= _UNSET
            if decoded.observed_at_ms > decoded.received_at_ms + table.FUTURE_TOLERANCE_MS:
                common |= _FUTURE
            if notes >= 0 and raws[notes] is not None:
                common |= (int(raws[notes] or 0) & 7) << _NOTES_SHIFT
            if self._asks_each or not defaults.is_plain or decoded.dev_eui in own:
                methods, shown = self._own(decoded, good_rows[at])
            elif better:
                methods, shown = _defaults(raws, better, every, at)
            else:
                methods, shown = (), raws
            key = head, decoded.time_quality, common, bits_of[at], methods
            judged = Judged(self._shapes.get(key) or self._make_shape(key), raws, shown)
            found[number] = self._with_derived(decoded, site, row, judged, common) if is_derived else judged

    def _checked(self, rules: _Rules, members: Members, records: Records) -> _Checked:
        """Check and correct many records of a head."""
        numbers = [number for number, _ in members]
        rows = np.array([row for _, row in members], np.int64)
        values = np.array([records[n][0].readings.values for n in numbers], float)
        at_ms = np.array([records[n][0].observed_at_ms for n in numbers], float)
        flags = rules.checks.flags(self.memory.series, rows, values, at_ms)
        is_good = np.logical_and(flags & RANGE_BIT == 0, ~np.isnan(values))
        is_clean: list[bool] = np.logical_not(flags.any(axis=1)).tolist()
        clean = bytes(flags.shape[1])
        bits = [clean if is_clean[at] else flags[at].tobytes() for at in range(len(members))]
        is_foggy = rules.defaults.is_foggy(values, is_good).tolist()
        return bits, is_good.tolist(), is_foggy, rules.defaults.apply(values, is_good)

    def _checked_few(self, rules: _Rules, members: Members, records: Records) -> _Checked:
        """Check and correct a few records of a head."""
        one, series = rules.few, self.memory.series
        bits: list[bytes] = []
        good_rows: list[list[bool]] = []
        is_foggy: list[bool] = []
        shown: list[list[float | None]] = []
        for number, row in members:
            decoded = records[number][0]
            values = decoded.readings.values
            flags = one.flags(series, row, values, decoded.observed_at_ms)
            is_good = [
                value is not None and not flag & RANGE_BIT for value, flag in zip(values, flags, strict=True)
            ]
            bits.append(flags)
            good_rows.append(is_good)
            is_foggy.append(one.is_foggy(values, is_good))
            shown.append(one.better(values, is_good))
        better = [
            (column, method, [values[at] for values in shown])
            for at, (column, method) in enumerate(rules.defaults.columns)
        ]
        return bits, good_rows, is_foggy, better

    def _rules_of(self, head: Head) -> _Rules:
        found = self._rules.get(head)
        if found is None:
            if len(self._rules) >= _MOST_KEPT:
                self._rules.clear()
            found = self._rules[head] = _Rules(head)
        return found

    def _own(self, decoded: Decoded, is_good: list[bool]) -> tuple[_Methods, tuple[Value, ...]]:
        """Correct the values of a device one by one, by what is on record for it."""
        inputs = inputs_of(decoded.readings, is_good)
        methods: list[tuple[int, str, int]] = []
        shown = list(decoded.readings.values)
        for at, reading in enumerate(decoded.readings):
            better = correct(decoded.dev_eui, reading, decoded.observed_at_ms, inputs, self._corrections)
            if better is not None:
                methods.append((at, better.method, better.version))
                shown[at] = better.value
        return tuple(methods), tuple(shown)

    def _make_shape(self, key: tuple[Head, str, int, bytes, _Methods]) -> Shape:
        head, time_quality, common, bits, methods = key
        if len(self._shapes) >= _MOST_KEPT:
            self._shapes.clear()
        everywhere = _common_flags(common)
        heard = tuple(flag for bit, flag in table.SOUND_FLAGS if common >> _NOTES_SHIFT & bit)
        method_of = {at: (name, version) for at, name, version in methods}
        forms: list[Form] = []
        for at, quantity in enumerate(head.quantities):
            unit = head.units[at]
            flags = everywhere + ((FOG,) if common & _FOG and quantity in PM else ())
            flags += heard if unit.startswith("dB") else ()
            flags += tuple(name for n, name in enumerate(NAMES) if bits[at] >> n & 1)
            forms.append(Form(quantity, unit, head.states[at], flags, *method_of.get(at, ("none", 0))))
        found = self._shapes[key] = shape(time_quality, tuple(forms), len(forms))
        return found

    # -- derived values: they have no raw value of their own, that is in the series they were derived from

    def _with_derived(
        self, decoded: Decoded, site: SiteGeometry, row: int, judged: Judged, common: int
    ) -> Judged:
        form = judged.shape
        more: list[tuple[Form, Value]] = []
        flags = _common_flags(common)
        for own, raw in zip(form.forms, judged.raws, strict=True):
            if own.quantity == "distance" and site.empty_mm is not None and site.full_mm is not None:
                more.append(_filling(raw, own.state, site.empty_mm, site.full_mm, flags))
            if own.quantity == "rain_tips" and site.rain_mm_per_tip is not None and raw is not None:
                more += self._rain(decoded, row, int(raw), own.state, site.rain_mm_per_tip, flags)
        if not more:
            return judged
        forms = form.forms + tuple(derived for derived, _ in more)
        return Judged(
            shape(decoded.time_quality, forms, form.n_readings),
            judged.raws + (None,) * len(more),
            judged.values + tuple(value for _, value in more),
        )

    def _rain(
        self, decoded: Decoded, row: int, count: int, state: str, mm_per_tip: float, flags: tuple[str, ...]
    ) -> list[tuple[Form, Value]]:
        """Return what fell since the count before; without a count, the next good one brings it."""
        method, tips, at_ms = table.PRECIPITATION, self.memory.series[row, TIPS], decoded.observed_at_ms
        before_ms, before = tips[NEWEST_MS], tips[NEWEST]
        if at_ms <= before_ms:
            return []
        tips[NEWEST_MS], tips[NEWEST] = at_ms, count
        if before_ms != before_ms:
            return []
        mm = ((count - int(before)) % int(method.parameters["wrap"])) * mm_per_tip
        hours = max(at_ms - before_ms, 60_000) / table.HOUR_MS
        if mm > method.parameters["most_mm_per_h"] * hours:
            return [(_form(method, "not_ready", (*flags, table.COUNTER_RESET)), None)]
        return [(_form(method, state, flags), round(mm, 3))]


def _defaults(
    raws: tuple[Value, ...], better: list[tuple[int, table.Method, list[Value]]], every: _Methods, at: int
) -> tuple[_Methods, tuple[Value, ...]]:
    """Return the methods of a record, and its values. every: of one that all of `better` is for."""
    shown = list(raws)
    missing: set[int] = set()
    for column, _, values in better:
        value = values[at]
        if value is None:
            missing.add(column)
        else:
            shown[column] = value
    methods = tuple([one for one in every if one[0] not in missing]) if missing else every
    return methods, tuple(shown)


def _common_flags(common: int) -> tuple[str, ...]:
    return ((table.TIME_UNSET,) if common & _UNSET else ()) + ((table.FUTURE,) if common & _FUTURE else ())


def _form(method: table.Method, state: str, flags: tuple[str, ...]) -> Form:
    return Form(method.quantity, method.unit, state, flags, method.name, method.version)


def _filling(
    raw: Value, state: str, empty_mm: float, full_mm: float, flags: tuple[str, ...]
) -> tuple[Form, Value]:
    method = table.FILLING_LEVEL
    if raw is None:
        return _form(method, state, flags), None
    percent = 100 * (empty_mm - raw) / (empty_mm - full_mm)
    slack = method.parameters["slack_percent"]
    if not -slack <= percent <= 100 + slack:
        flags = (*flags, table.GEOMETRY)
    return _form(method, state, flags), round(min(100.0, max(0.0, percent)), 1)
