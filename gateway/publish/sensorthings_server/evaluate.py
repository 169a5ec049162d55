"""What an expression is for one entity. Types that do not fit give null, and null fits no comparison."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, cast

from gateway.publish.sensorthings_server.grammar import Call, Literal, Node, Path
from gateway.publish.sensorthings_server.model import Entity, Refused
from gateway.publish.sensorthings_server.values import (
    Duration,
    Shape,
    Time,
    covers,
    distance,
    instant,
    intersects,
    length,
    on_edge,
    shape_of_json,
    time_of,
)

MOST_BEHIND_PATHS = 200_000  # observations that one request may look at through `Observations/result`
Related = Callable[[Entity, str], Iterable[Entity]]


class Evaluator:
    """Evaluates trees. related: the entities behind a navigation property; now_ms: what now() is."""

    def __init__(self, related: Related, now_ms: int) -> None:
        self._related = related
        self._now_ms = now_ms
        self._left = MOST_BEHIND_PATHS

    def holds(self, node: Node, entity: Entity) -> bool:
        """Say whether a filter holds."""
        return self.value(node, entity) is True

    def value(self, node: Node, entity: Entity) -> Any:
        """Return the value of a tree; of a path through many, the first."""
        if isinstance(node, Literal):
            return node.value
        if isinstance(node, Path):
            return next(iter(self.values(node, entity)), None)
        if node.name == "and":
            return all(self.holds(one, entity) for one in node.arguments)
        if node.name == "or":
            return any(self.holds(one, entity) for one in node.arguments)
        if node.name == "not":
            found = self.value(node.arguments[0], entity)
            return None if found is None else found is not True
        # A path to many fits when any of them does.
        options = [self._options(one, entity) for one in node.arguments]
        result: Any = None
        for chosen in _product(options):
            result = _apply(node.name, chosen, self._now_ms)
            if result is True:
                return True
        return result

    def _options(self, node: Node, entity: Entity) -> list[Any]:
        if isinstance(node, Path):
            return list(self.values(node, entity)) or [None]
        return [self.value(node, entity)]

    def values(self, path: Path, entity: Entity) -> Iterable[Any]:
        """Yield the values at a path."""
        step, rest = path.steps[0], path.steps[1:]
        if step in entity.type.relations:
            is_many = entity.type.relations[step].type == "Observations"
            for other in self._related(entity, step):
                self._left -= is_many
                if self._left < 0:
                    raise Refused(
                        400, f"more than {MOST_BEHIND_PATHS} observations behind {step}: ask /Observations"
                    )
                if rest:
                    yield from self.values(Path(rest), other)
                else:
                    yield other.id
            return
        if step in ("id", "@iot.id") and not rest:
            yield entity.id
            return
        if step not in entity.type.properties:
            raise Refused(400, f"{entity.type.one} has no property {step!r}")
        value: Any = entity.fields.get(step)
        for name in rest:
            value = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
        if isinstance(value, str) and step in entity.type.times:
            value = _time(value)
        yield value


def check_paths(node: Node, entity_type: Any, types: dict[str, Any]) -> None:
    """Raise Refused when a tree names a property that its type lacks."""
    if isinstance(node, Call):
        for one in node.arguments:
            check_paths(one, entity_type, types)
    elif isinstance(node, Path):
        for number, step in enumerate(node.steps):
            relation = entity_type.relations.get(step)
            if relation is not None:
                entity_type = types[relation.type]
                continue
            if step in entity_type.properties or (
                step in ("id", "@iot.id") and number + 1 == len(node.steps)
            ):
                return
            raise Refused(400, f"{entity_type.one} has no property {step!r}")


def sort_key(value: Any) -> tuple[int, Any]:
    """Return a key that sorts any values: null, numbers, times, texts."""
    if value is None:
        return 0, 0
    if isinstance(value, bool | int | float):
        return 1, value
    if isinstance(value, Time):
        return 2, (value.start, value.end)
    return 3, str(value)


def _product(options: list[list[Any]]) -> Iterable[tuple[Any, ...]]:
    if not options:
        yield ()
        return
    for rest in _product(options[1:]):
        for one in options[0]:
            yield (one, *rest)


def _apply(name: str, values: tuple[Any, ...], now_ms: int) -> Any:
    try:
        if name in _COMPARISONS:
            return _compare(name, values[0], values[1])
        if name in ("now", "mindatetime", "maxdatetime"):
            at = {"now": now_ms, "mindatetime": -62_135_596_800_000, "maxdatetime": 253_402_300_799_999}[name]
            return Time(at, at)
        if any(value is None for value in values):
            return None
        return _FUNCTIONS[name](*values)
    except (ValueError, TypeError, AttributeError, ZeroDivisionError, OverflowError):
        return None  # types that do not fit


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq, "ne": operator.ne, "gt": operator.gt, "ge": operator.ge, "lt": operator.lt,
    "le": operator.le,
}  # fmt: skip


def _compare(name: str, a: Any, b: Any) -> bool | None:
    if a is None or b is None:
        both = a is None and b is None
        return both if name == "eq" else not both if name == "ne" else None
    if isinstance(a, Time) or isinstance(b, Time):
        return _compare_times(name, _as_time(a), _as_time(b))
    a, b = _alike(a, b)
    if type(a) is not type(b) and not (_is_number(a) and _is_number(b)):
        return {"eq": False, "ne": True}.get(name)
    return _COMPARISONS[name](a, b)


def _compare_times(name: str, a: Time, b: Time) -> bool:
    if name in ("eq", "ne"):
        return (a == b) == (name == "eq")
    if name == "gt":
        return a.start > b.end or (a.start == a.end and b.start != b.end and a.start >= b.end)
    if name == "lt":
        return a.end < b.start or (b.start == b.end and a.start != a.end and a.end <= b.start)
    return a.start >= b.start if name == "ge" else a.end <= b.end


def _alike(a: Any, b: Any) -> tuple[Any, Any]:
    """Read a number in quotes as one where the other side is a number: `result gt '3'`."""
    if isinstance(a, str) and _is_number(b):
        return _number(a), b
    if isinstance(b, str) and _is_number(a):
        return a, _number(b)
    return a, b


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _time(text: str) -> Any:
    try:
        return time_of(text)
    except ValueError:
        return None


def _as_time(value: Any) -> Time:
    if isinstance(value, Time):
        return value
    if isinstance(value, str):
        return time_of(value)
    raise TypeError


def _part(value: Any, read: Callable[[datetime], Any]) -> Any:
    return read(datetime.fromtimestamp(_as_time(value).start / 1000, UTC))


def _shape(value: Any) -> Shape:
    found = value if isinstance(value, Shape) else shape_of_json(value)
    if found is None:
        raise TypeError
    return found


def _sum(a: Any, b: Any, sign: int) -> Any:
    if isinstance(a, Time) and isinstance(b, Duration):
        shift = round(sign * b.ms)
        return Time(a.start + shift, a.end + shift)
    if isinstance(a, Time) and isinstance(b, Time) and sign < 0:
        return Duration(a.start - b.start)
    a, b = _alike(a, b)
    return a + sign * b


def _text(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(first: Any, *others: Any) -> Any:
        if not isinstance(first, str):
            raise TypeError
        return function(first, *others)

    return run


def _round(value: float) -> float:
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)  # halves away from zero, as OData says


def _substring(text: str, start: float, count: float | None = None) -> str:
    first = int(start)
    return text[first:] if count is None else text[first : first + int(count)]


_ONE: dict[str, Callable[[Any], Any]] = {
    "year": lambda a: _part(a, lambda t: t.year),
    "month": lambda a: _part(a, lambda t: t.month),
    "day": lambda a: _part(a, lambda t: t.day),
    "hour": lambda a: _part(a, lambda t: t.hour),
    "minute": lambda a: _part(a, lambda t: t.minute),
    "second": lambda a: _part(a, lambda t: t.second),
    "fractionalseconds": lambda a: _as_time(a).start % 1000 / 1000,
    "date": lambda a: _part(a, lambda t: Time(*[instant(t.date().isoformat())] * 2)),
    "time": lambda a: _part(a, lambda t: t.time().isoformat()),
    "totaloffsetminutes": lambda a: _as_time(a).start * 0,  # everything here is UTC
    "round": lambda a: _round(float(a)),
    "floor": lambda a: math.floor(float(a)),
    "ceiling": lambda a: math.ceil(float(a)),
    "geo.length": lambda a: length(_shape(a)),
}
_TWO: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: _sum(a, b, 1),
    "sub": lambda a, b: _sum(a, b, -1),
    "mul": lambda a, b: float(a) * float(b),
    "div": lambda a, b: float(a) / float(b),
    "mod": lambda a, b: math.fmod(float(a), float(b)),
    "geo.distance": lambda a, b: distance(_shape(a), _shape(b)),
    "geo.intersects": lambda a, b: intersects(_shape(a), _shape(b)),
    "st_intersects": lambda a, b: intersects(_shape(a), _shape(b)),
    "st_disjoint": lambda a, b: not intersects(_shape(a), _shape(b)),
    "st_within": lambda a, b: covers(_shape(b), _shape(a)),
    "st_contains": lambda a, b: covers(_shape(a), _shape(b)),
    "st_equals": lambda a, b: covers(_shape(a), _shape(b)) and covers(_shape(b), _shape(a)),
    "st_touches": lambda a, b: on_edge(_shape(a), _shape(b)),
    "st_overlaps": lambda a, b: (
        _shape(a).kind == _shape(b).kind
        and intersects(_shape(a), _shape(b))
        and not on_edge(_shape(a), _shape(b))
        and not covers(_shape(a), _shape(b))
        and not covers(_shape(b), _shape(a))
    ),
    "st_crosses": lambda a, b: (
        "LINESTRING" in (_shape(a).kind, _shape(b).kind)
        and intersects(_shape(a), _shape(b))
        and not covers(_shape(a), _shape(b))
        and not covers(_shape(b), _shape(a))
        and not on_edge(_shape(a), _shape(b))
    ),
    "before": lambda a, b: _as_time(a).end < _as_time(b).start,
    "after": lambda a, b: _as_time(a).start > _as_time(b).end,
    "meets": lambda a, b: _as_time(a).end == _as_time(b).start or _as_time(b).end == _as_time(a).start,
    "during": lambda a, b: _as_time(a).start >= _as_time(b).start and _as_time(a).end <= _as_time(b).end,
    "overlaps": lambda a, b: _as_time(a).start <= _as_time(b).end and _as_time(b).start <= _as_time(a).end,
    "starts": lambda a, b: _as_time(a).start == _as_time(b).start,
    "finishes": lambda a, b: _as_time(a).end == _as_time(b).end,
}
_TEXT_ONE: dict[str, Callable[[str], Any]] = {
    "length": len,
    "tolower": str.lower,
    "toupper": str.upper,
    "trim": str.strip,
}
_TEXT_TWO: dict[str, Callable[[str, Any], Any]] = {
    "substringof": lambda part, text: part in text,
    "contains": lambda text, part: part in text,
    "endswith": lambda text, part: text.endswith(part),
    "startswith": lambda text, part: text.startswith(part),
    "indexof": lambda text, part: text.find(part),
    "concat": lambda text, part: text + str(part),
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **_ONE,
    **_TWO,
    **{name: _text(function) for name, function in _TEXT_ONE.items()},
    **{name: _text(function) for name, function in _TEXT_TWO.items()},
    "substring": _text(_substring),
}
