"""Values of filters: times (instants and intervals), durations, plane geometry."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, cast

from gateway.exports import iso_utc


@dataclass(frozen=True, slots=True)
class Time:
    """An instant (start = end) or an interval, in milliseconds UTC."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time in milliseconds."""

    ms: float


@dataclass(frozen=True, slots=True)
class Shape:
    """A geometry: point, line or polygon (outer ring, holes), in degrees."""

    kind: str
    rings: tuple[tuple[tuple[float, float], ...], ...]


def instant(text: str) -> int:
    """Return an ISO 8601 time with zone in ms; without a zone it is UTC; raise ValueError."""
    moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def time_of(text: str) -> Time:
    """Return an ISO 8601 instant or interval; raise ValueError."""
    first, slash, last = text.partition("/")
    start = instant(first)
    end = instant(last) if slash else start
    if end < start:
        raise ValueError("the interval ends before it starts")
    return Time(start, end)


def time_text(time: Time) -> str:
    """Return a time as SensorThings writes it: UTC with Z."""
    return iso_utc(time.start) if time.start == time.end else f"{iso_utc(time.start)}/{iso_utc(time.end)}"


_DURATION = re.compile(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


def duration_of(text: str) -> Duration:
    """Return an ISO 8601 duration of days and shorter; raise ValueError."""
    found = _DURATION.fullmatch(text)
    if found is None or text.endswith(("P", "T")):
        raise ValueError("not a duration like PT1H30M")
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups()[1:])
    ms = ((days * 24 + hours) * 60 + minutes) * 60_000 + seconds * 1000
    return Duration(-ms if found[1] else ms)


_WKT = re.compile(r"(?:SRID=\d+;)?\s*(POINT|LINESTRING|POLYGON)\s*(?:Z\s*)?(\(.*\))\s*", re.I | re.S)


def shape_of_wkt(text: str) -> Shape:
    """Return a shape of well-known text; raise ValueError."""
    found = _WKT.fullmatch(text)
    if found is None:
        raise ValueError("give POINT, LINESTRING or POLYGON as well-known text")
    kind, body = found[1].upper(), found[2].strip()
    parts = re.findall(r"\(([^()]*)\)", body)
    rings = tuple(tuple(_pair(pair.split()) for pair in part.split(",")) for part in parts)
    return _checked(kind, rings)


def shape_of_json(value: Any) -> Shape | None:
    """Return the shape of GeoJSON (a geometry or a feature), None for others."""
    if not isinstance(value, dict):
        return None
    found = cast("dict[str, Any]", value)
    if found.get("type") == "Feature":
        return shape_of_json(found.get("geometry"))
    coordinates: Any = found.get("coordinates")
    try:
        if found.get("type") == "Point":
            return _checked("POINT", ((_pair(coordinates),),))
        if found.get("type") == "LineString":
            return _checked("LINESTRING", (tuple(map(_pair, coordinates)),))
        if found.get("type") == "Polygon":
            return _checked("POLYGON", tuple(tuple(map(_pair, ring)) for ring in coordinates))
    except (ValueError, TypeError, IndexError):
        return None
    return None


def _pair(numbers: Sequence[Any]) -> tuple[float, float]:
    if not 2 <= len(numbers) <= 3:
        raise ValueError("a position has two numbers, longitude and latitude")
    x, y = float(numbers[0]), float(numbers[1])
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError("a position has two finite numbers")
    return x, y


def _checked(kind: str, rings: tuple[tuple[tuple[float, float], ...], ...]) -> Shape:
    least = {"POINT": 1, "LINESTRING": 2, "POLYGON": 4}[kind]
    if not rings or any(len(ring) < least for ring in rings) or (kind != "POLYGON" and len(rings) > 1):
        raise ValueError(f"too few positions for a {kind}")
    return Shape(kind, rings)


def distance(a: Shape, b: Shape) -> float:
    """Return the shortest distance in degrees of the plane, 0 where they touch."""
    if intersects(a, b):
        return 0.0
    return min(
        min(_to_line(point, line) for point in _points(one) for line in _lines(other))
        for one, other in ((a, b), (b, a))
    )


def intersects(a: Shape, b: Shape) -> bool:
    """Say whether two shapes share a point."""
    if any(_cross(first, second) for first in _lines(a) for second in _lines(b)):
        return True
    return covers(a, b) or covers(b, a)


def covers(a: Shape, b: Shape) -> bool:
    """Say whether no corner of b is outside of a (enough for points, and for convex a)."""
    return all(_in(point, a) for point in _points(b))


def on_edge(a: Shape, b: Shape) -> bool:
    """Say whether two shapes share edges only."""
    if not intersects(a, b):
        return False
    inner = [point for one, other in ((a, b), (b, a)) for point in _points(one) if _inside(point, other)]
    return not inner


def _inside(point: tuple[float, float], shape: Shape) -> bool:
    if shape.kind == "POINT":
        return False
    if any(_to_line(point, line) == 0 for line in _lines(shape)):
        return shape.kind == "LINESTRING" and point not in (shape.rings[0][0], shape.rings[0][-1])
    return shape.kind == "POLYGON" and _in(point, shape)


def length(shape: Shape) -> float:
    """Return the length of a line in degrees of the plane."""
    return sum(math.dist(start, end) for start, end in _lines(shape))


def _points(shape: Shape) -> list[tuple[float, float]]:
    return [point for ring in shape.rings for point in ring]


def _lines(shape: Shape) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    if shape.kind == "POINT":
        return [(shape.rings[0][0], shape.rings[0][0])]
    return [pair for ring in shape.rings for pair in pairwise(ring)]


def _in(point: tuple[float, float], shape: Shape) -> bool:
    if any(_to_line(point, line) == 0 for line in _lines(shape)):
        return True
    if shape.kind != "POLYGON":
        return False
    x, y = point
    inside = False
    for (x1, y1), (x2, y2) in _lines(shape):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside


def _to_line(point: tuple[float, float], line: tuple[tuple[float, float], tuple[float, float]]) -> float:
    (x1, y1), (x2, y2) = line
    dx, dy = x2 - x1, y2 - y1
    square = dx * dx + dy * dy
    along = 0.0 if square == 0 else ((point[0] - x1) * dx + (point[1] - y1) * dy) / square
    along = min(1.0, max(0.0, along))
    return math.dist(point, (x1 + along * dx, y1 + along * dy))


def _cross(
    a: tuple[tuple[float, float], tuple[float, float]], b: tuple[tuple[float, float], tuple[float, float]]
) -> bool:
    def side(p: tuple[float, float], q: tuple[float, float], r: tuple[float, float]) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    d1, d2, d3, d4 = side(*a, b[0]), side(*a, b[1]), side(*b, a[0]), side(*b, a[1])
    if d1 * d2 < 0 and d3 * d4 < 0:
        return True
    return any(_to_line(p, line) == 0 for p, line in ((b[0], a), (b[1], a), (a[0], b), (a[1], b)))
