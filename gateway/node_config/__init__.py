"""What a node's config.json may hold: one schema for command line, forms and downlinks.

schema.json is written by `python -m tools.config_schema` from the table that the firmware itself uses.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Key:
    """One key: dotted name, unit, title and remedy by language, its JSON Schema.

    downlink: its number on FPort COMMANDS, None where it is set at the node only. only: of which nodes it
    makes sense, as {"kind": [...]} or {"radio": [...]}. is_hosts: whether whoever hosts a node may change it.
    """

    name: str
    unit: str
    title: dict[str, str]
    remedy: dict[str, str]
    secret: bool
    downlink: int | None
    only: dict[str, list[str]]
    is_hosts: bool
    rules: dict[str, Any]

    def fault(self, value: object) -> str | None:
        """Return what is wrong with a value, with the remedy, or None. The value itself is not told."""
        wrong = _fault(self.rules, value)
        return None if wrong is None else f"{self.name} {wrong}: {self.remedy['en']}"

    def is_of(self, kind: str, radio: str) -> bool:
        """Tell whether a node of this kind on this way out has a use for the key."""
        return kind in self.only.get("kind", (kind,)) and radio in self.only.get("radio", (radio,))


def _fault(rules: dict[str, Any], value: object) -> str | None:
    if "enum" in rules:
        if any(type(value) is type(choice) and value == choice for choice in rules["enum"]):
            return None
        return "is none of " + ", ".join(str(choice) for choice in rules["enum"])
    if rules["type"] == "integer":
        if not isinstance(value, int) or isinstance(value, bool):
            return "is no whole number"
        low, high = rules["minimum"], rules["maximum"]
        return None if low <= value <= high else f"is outside {low}..{high}"
    if not isinstance(value, str):
        return "is no text"
    if "pattern" in rules:
        return (
            None if re.fullmatch(rules["pattern"], value) else "is not the right number of hexadecimal digits"
        )
    low, high = rules["minLength"], rules["maxLength"]
    return None if low <= len(value) <= high else f"has not {low}..{high} characters"


@cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema of config.json."""
    return json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))


@cache
def keys() -> dict[str, Key]:
    """Return every key by its dotted name, in the order of the file."""
    found: dict[str, Key] = {}

    def walk(prefix: str, properties: dict[str, Any]) -> None:
        for name, rules in properties.items():
            if "x-title" not in rules:
                if "properties" in rules:
                    walk(f"{prefix}{name}.", rules["properties"])
                continue
            found[prefix + name] = Key(
                prefix + name,
                rules["x-unit"],
                rules["x-title"],
                rules["x-remedy"],
                bool(rules.get("writeOnly")),
                rules.get("x-downlink"),
                rules.get("x-only", {}),
                bool(rules.get("x-host")),
                rules,
            )

    walk("", schema()["properties"])
    return found
