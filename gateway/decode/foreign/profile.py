"""A profile: in which form a kind of device writes, and what its values are in the measurement table.

`loading` makes one of a TOML file. A profile is total: of any bytes it makes values or a FormatError.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from gateway.decode.foreign import table
from gateway.decode.foreign.errors import FormatError
from gateway.decode.foreign.formats import FORMATS, as_number, bare
from gateway.decode.foreign.senml import absolute_s
from gateway.decode.foreign.units import UnitError, conversion
from gateway.decode.foreign.values import Found

BYTES, TAGGED = "bytes", "tagged"
Read = Callable[[bytes, int], Iterable[Sequence[Any]]]


@dataclass(frozen=True, slots=True)
class Field:
    """One quantity of a device. name: in a form with names; one that ends with * is a beginning.

    value in `unit` = raw * scale + add; factor and offset lead on to the measurement table's unit.
    """

    quantity: str
    unit: str
    name: str = ""
    cell: table.Cell | None = None
    scale: float = 1.0
    add: float = 0.0


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a device says when it measured, or counts its messages. unit: s, ms or iso."""

    name: str = ""
    unit: str = "s"
    cell: table.Cell | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """One value in the measurement table's unit. at_s: own time, None where the device says none."""

    quantity: str
    value: float
    at_s: float | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """What a message held. ignored: names that the profile has no field for."""

    values: list[Measured]
    counter: int | None = None
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """A published message of such a device, and what its values are."""

    payload: bytes
    port: int
    expect: dict[str, float]


@dataclass(frozen=True)
class Profile:
    """One kind of device."""

    name: str
    title: str
    source: str
    format: str
    fields: tuple[Field, ...] = ()
    own_names: bool = False
    ports: tuple[int, ...] = ()
    time: Moment | None = None
    counter: Moment | None = None
    skipped: dict[bytes, int] = field(default_factory=dict[bytes, int])
    examples: tuple[Example, ...] = ()
    plug_in: Read | None = None
    built_in: bool = True

    @property
    def wants_object(self) -> bool:
        """Whether it reads what the network server decoded."""
        return self.format == "object"

    def read(self, payload: bytes, port: int, received_s: float) -> Message:
        """Return the values of a message; raise FormatError saying what is wrong with it."""
        if self.ports and port not in self.ports:
            return Message([])
        if self.plug_in is not None:
            return self._by_plug_in(bare(payload), port)
        if self.format in (BYTES, TAGGED):
            return self._by_table(bare(payload), port)
        found = FORMATS[self.format].read(payload if self.wants_object else bare(payload))
        return self._by_names(found, received_s)

    # -- with names

    def _by_names(self, found: list[Found], received_s: float) -> Message:
        by_name: dict[str, list[Found]] = {}
        for one in found:
            by_name.setdefault(one.name, []).append(one)
        at_s = self._time_of(by_name, received_s)
        values: list[Measured] = []
        used: set[str] = set()
        for row in self.fields:
            name = _match(row.name, by_name, used)
            if name is None:
                continue
            used.add(name)
            values += self._measured(row.quantity, row.unit, by_name[name], row, at_s, received_s)
        if self.own_names:
            for name, rows in by_name.items():
                if name not in used and _is_ours(name):
                    used.add(name)
                    values += self._measured(name, "", rows, None, at_s, received_s)
        others = {moment.name for moment in (self.time, self.counter) if moment is not None}
        ignored = tuple(sorted(set(by_name) - used - others))
        if not used:
            wanted = [row.name for row in self.fields] or ["any name of the measurement table"]
            raise FormatError(
                f"has none of {', '.join(wanted[:12])}; it has {', '.join(ignored[:12]) or 'nothing'}"
            )
        return Message(values, self._count_of(by_name), ignored)

    def _measured(
        self, quantity: str, unit: str, rows: list[Found], row: Field | None, at_s: float | None, now_s: float
    ) -> list[Measured]:
        out: list[Measured] = []
        for one in rows:
            if math.isnan(one.value) or (row is not None and row.cell and one.value in row.cell.missing):
                continue
            told = one.unit or unit
            try:
                factor, offset = conversion(quantity, told) if told else (1.0, 0.0)
            except UnitError as error:
                raise FormatError(f"gives {one.name[:40]}: {error}") from None
            value = one.value * row.scale + row.add if row is not None else one.value
            own_s = absolute_s(one.at_s, now_s) if one.at_s is not None else at_s
            out.append(Measured(quantity, _clean(value * factor + offset), own_s))
        return out

    def _time_of(self, by_name: dict[str, list[Found]], now_s: float) -> float | None:
        if self.time is None:
            return None
        rows = by_name.get(self.time.name)
        if not rows:
            return None
        return _moment(rows[0].text if rows[0].text is not None else rows[0].value, self.time.unit)

    def _count_of(self, by_name: dict[str, list[Found]]) -> int | None:
        rows = by_name.get(self.counter.name) if self.counter is not None else None
        return None if not rows or math.isnan(rows[0].value) else int(rows[0].value) & 0xFFFFFFFF

    # -- by a table

    def _by_table(self, payload: bytes, port: int) -> Message:
        moments = [moment for moment in (self.time, self.counter) if moment is not None]
        cells = [cast("table.Cell", row.cell) for row in (*self.fields, *moments)]
        if self.format == TAGGED:
            raw = table.behind_tags(cells, self.skipped, payload, port)
        else:
            raw = table.at_offsets(cells, payload, port)
        told = dict(
            zip(("time", "counter") if len(moments) == 2 else (), raw[len(self.fields) :], strict=False)
        )
        if len(moments) == 1:
            told["time" if self.time is not None else "counter"] = raw[-1]
        at_s = _moment(told["time"], self.time.unit) if self.time and told["time"] is not None else None
        counter = told.get("counter")
        values: list[Measured] = []
        for row, number in zip(self.fields, raw, strict=False):
            if number is not None:
                factor, offset = conversion(row.quantity, row.unit)
                value = (number * row.scale + row.add) * factor + offset
                values.append(Measured(row.quantity, _clean(value), at_s))
        return Message(values, None if counter is None else int(counter) & 0xFFFFFFFF)

    # -- by somebody's program

    def _by_plug_in(self, payload: bytes, port: int) -> Message:
        values: list[Measured] = []
        try:
            for quantity, value, unit, *at_s in cast("Read", self.plug_in)(payload, port):
                factor, offset = conversion(quantity, unit)
                number = as_number(value)
                if number is None:
                    raise FormatError(f"has {quantity} as {value!r}, by the plug-in {self.format}")
                values.append(Measured(quantity, _clean(number * factor + offset), *at_s[:1]))
        except FormatError:
            raise
        except Exception as error:  # it is a stranger's program: what it raises is a message's fault
            raise FormatError(f"was refused by the plug-in {self.format}: {error!r}"[:300]) from error
        return Message(values)


def _match(name: str, by_name: dict[str, Any], used: set[str]) -> str | None:
    if not name.endswith("*"):
        return name if name in by_name else None
    near = [one for one in by_name if one.startswith(name[:-1]) and one not in used]
    return min(near, key=lambda one: (len(one), one), default=None)  # temperature_2 before temperature_10


def _is_ours(name: str) -> bool:
    from wire import measurements

    return measurements.by_name(name) is not None


def _clean(value: float) -> float:
    """Take away what binary arithmetic added: 2150 * 0.01 is 21.5."""
    return float(f"{value:.9g}")


def _moment(told: float | str | None, unit: str) -> float | None:
    """Return seconds since 1970; None for what is no time."""
    if unit == "iso":
        try:
            when = datetime.datetime.fromisoformat(str(told))
            return (when if when.tzinfo else when.replace(tzinfo=datetime.UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    number = as_number(told)
    return None if number is None else number / 1000 if unit == "ms" else number
