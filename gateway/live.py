"""What can change while the gateway runs: sections that are stopped and started again on their own.

A section names the settings it reads. When they change, or a file that they name (a password, a certificate),
it is stopped and started with the new ones; all others go on. If one cannot start, every section goes back to
what ran before. Settings that no section reads need a restart, and are named.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.config import Config
from gateway.errors import GatewayError
from gateway.settings import BY_KEY, PATH

# Read each time that they are needed: nothing is to be started again.
AT_ONCE = ("data.raw_days", "data.raw_mib")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the gateway. reads: settings, or tables with a dot at the end."""

    name: str
    reads: tuple[str, ...]
    start: Callable[[contextlib.AsyncExitStack], Awaitable[None]]

    def fingerprint(self, config: Config) -> str:
        """Return what differs when anything that it reads has changed."""
        found = [f"{key}={value!r}" for key, value in config.as_dict().items() if self.is_reader(key)]
        found += [_file_mark(config, key) for key in config.as_dict() if self.is_reader(key)]
        if "publish." in self.reads:
            found.append(repr(config.publish))
            found += [_content(config.base / value) for value in _files(config.publish)]
        return hashlib.sha256("\n".join(found).encode()).hexdigest()

    def is_reader(self, key: str) -> bool:
        """Tell whether it reads a setting."""
        return any(key == one or (one.endswith(".") and key.startswith(one)) for one in self.reads)


@dataclass(slots=True)
class Change:
    """What came of a reload. changed, needs_restart: settings. restarted: sections."""

    ok: bool = True
    changed: list[str] = field(default_factory=list[str])
    restarted: list[str] = field(default_factory=list[str])
    needs_restart: list[str] = field(default_factory=list[str])
    error: str = ""


class Live:
    """The sections of a running gateway, in the order in which they start. `config` is what runs."""

    def __init__(self, config: Config, adopt: Callable[[Config], None]) -> None:
        """adopt: called with the configuration that sections are to read from now on."""
        self.config = config
        self._adopt = adopt
        self._sections: dict[str, Section] = {}
        self._stacks: dict[str, contextlib.AsyncExitStack] = {}
        self._marks: dict[str, str] = {}

    async def add(self, section: Section) -> None:
        """Start a section; whatever it raises, nothing of it is left."""
        mark = section.fingerprint(self.config)
        stack = contextlib.AsyncExitStack()
        try:
            await section.start(stack)
        except BaseException:
            await stack.aclose()
            raise
        self._sections[section.name] = section
        self._stacks[section.name] = stack
        self._marks[section.name] = mark

    async def close(self) -> None:
        """Stop all, the last one first."""
        for name in reversed([*self._sections]):
            await self._stacks.pop(name).aclose()

    async def change(self, new: Config) -> Change:
        """Run with another configuration as far as that can be, or go on with the old one and say why."""
        old = self.config
        found = Change(changed=_differences(old, new))
        found.needs_restart = [key for key in found.changed if not self.is_live(key)]
        # What needs a restart stays as it is, so that nobody reads half of it.
        kept = {key: old.as_dict()[key] for key in found.needs_restart if key in BY_KEY}
        new = new.with_values(kept)
        marks = {name: section.fingerprint(new) for name, section in self._sections.items()}
        restart = [name for name in self._sections if marks[name] != self._marks[name]]
        self._become(new)
        done: list[str] = []
        try:
            for name in restart:
                done.append(name)
                await self._again(name)
        except (GatewayError, OSError) as error:
            self._become(old)
            text = f"{error}; the configuration before goes on"
            for name in done:
                try:
                    await self._again(name)
                except (GatewayError, OSError) as worse:
                    text += f", but {name} does not: {worse}"
            return Change(ok=False, changed=found.changed, error=text)
        self._marks = marks
        found.restarted = restart
        return found

    def _become(self, config: Config) -> None:
        self.config = config
        self._adopt(config)

    async def _again(self, name: str) -> None:
        await self._stacks.pop(name).aclose()
        self._stacks[name] = stack = contextlib.AsyncExitStack()
        try:
            await self._sections[name].start(stack)
        except BaseException:
            await stack.aclose()
            self._stacks[name] = contextlib.AsyncExitStack()
            raise

    def is_live(self, key: str) -> bool:
        """Tell whether a change of a setting takes effect while the gateway runs."""
        return key in AT_ONCE or bool(self.readers(key))

    def readers(self, key: str) -> list[str]:
        """Return the sections that start again when a setting changes."""
        return [section.name for section in self._sections.values() if section.is_reader(key)]


def _differences(old: Config, new: Config) -> list[str]:
    before, after = old.as_dict(), new.as_dict()
    found = [key for key in after if before[key] != after[key]]
    tables = sorted({*old.publish, *new.publish})
    return found + [f"publish.{name}" for name in tables if old.publish.get(name) != new.publish.get(name)]


def _file_mark(config: Config, key: str) -> str:
    """Return what changes with the content of a file that a setting names: a password, a certificate."""
    if BY_KEY[key].kind != PATH or key.startswith("data."):
        return ""
    path = config.path(key)
    return "" if path is None or not path.is_file() else _content(path)


def _content(path: Any) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return str(error.strerror)


def _files(tables: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        value
        for table in tables.values()
        for key, value in table.items()
        if key.endswith("_file") and isinstance(value, str)
    ]
