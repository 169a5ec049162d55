"""Expressions of `$filter` and `$orderby`: text to a tree (OData 4 as SensorThings takes it, clause 9.3.3.5).

    expression = or; or = and {"or" and}; and = not {"and" not}; not = "not" not | comparison
    comparison = sum [("eq"|"ne"|"gt"|"ge"|"lt"|"le") sum | "in" "(" sum {"," sum} ")"]
    sum = term {("add"|"sub") term}
    term = unary {("mul"|"div"|"mod") unary}
    unary = "-" number | literal | function | path | "(" expression ")"

Anything else is refused with the place: no text can make it loop or fail otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from typing import Any

from gateway.publish.sensorthings_server.model import Refused
from gateway.publish.sensorthings_server.values import Time, duration_of, instant, shape_of_wkt

MAX_DEPTH = 40
MAX_LENGTH = 8000


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    value: Any


@dataclass(frozen=True, slots=True)
class Path:
    """A property, maybe of a related entity: ("Datastream", "name")."""

    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function or operator with its arguments."""

    name: str
    arguments: tuple[Node, ...]


Node = Literal | Path | Call

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+\- ]\d\d:?\d\d)?
       (?:/\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+\- ]\d\d:?\d\d)?)?)
  | (?P<date>\d{4}-\d\d-\d\d(?![\dT]))
  | (?P<clock>\d\d:\d\d:\d\d(?:\.\d+)?)
  | (?P<number>(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)
  | (?P<special>(?:geography|geometry|duration|date|datetime|datetimeoffset|time)'(?:[^']|'')*')
  | (?P<string>'(?:[^']|'')*')
  | (?P<name>@?[A-Za-z_][\w.]*(?:/@?[A-Za-z_][\w.@]*)*)
  | (?P<sign>[(),\-])
    )""",
    re.X,
)
_COMPARE = ("eq", "ne", "gt", "ge", "lt", "le")
_WORDS = {"in", "and", "or", "not", "add", "sub", "mul", "div", "mod", *_COMPARE}
_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "null": None}

# function: numbers of arguments that it takes
FUNCTIONS: dict[str, tuple[int, ...]] = {
    "substringof": (2,), "contains": (2,), "endswith": (2,), "startswith": (2,), "length": (1,),
    "indexof": (2,), "substring": (2, 3), "tolower": (1,), "toupper": (1,), "trim": (1,), "concat": (2,),
    "year": (1,), "month": (1,), "day": (1,), "hour": (1,), "minute": (1,), "second": (1,),
    "fractionalseconds": (1,), "date": (1,), "time": (1,), "totaloffsetminutes": (1,), "now": (0,),
    "mindatetime": (0,), "maxdatetime": (0,), "round": (1,), "floor": (1,), "ceiling": (1,),
    "geo.distance": (2,), "geo.length": (1,), "geo.intersects": (2,), "st_equals": (2,), "st_disjoint": (2,),
    "st_touches": (2,), "st_within": (2,), "st_overlaps": (2,), "st_crosses": (2,), "st_intersects": (2,),
    "st_contains": (2,), "before": (2,), "after": (2,), "meets": (2,), "during": (2,), "overlaps": (2,),
    "starts": (2,), "finishes": (2,),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse(text: str, option: str = "$filter") -> Node:
    """Return the tree of an expression; raise Refused (400) naming option and place."""
    return _Parser(text, option).whole()


class _Parser:
    def __init__(self, text: str, option: str) -> None:
        self._option = option
        if len(text) > MAX_LENGTH:
            raise Refused(400, f"{option}: longer than {MAX_LENGTH} characters")
        self._tokens = list(self._split(text))
        self._next = 0
        self._depth = 0

    def whole(self) -> Node:
        found = self._or()
        if self._peek().kind != "end":
            raise self._wrong("an operator or the end is expected")
        return found

    def _split(self, text: str) -> Any:
        at, end = 0, len(text.rstrip())
        while at < end:
            found = _TOKEN.match(text, at)
            if found is None or found.lastgroup is None:
                raise Refused(400, f"{self._option}: {text[at : at + 20]!r} at character {at + 1} is unknown")
            yield _Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup))
            at = found.end()
        yield _Token("end", "", end)

    def _or(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Refused(400, f"{self._option}: nested deeper than {MAX_DEPTH}")
        found = self._chain(("or",), lambda: self._chain(("and",), self._not))
        self._depth -= 1
        return found

    def _not(self) -> Node:
        negations = 0
        while self._word() == "not":
            self._take()
            negations += 1
        found = self._comparison()
        return Call("not", (found,)) if negations % 2 else found

    def _comparison(self) -> Node:
        left = self._sum()
        word = self._word()
        if word in _COMPARE:
            self._take()
            return Call(word, (left, self._sum()))
        return self._among(left) if word == "in" else left

    def _among(self, left: Node) -> Node:
        """Read `in (1, 2)` as what it means: `eq 1 or eq 2`."""
        self._take()
        self._expect("(")
        found: Node = Call("eq", (left, self._sum()))
        while self._peek().kind == "sign" and self._peek().text == ",":
            self._take()
            found = Call("or", (found, Call("eq", (left, self._sum()))))
        self._expect(")")
        return found

    def _sum(self) -> Node:
        return self._chain(("add", "sub"), lambda: self._chain(("mul", "div", "mod"), self._unary))

    def _chain(self, words: tuple[str, ...], inner: Any) -> Node:
        found = inner()
        while (word := self._word()) in words:
            self._take()
            found = Call(word, (found, inner()))
        return found

    def _unary(self) -> Node:
        token = self._take()
        if token.kind == "sign" and token.text == "-":
            if self._peek().kind != "number":
                raise self._wrong("a number is expected after -")
            return Literal(-float(self._take().text))
        if token.kind == "sign" and token.text == "(":
            found = self._or()
            self._expect(")")
            return found
        if token.kind == "name" and token.text not in _WORDS:
            return self._named(token)
        if token.kind in ("number", "string", "time", "date", "clock", "special"):
            return Literal(self._value(token))
        self._next -= 1
        raise self._wrong("a property, value or function is expected")

    def _named(self, token: _Token) -> Node:
        if token.text in _CONSTANTS:
            return Literal(_CONSTANTS[token.text])
        if self._peek().text != "(" or self._peek().kind != "sign":
            return Path(tuple(token.text.split("/")))
        name = token.text.lower()
        if name not in FUNCTIONS:
            self._next -= 1
            raise self._wrong(f"there is no function {token.text}")
        self._take()
        arguments: list[Node] = []
        if self._peek().text != ")":
            arguments.append(self._or())
            while self._peek().text == "," and self._peek().kind == "sign":
                self._take()
                arguments.append(self._or())
        self._expect(")")
        if len(arguments) not in FUNCTIONS[name]:
            raise self._wrong(f"{name} takes {' or '.join(map(str, FUNCTIONS[name]))} arguments")
        return Call(name, tuple(arguments))

    def _value(self, token: _Token) -> Any:
        try:
            if token.kind == "number":
                return float(token.text)
            if token.kind == "string":
                return token.text[1:-1].replace("''", "'")
            if token.kind == "clock":
                return time.fromisoformat(token.text).isoformat()
            if token.kind == "date":
                return Time(instant(token.text), instant(token.text))
            if token.kind == "time":
                first, slash, last = token.text.partition("/")
                return Time(instant(first), instant(last) if slash else instant(first))
            kind, _, quoted = token.text.partition("'")
            inner = quoted[:-1].replace("''", "'")
            if kind in ("geography", "geometry"):
                return shape_of_wkt(inner)
            return duration_of(inner) if kind == "duration" else Time(instant(inner), instant(inner))
        except (ValueError, OverflowError) as error:
            raise Refused(400, f"{self._option}: {token.text[:40]!r}: {error}") from error

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _word(self) -> str:
        token = self._peek()
        return token.text if token.kind == "name" and token.text in _WORDS else ""

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        if token.kind != "end":
            self._next += 1
        else:
            raise self._wrong("it ends too early")
        return token

    def _expect(self, sign: str) -> None:
        if self._peek().kind != "sign" or self._peek().text != sign:
            raise self._wrong(f"{sign} is expected")
        self._next += 1

    def _wrong(self, why: str) -> Refused:
        token = self._peek()
        return Refused(400, f"{self._option}: {why} at character {token.at + 1} ({token.text[:20]!r})")
