"""Query options of an address or of an `$expand(...)`: text to a checked value; refusals name the option."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.publish.sensorthings_server.evaluate import check_paths
from gateway.publish.sensorthings_server.grammar import Node, parse
from gateway.publish.sensorthings_server.model import TYPES, EntityType, Refused

MAX_EXPAND_DEPTH = 8
KNOWN = (
    "$filter",
    "$expand",
    "$select",
    "$orderby",
    "$top",
    "$skip",
    "$count",
    "$resultFormat",
    "$skiptoken",
)


@dataclass(slots=True)
class Options:
    """What was asked for. text: the options as they were given, for nextLink."""

    filter: Node | None = None
    expand: dict[str, Options] = field(default_factory=lambda: dict[str, Options]())
    select: tuple[str, ...] = ()
    order: tuple[tuple[Node, bool], ...] = ()  # (tree, is descending)
    order_text: str = ""
    top: int | None = None
    skip: int = 0
    count: bool = False
    result_format: str = ""
    skip_token: str = ""
    text: dict[str, str] = field(default_factory=dict[str, str])


def read_options(pairs: Iterable[tuple[str, str]], kind: EntityType, depth: int = 0) -> Options:
    """Return the options of a collection of a type; raise Refused (400)."""
    found = Options()
    for name, text in pairs:
        if not name.startswith("$"):
            continue  # others' parameters (a cache buster, a token) are not ours to judge
        if name not in KNOWN:
            raise Refused(400, f"{name}: there is no such option; known are {', '.join(KNOWN)}")
        if name in found.text:
            raise Refused(400, f"{name}: given twice")
        found.text[name] = text
        _read(found, name, text.strip(), kind, depth)
    return found


def _read(found: Options, name: str, text: str, kind: EntityType, depth: int) -> None:
    if name == "$filter":
        found.filter = parse(text)
        check_paths(found.filter, kind, TYPES)
    elif name == "$expand":
        if depth >= MAX_EXPAND_DEPTH:
            raise Refused(400, f"$expand: nested deeper than {MAX_EXPAND_DEPTH}")
        for item in split(text, ","):
            _expand(found, item.strip(), kind, depth)
    elif name == "$select":
        found.select = tuple(part.strip() for part in text.split(","))
        for part in found.select:
            if part not in ("id", "@iot.id", *kind.properties, *kind.relations):
                raise Refused(400, f"$select: {kind.one} has no property {part!r}")
    elif name == "$orderby":
        found.order_text = text
        found.order = tuple(_order(item.strip(), kind) for item in split(text, ","))
    elif name in ("$top", "$skip"):
        if not (text.isascii() and text.isdigit()):
            raise Refused(400, f"{name}: {text[:20]!r} is not a whole number from 0 on")
        number = min(int(text[:18]), 2**53)
        found.top, found.skip = (number, found.skip) if name == "$top" else (found.top, number)
    elif name == "$count":
        if text.lower() not in ("true", "false"):
            raise Refused(400, f"$count: {text[:20]!r} is neither true nor false")
        found.count = text.lower() == "true"
    elif name == "$resultFormat":
        if text.lower() not in ("dataarray", "json"):
            raise Refused(400, f"$resultFormat: {text[:20]!r}; this server knows dataArray")
        found.result_format = text.lower()
    else:
        found.skip_token = text


def _order(item: str, kind: EntityType) -> tuple[Node, bool]:
    # frost-sta-client writes DESC, other clients more than one blank.
    found = re.fullmatch(r"(.*?)(?:\s+(asc|desc))?\s*", item, re.I | re.S)
    assert found is not None  # it fits anything
    text, is_descending = found[1], (found[2] or "").lower() == "desc"
    node = parse(text, "$orderby")
    check_paths(node, kind, TYPES)
    return node, is_descending


def _expand(found: Options, item: str, kind: EntityType, depth: int) -> None:
    path, paren, rest = item.partition("(")
    if paren and not rest.endswith(")"):
        raise Refused(400, f"$expand: {item[:40]!r} lacks a )")
    first, slash, further = path.strip().partition("/")
    relation = kind.relations.get(first)
    if relation is None:
        raise Refused(400, f"$expand: {kind.one} has nothing called {first[:40]!r}")
    inner = TYPES[relation.type]
    if slash:  # Datastreams/Sensor(...) is Datastreams($expand=Sensor(...))
        pairs = [("$expand", further + paren + rest)]
    else:
        pairs = [_pair(one) for one in split(rest[:-1], ";") if one.strip()] if paren else []
    options = read_options(pairs, inner, depth + 1)
    if first in found.expand:
        found.expand[first].expand |= options.expand
    else:
        found.expand[first] = options


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.strip().partition("=")
    if not equals:
        raise Refused(400, f"$expand: {text[:40]!r} is not option=value")
    return name.strip(), value


def split(text: str, sign: str) -> list[str]:
    """Split at a sign that stands in no parentheses and no quotes; raise Refused."""
    parts, depth, quoted, start = list[str](), 0, False, 0
    for at, letter in enumerate(text):
        if letter == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
            if depth < 0:
                raise Refused(400, f"a ) too many at {text[max(0, at - 20) : at + 1]!r}")
        elif letter == sign and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    if depth or quoted:
        raise Refused(400, f"a parenthesis or quote is not closed in {text[:60]!r}")
    return [*parts, text[start:]]
