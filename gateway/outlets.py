"""Publishers from the configuration: one table `[publish.<name>]` each; `type` says which kind it is.

A platform has a name of its own, under which its position is kept; without `type` the name is the kind. A
secret may be given as a file: `token_file` beside or instead of `token`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import msgspec

from gateway.config import Config
from gateway.counters import Counters
from gateway.errors import ConfigError
from gateway.publish import Publisher
from gateway.publish.ngsi_ld import NgsiLdPublisher, NgsiLdSettings, context_documents


@dataclass(frozen=True, slots=True)
class _Kind:
    settings: type[Any]
    make: Callable[[Any, Counters], Publisher]
    documents: Callable[[Any], dict[str, tuple[str, bytes]]]


KINDS: dict[str, _Kind] = {"ngsi_ld": _Kind(NgsiLdSettings, NgsiLdPublisher, context_documents)}


def make_publishers(config: Config, counters: Counters) -> list[Publisher]:
    """Return the publishers that are configured; raise ConfigError."""
    return [kind.make(settings, counters) for kind, settings in check_publishers(config)]


def public_documents(config: Config) -> dict[str, tuple[str, bytes]]:
    """Return the documents that platforms fetch from the page: path to (media type, content)."""
    found: dict[str, tuple[str, bytes]] = {}
    for kind, settings in check_publishers(config):
        found |= kind.documents(settings)
    return found


def check_publishers(config: Config) -> list[tuple[_Kind, Any]]:
    """Return kind and settings of each publisher without connecting to anything; raise ConfigError."""
    return [_settings(name, dict(table), config.base) for name, table in config.publish.items()]


def _settings(name: str, table: dict[str, Any], base: Path) -> tuple[_Kind, Any]:
    key = f"publish.{name}"
    type_name = table.pop("type", name)
    kind = KINDS.get(type_name) if isinstance(type_name, str) else None
    if kind is None:
        raise ConfigError(f"{key}.type", f"{type_name!r} is no publisher: give {' or '.join(sorted(KINDS))}")
    known = {field.name for field in fields(kind.settings)} - {"name"}
    for entry in [entry for entry in table if entry.endswith("_file") and entry[:-5] in known]:
        table[entry[:-5]] = _secret(f"{key}.{entry}", table.pop(entry), base)
    for entry in table:
        if entry not in known:
            raise ConfigError(f"{key}.{entry}", f"unknown setting; known are {', '.join(sorted(known))}")
    try:
        return kind, msgspec.convert({**table, "name": name}, kind.settings)
    except msgspec.ValidationError as error:
        raise ConfigError(key, f"{error}; correct that setting") from error


def _secret(key: str, value: object, base: Path) -> str:
    if not isinstance(value, str):
        raise ConfigError(key, f"{value!r} is not allowed: give the path of a file")
    try:
        return (base / value).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(key, f"cannot read {value} ({error}): correct the path or its mode") from error
