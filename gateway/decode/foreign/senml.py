"""SenML (RFC 8428): a pack of records with base values, in JSON or CBOR, resolved to named values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, cast

from gateway.decode.foreign.errors import FormatError
from gateway.decode.foreign.values import Found

# RFC 8428 table 4: CBOR labels
LABELS: dict[int, str] = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
VERSION = 10
_RELATIVE_BELOW_S = 1 << 28  # section 4.5.3
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")
MOST_RECORDS = 500


def read(pack: Any) -> list[Found]:
    """Return the numeric values of a pack, each under its own name: `n`, or what ends the base name.

    at_s: absolute UTC, negative or small where it is relative to now (then without a base time), None for
    now. Texts, booleans and data have no place in the measurement table and are passed by.
    """
    if not isinstance(pack, list):
        raise FormatError("is no SenML pack, which is a list of records")
    records = cast("list[Any]", pack)
    if len(records) > MOST_RECORDS:
        raise FormatError(f"has more than {MOST_RECORDS} SenML records")
    base: dict[str, Any] = {}
    out: list[Found] = []
    for number, record in enumerate(records):
        fields = _fields(record, number)
        base |= {key: value for key, value in fields.items() if key.startswith("b")}
        if _number(base, "bver", number, VERSION) > VERSION:
            raise FormatError(f"is SenML of version {base['bver']}, {VERSION} is known")
        found = _resolved(base, fields, number)
        if found is not None:
            out.append(found)
    return out


def _fields(record: Any, number: int) -> dict[str, Any]:
    if not isinstance(record, Mapping):
        raise FormatError(f"has no map as SenML record {number}")
    fields: dict[str, Any] = {}
    for key, value in cast("Mapping[Any, Any]", record).items():
        name = LABELS.get(key) if isinstance(key, int) and not isinstance(key, bool) else key
        if not isinstance(name, str):
            continue
        if name.endswith("_"):  # section 4.4: must be understood
            raise FormatError(
                f"has {name[:40]!r} in SenML record {number}, which must be understood and is not"
            )
        fields[name] = value
    return fields


def _resolved(base: dict[str, Any], fields: dict[str, Any], number: int) -> Found | None:
    own, before = _text(fields, "n", number), _text(base, "bn", number)
    if not _NAME.fullmatch(before + own):
        raise FormatError(f"has no usable name in SenML record {number}: {(before + own)[:60]!r}")
    if "v" not in fields and ("bv" not in base or {"vs", "vb", "vd", "s"} & fields.keys()):
        return None
    value = _number(fields, "v", number, 0) + _number(base, "bv", number, 0)
    if not math.isfinite(value):
        raise FormatError(f"has a value that is no finite number in SenML record {number}")
    at_s = _number(base, "bt", number, 0) + _number(fields, "t", number, 0)
    if not math.isfinite(at_s):
        raise FormatError(f"has a time that is no finite number in SenML record {number}")
    name = own or re.split(r"[:/]", before.rstrip(":/"))[-1]
    unit = _text(fields, "u", number) or _text(base, "bu", number)
    return Found(name, value, unit or None, at_s or None)


def absolute_s(at_s: float, now_s: float) -> float:
    """Return a time of section 4.5.3: below 2**28 it is relative to now."""
    return at_s + now_s if at_s < _RELATIVE_BELOW_S else at_s


def _text(fields: dict[str, Any], key: str, number: int) -> str:
    value = fields.get(key, "")
    if not isinstance(value, str):
        raise FormatError(f"has {key!r} in SenML record {number}, which is no text")
    return value


def _number(fields: dict[str, Any], key: str, number: int, default: float) -> float:
    value = fields.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise FormatError(f"has {key!r} in SenML record {number}, which is no number")
    try:
        return float(value)
    except OverflowError:
        raise FormatError(f"has {key!r} in SenML record {number}, which is too large") from None
