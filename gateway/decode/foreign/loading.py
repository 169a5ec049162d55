"""TOML files to profiles, every row checked: file, row, key, what is allowed.

Built-in ones stand in profiles/ beside this file, those of a user in the data directory's profiles/. A file's
name is the profile's. A user's may not have the name of a built-in one.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

from gateway.decode.foreign import table
from gateway.decode.foreign.errors import ProfileError
from gateway.decode.foreign.formats import FORMATS
from gateway.decode.foreign.profile import BYTES, TAGGED, Example, Field, Moment, Profile, Read
from gateway.decode.foreign.units import UnitError, conversion

BUILT_IN = Path(__file__).parent / "profiles"
PLUG_INS = (
    "meetnet.profiles"  # entry points: a function (payload, port) -> [(quantity, value, unit[, time_s])]
)
OWN = "meetnet"
LARGEST = 64 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
_TOP = {"title", "source", "format", "ports", "own_names", "field", "skip", "time", "counter", "test"}
_FIELD = {"quantity", "unit", "name", "scale", "add", "missing"}
_CELL = {"offset", "type", "endian", "tag", "mask", "missing", "when", "port"}


def load(path: Path, built_in: bool = False) -> Profile:
    """Return the profile of a file; raise ProfileError."""
    name = path.stem
    if path.suffix != ".toml" or not _NAME.fullmatch(name):
        raise ProfileError(f"{path.name}: a profile's file is named like dragino-lht65.toml (a-z, 0-9, -)")
    try:
        if path.stat().st_size > LARGEST:
            raise ProfileError(f"{path.name}: larger than {LARGEST} bytes")
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ProfileError(f"{path.name}: {error}; correct the file") from error
    return parse(name, content, built_in)


def parse(name: str, content: Mapping[str, Any], built_in: bool = False) -> Profile:
    """Return the profile of a file's content; raise ProfileError."""
    where = f"{name}.toml"
    _known(where, content, _TOP)
    form = _text(where, content, "format")
    plug_in = None if form in FORMATS or form in (BYTES, TAGGED) else _plug_in(where, form)
    by_table = form in (BYTES, TAGGED)
    fields = [
        _field(f"{where}: [[field]] {n}", row, form)
        for n, row in enumerate(_rows(where, content, "field"), 1)
    ]
    own_names = content.get("own_names", False)
    if not isinstance(own_names, bool):
        raise ProfileError(f"{where}: own_names: give true or false")
    if plug_in is None and not fields and not (own_names and not by_table):
        raise ProfileError(f"{where}: has no [[field]]: nothing would be read")
    skipped = _skipped(where, content)
    tags = {len(row.cell.tag) for row in fields if row.cell is not None} | {len(tag) for tag in skipped}
    if form == TAGGED and len(tags) != 1:
        raise ProfileError(f"{where}: all tags must have the same number of bytes, these have {sorted(tags)}")
    units = {"s", "ms"} if by_table else {"s", "ms", "iso"}
    return Profile(
        name=name,
        title=_text(where, content, "title"),
        source=_text(where, content, "source", ""),
        format=form,
        fields=tuple(fields),
        own_names=own_names,
        ports=_ports(where, content),
        time=_moment(f"{where}: [time]", content.get("time"), form, units),
        counter=_moment(f"{where}: [counter]", content.get("counter"), form, None),
        skipped=skipped,
        plug_in=plug_in,
        built_in=built_in,
        examples=tuple(
            _example(f"{where}: [[test]] {n}", row)
            for n, row in enumerate(_rows(where, content, "test"), 1)
        ),
    )  # fmt: skip


class Profiles:
    """All profiles by name: the built-in ones, and those in a folder. A broken one is told when asked for."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._known: dict[str, Profile | ProfileError] = {}
        self.load()

    def load(self) -> None:
        """Read all files again."""
        known: dict[str, Profile | ProfileError] = {}
        for folder in (BUILT_IN, self._folder):
            for path in sorted(folder.glob("*.toml")) if folder is not None and folder.is_dir() else ():
                try:
                    found: Profile | ProfileError = load(path, folder == BUILT_IN)
                    if path.stem in known:
                        raise ProfileError(
                            f"{path.name}: {path.stem} is a built-in profile: choose another name"
                        )
                except ProfileError as error:
                    found = error
                if path.stem not in known:
                    known[path.stem] = found
                elif isinstance(found, ProfileError):
                    known[f"{path.stem} ({path.parent.name})"] = found
        self._known = known

    def get(self, name: str) -> Profile:
        """Return a profile; ProfileError when there is none, or it is broken."""
        found = self._known.get(name)
        if found is None:
            near = difflib.get_close_matches(name, self.names(), 1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise ProfileError(f"there is no profile {name[:48]!r}{hint} (meetnet profile list)")
        if isinstance(found, ProfileError):
            raise found
        return found

    def wants_object(self, name: str) -> bool:
        """Tell whether what a network server decoded is to be kept, for a profile that may not be there."""
        found = self._known.get(name)
        return isinstance(found, Profile) and found.wants_object

    def names(self) -> list[str]:
        """Return the names of those that can be used."""
        return sorted(name for name, found in self._known.items() if isinstance(found, Profile))

    def broken(self) -> dict[str, str]:
        """Return why the others cannot."""
        return {name: str(found) for name, found in self._known.items() if isinstance(found, ProfileError)}


# -- rows


def _field(where: str, row: dict[str, Any], form: str) -> Field:
    by_table = form in (BYTES, TAGGED)
    _known(where, row, (_FIELD - {"name"}) | _CELL if by_table else _FIELD)
    quantity, unit = _text(where, row, "quantity"), _text(where, row, "unit")
    try:
        conversion(quantity, unit)
    except UnitError as error:
        raise ProfileError(f"{where}: {error}") from None
    cell = _cell(where, row, form) if by_table else None
    if cell is None and "missing" in row:
        cell = table.Cell("u8", missing=_numbers(where, row, "missing"))
    return Field(
        quantity,
        unit,
        "" if by_table else _text(where, row, "name"),
        cell,
        _number(where, row, "scale", 1.0),
        _number(where, row, "add", 0.0),
    )


def _moment(where: str, row: Any, form: str, units: set[str] | None) -> Moment | None:
    if row is None:
        return None
    if not isinstance(row, dict):
        raise ProfileError(f"{where}: is no table")
    fields = cast("dict[str, Any]", row)
    by_table = form in (BYTES, TAGGED)
    _known(where, fields, ({"unit"} if units else set[str]()) | (_CELL if by_table else {"name"}))
    unit = _text(where, fields, "unit", "s")
    if units is not None and unit not in units:
        raise ProfileError(f"{where}: unit {unit!r}: give {' or '.join(sorted(units))}")
    if by_table:
        return Moment(unit=unit, cell=_cell(where, fields, form))
    return Moment(_text(where, fields, "name"), unit)


def _cell(where: str, row: dict[str, Any], form: str) -> table.Cell:
    kind, endian = _text(where, row, "type"), _text(where, row, "endian", "big")
    if kind not in table.TYPES:
        raise ProfileError(f"{where}: type {kind!r}: give {', '.join(table.TYPES)}")
    if endian not in ("big", "little"):
        raise ProfileError(f'{where}: endian {endian!r}: give "big" or "little"')
    tag = _tag(where, row) if form == TAGGED else b""
    offset = _whole(where, row, "offset", -4096 if form == BYTES else 0, 4096, None if form == BYTES else 0)
    mask = _whole(where, row, "mask", 0, (1 << 8 * table.TYPES[kind]) - 1, 0)
    if mask and kind[0] == "f":
        raise ProfileError(f"{where}: mask: a float has no bits to take")
    if "tag" in row and form != TAGGED:
        raise ProfileError(f'{where}: tag: only with format = "tagged"')
    return table.Cell(
        kind, endian, offset, tag, mask, _numbers(where, row, "missing"), _when(where, row),
        _whole(where, row, "port", 0, 255, 0),
    )  # fmt: skip


def _when(where: str, row: dict[str, Any]) -> tuple[int, int] | None:
    if "when" not in row:
        return None
    found = row["when"]
    fields = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    _known(f"{where}: when", fields, {"offset", "equals"})
    return _whole(where, fields, "offset", -4096, 4096, None), _whole(where, fields, "equals", 0, 255, None)


def _skipped(where: str, content: Mapping[str, Any]) -> dict[bytes, int]:
    out: dict[bytes, int] = {}
    for n, row in enumerate(_rows(where, content, "skip"), 1):
        here = f"{where}: [[skip]] {n}"
        _known(here, row, {"tag", "length"})
        out[_tag(here, row)] = _whole(here, row, "length", 0, 4096, None)
    return out


def _tag(where: str, row: dict[str, Any]) -> bytes:
    try:
        tag = bytes.fromhex(_text(where, row, "tag"))
    except ValueError:
        tag = b""
    if not 1 <= len(tag) <= 4:
        raise ProfileError(f'{where}: tag: give 1 to 4 bytes in hex, like "0367"')
    return tag


def _ports(where: str, content: Mapping[str, Any]) -> tuple[int, ...]:
    found = _numbers(where, content, "ports")
    if any(port != int(port) or not 0 <= port <= 255 for port in found):
        raise ProfileError(f"{where}: ports: give whole numbers, 0 to 255")
    return tuple(int(port) for port in found)


def _example(where: str, row: dict[str, Any]) -> Example:
    _known(where, row, {"hex", "text", "port", "expect"})
    if ("hex" in row) == ("text" in row):
        raise ProfileError(f"{where}: give hex or text")
    try:
        payload = (
            bytes.fromhex(_text(where, row, "hex")) if "hex" in row else _text(where, row, "text").encode()
        )
    except ValueError:
        raise ProfileError(f"{where}: hex: give pairs of hex digits") from None
    expect: Any = row.get("expect")
    if not isinstance(expect, dict) or not expect:
        raise ProfileError(f"{where}: expect: give a table of quantities and values")
    values = cast("dict[str, Any]", expect)
    return Example(
        payload, _whole(where, row, "port", 0, 255, 0), {q: _number(where, values, q, 0) for q in values}
    )


def _plug_in(where: str, name: str) -> Read:
    allowed = [*FORMATS, BYTES, TAGGED]
    found = next(iter(entry_points(group=PLUG_INS, name=name)), None)
    if found is None:
        raise ProfileError(
            f"{where}: format {name[:40]!r}: give one of {', '.join(allowed)}, or install a package with the "
            f"entry point {name[:40]!r} in the group {PLUG_INS}"
        )
    try:
        return cast("Read", found.load())
    except Exception as error:  # a stranger's package may fail in any way
        raise ProfileError(f"{where}: the plug-in {name} cannot be loaded: {error!r}") from error


# -- values


def _known(where: str, row: Mapping[str, Any], allowed: set[str]) -> None:
    for key in row:
        if key not in allowed:
            near = difflib.get_close_matches(key, sorted(allowed), 1)
            hint = f'; did you mean "{near[0]}"?' if near else f": known are {', '.join(sorted(allowed))}"
            raise ProfileError(f"{where}: unknown key {key[:40]!r}{hint}")


def _rows(where: str, content: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found: Any = content.get(key, [])
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in cast("list[Any]", found)):
        raise ProfileError(f"{where}: {key}: write [[{key}]] and its keys below")
    return cast("list[dict[str, Any]]", found)


def _text(where: str, row: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = row.get(key, default)
    if value is None:
        raise ProfileError(f"{where}: {key} is missing")
    if not isinstance(value, str):
        raise ProfileError(f"{where}: {key}: {value!r} is no text")
    return value


def _number(where: str, row: Mapping[str, Any], key: str, default: float) -> float:
    value = row.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ProfileError(f"{where}: {key}: {value!r} is no number")
    return value


def _numbers(where: str, row: Mapping[str, Any], key: str) -> tuple[float, ...]:
    found: Any = row.get(key, [])
    if not isinstance(found, list):
        raise ProfileError(f"{where}: {key}: give a list of numbers")
    return tuple(_number(where, {key: one}, key, 0) for one in cast("list[Any]", found))


def _whole(where: str, row: Mapping[str, Any], key: str, low: int, high: int, default: int | None) -> int:
    value = row.get(key, default)
    if value is None:
        raise ProfileError(f"{where}: {key} is missing")
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ProfileError(f"{where}: {key}: {value!r}: give a whole number, {low} to {high}")
    return value
