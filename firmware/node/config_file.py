"""Writing config.json so that a power cut leaves the old one or the new one; boot.py mends the rest."""

import json
import os

NEW, NOW = "config.new", "config.json"


def write(text):
    """Put a text in the place of config.json; OSError when the flash refuses it."""
    with open(NEW, "w") as f:
        if f.write(text) != len(text):
            raise OSError(28)
    os.rename(NEW, NOW)


def read():
    """Return the JSON object of config.json; {} when there is none."""
    try:
        with open(NOW) as f:
            data = json.load(f)
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def put(data, key, value):
    """Set a dotted key of a JSON object."""
    parts = key.split(".")
    for part in parts[:-1]:
        inner = data.get(part)
        if not isinstance(inner, dict):
            inner = data[part] = {}
        data = inner
    data[parts[-1]] = value


def merge(pairs):
    """Write config.json with some dotted keys changed: [(key, value)]."""
    data = read()
    data.setdefault("schema", 1)
    for key, value in pairs:
        put(data, key, value)
    write(json.dumps(data))
