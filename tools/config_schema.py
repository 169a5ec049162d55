"""Writes gateway/node_config/schema.json: a node's config.json as JSON Schema (2020-12), with words.

Ranges and choices are those of firmware/node/config.py, the numbers of downlinks those of wire/commands.py,
units and words, and who may change what, those of config_texts.toml. `python -m tools.config_schema` writes,
`--check` only compares.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "gateway" / "node_config" / "schema.json"
TEXTS = Path(__file__).with_name("config_texts.toml")
LANGUAGES = ("nl", "fr", "en")


def property_of(kind: str, default: Any, low: Any, high: Any) -> dict[str, Any]:
    """Return the JSON Schema of one key."""
    if kind == "int":
        return {"type": "integer", "minimum": low, "maximum": high, "default": default}
    if kind == "choice":
        return {"enum": list(low), "default": default}
    if kind in ("hex", "secret_hex"):
        found: dict[str, Any] = {"type": "string", "pattern": f"^[0-9a-fA-F]{{{low}}}$"}
    else:
        found = {"type": "string", "minLength": low, "maxLength": high}
    if kind.startswith("secret"):
        return found | {"writeOnly": True}
    return found | {"default": default}


def schema() -> dict[str, Any]:
    """Return the schema. KeyError names a key without words."""
    sys.path.insert(0, str(ROOT / "firmware"))
    from node.config import KEYS, SCHEMA
    from wire import commands

    texts: dict[str, Any] = tomllib.loads(TEXTS.read_text(encoding="utf-8"))
    remedies, only, host = texts.pop("remedy"), texts.pop("only"), texts.pop("host")["keys"]
    numbers: dict[str, int] = {row[1]: row[0] for row in commands.KEYS}
    properties: dict[str, Any] = {"schema": {"const": SCHEMA}}
    for key, kind, default, low, high, remedy in KEYS:
        unit, *words = texts[key]
        row = property_of(kind, default, low, high)
        row["x-unit"] = unit
        row["x-title"] = dict(zip(LANGUAGES, words, strict=True))
        row["x-remedy"] = dict(zip(LANGUAGES, (*remedies[key], remedy), strict=True))
        if key in only:
            row["x-only"] = only[key]
        if key in host:
            row["x-host"] = True
        if key in numbers:
            row["x-downlink"] = numbers[key]
        home = properties
        *parents, name = key.split(".")
        for parent in parents:
            home = home.setdefault(parent, {"type": "object", "properties": {}})["properties"]
        home[name] = row
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "config.json of a Meetnet node",
        "type": "object",
        "required": ["schema"],
        "properties": properties,
    }


def text() -> str:
    """Return the file's text."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write, or compare."""
    if "--check" in sys.argv[1:]:
        same = TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text()
        return 0 if same else 1
    TARGET.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
