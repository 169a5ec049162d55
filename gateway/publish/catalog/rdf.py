"""Nodes as JSON-LD objects, and the same nodes as Turtle. Small on purpose: what a catalogue needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

Node = dict[str, Any]

PREFIXES = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "adms": "http://www.w3.org/ns/adms#",
    "geo": "http://www.opengis.net/ont/geosparql#",
    "sosa": "http://www.w3.org/ns/sosa/",
    "mn": "urn:x-meetnet:def:",
}


def iri(address: str) -> Node:
    """Return a reference."""
    return {"@id": address}


def words(text: str, language: str) -> Node:
    """Return a text in a language."""
    return {"@value": text, "@language": language}


def typed(value: str, datatype: str) -> Node:
    """Return a literal of a datatype ("xsd:date")."""
    return {"@value": value, "@type": datatype}


def json_ld(nodes: Sequence[Node]) -> str:
    """Return nodes as a JSON-LD document."""
    return json.dumps({"@context": PREFIXES, "@graph": nodes}, ensure_ascii=False, indent=1)


def turtle(nodes: Sequence[Node]) -> str:
    """Return nodes as a Turtle document."""
    head = "".join(f"@prefix {name}: <{address}> .\n" for name, address in PREFIXES.items())
    return head + "".join(f"\n<{node['@id']}> {_body(node)} .\n" for node in nodes)


def _body(node: Node) -> str:
    pairs: list[str] = []
    for name, value in node.items():
        if name == "@id":
            continue
        values = cast("list[Any]", value) if isinstance(value, list) else [value]
        if values:
            pairs.append(
                ("a " if name == "@type" else f"{name} ") + " , ".join(_value(one, name) for one in values)
            )
    return " ;\n  ".join(pairs)


def _value(value: Any, name: str) -> str:
    if name == "@type":
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _text(value)
    node = cast("Node", value)
    if "@value" in node:
        tail = f"@{node['@language']}" if "@language" in node else f"^^{node['@type']}"
        return _text(node["@value"]) + tail
    return f"<{node['@id']}>" if set(node) == {"@id"} else f"[ {_body(node)} ]"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
