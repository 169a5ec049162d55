"""The configuration: one TOML file, checked against the rows of gateway.settings before anything starts.

    [web]
    port = 8080
    [publish.ngsi_ld]
    url = "http://localhost:1026"

Tables under `publish` belong to the publishers, which check them themselves.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from gateway.errors import ConfigError
from gateway.settings import BY_KEY, FLAG, LIST, NUMBER, SETTINGS, WHOLE, Setting, Value, toml_value

_SECTIONS = {setting.key.split(".")[0] for setting in SETTINGS} | {"publish"}


class Config:
    """Checked settings. Keys are dotted, as in the README's table; an unknown one is a KeyError of ours."""

    def __init__(
        self,
        values: Mapping[str, Value] | None = None,
        publish: Mapping[str, Mapping[str, Any]] | None = None,
        base: Path | None = None,
        file: Path | None = None,
    ) -> None:
        """Check values by dotted key; what is absent has its default. Paths are relative to `base`.

        file: where it was read from.
        """
        self._values: dict[str, Value] = {setting.key: setting.default for setting in SETTINGS}
        wrong: list[ConfigError] = []
        for key, value in (values or {}).items():
            try:
                self._values[key] = check(key, value)
            except ConfigError as error:
                wrong.append(error)
        if wrong:
            wrong[0].others = tuple(wrong[1:])
            raise wrong[0]
        self.publish: dict[str, dict[str, Any]] = {
            name: dict(table) for name, table in (publish or {}).items()
        }
        self.base = base or Path.cwd()
        self.file = file

    def text(self, key: str) -> str:
        """Return a text."""
        return str(self._values[key])

    def whole(self, key: str) -> int:
        """Return a whole number."""
        return cast("int", self._values[key])

    def number(self, key: str) -> float:
        """Return a number."""
        return float(cast("float", self._values[key]))

    def flag(self, key: str) -> bool:
        """Return true or false."""
        return cast("bool", self._values[key])

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        return cast("tuple[str, ...]", self._values[key])

    def path(self, key: str) -> Path | None:
        """Return a path, or None where it is empty."""
        text = self.text(key)
        return self.base / Path(text).expanduser() if text else None

    def secret(self, key: str) -> str:
        """Return what the file of a setting holds, "" when none is set; raise ConfigError."""
        path = self.path(key)
        if path is None:
            return ""
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(key, f"cannot read {path} ({error}): correct it") from error

    @property
    def directory(self) -> Path:
        """The data directory."""
        found = self.path("data.directory")
        assert found is not None  # its row demands at least one character
        return found

    def with_values(self, values: Mapping[str, Value]) -> Config:
        """Return a copy with some settings changed."""
        return Config({**self._values, **values}, self.publish, self.base, self.file)

    def as_dict(self) -> dict[str, Value]:
        """Return all settings by dotted key."""
        return dict(self._values)


def load(path: Path) -> Config:
    """Read a file; raise ConfigError naming key, value, what is allowed, and the remedy."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError("file", f"cannot read {path} ({error.strerror}); give another path") from error
    except UnicodeDecodeError as error:
        raise ConfigError("file", f"{path} is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("file", f"{path} is not TOML: {error}; correct that line") from error
    values: dict[str, Value] = {}
    publish: dict[str, dict[str, Any]] = {}
    for section, table in content.items():
        if section not in _SECTIONS:
            raise ConfigError(section, f"unknown section{_like(section, _SECTIONS)}")
        if not isinstance(table, dict):
            raise ConfigError(section, f"{table!r} is no table; write [{section}] and its keys below")
        fields = cast("dict[str, Any]", table)
        if section == "publish":
            publish = _publishers(fields)
        else:
            values |= {f"{section}.{name}": value for name, value in fields.items()}
    return Config(values, publish, path.resolve().parent, path.resolve())


def _publishers(fields: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, table in fields.items():
        if not isinstance(table, dict):
            raise ConfigError(f"publish.{name}", f"{table!r} is no table; write [publish.{name}] with keys")
        found[name] = cast("dict[str, Any]", table)
    return found


def check(key: str, value: object) -> Value:
    """Return a value if the setting allows it; raise ConfigError."""
    setting = BY_KEY.get(key)
    if setting is None:
        raise ConfigError(key, f"unknown setting{_like(key, BY_KEY)}")
    if isinstance(value, list):
        value = tuple(cast("list[object]", value))
    if not _fits(setting, value):
        raise ConfigError(
            key,
            f"{_shown(value)} is not allowed: give {setting.allowed}; "
            f"left out it is {toml_value(setting.default)}",
        )
    return float(cast("float", value)) if setting.kind == NUMBER else cast("Value", value)


def _fits(setting: Setting, value: object) -> bool:
    if setting.kind == FLAG:
        return isinstance(value, bool)
    if setting.kind in (WHOLE, NUMBER):
        number = (int,) if setting.kind == WHOLE else (int, float)
        return (
            isinstance(value, number) and not isinstance(value, bool) and setting.low <= value <= setting.high
        )
    if setting.kind == LIST:
        items = cast("tuple[object, ...]", value) if isinstance(value, tuple) else None
        return (
            items is not None and len(items) <= setting.high and all(isinstance(item, str) for item in items)
        )
    if not isinstance(value, str) or "\0" in value:
        return False
    return value in setting.choices if setting.choices else setting.low <= len(value) <= setting.high


def _shown(value: object) -> str:
    text = repr(list(cast("tuple[object, ...]", value))) if isinstance(value, tuple) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _like(name: str, known: Mapping[str, object] | set[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1, 0.6)
    return f'; did you mean "{close[0]}"?' if close else "; see the table of settings in gateway/README.md"
