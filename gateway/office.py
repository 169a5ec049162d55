"""What an operator can do of the configuration and the outlets from the page, as from the command line.

Settings are the rows of gateway.settings, checked by the same functions. Those that open ports, name files or
servers, or lead mails elsewhere change at the machine only: whoever steals a session of the page gets no
further than the page.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import tomlkit

from gateway.config import Config, check, load
from gateway.errors import ConfigError
from gateway.outlets import Surroundings, outlets
from gateway.publish import FileSideList, Rejection
from gateway.publish.check import send_again
from gateway.publish.sidelist import mended
from gateway.settings import BY_KEY, FLAG, LIST, NUMBER, SETTINGS, WHOLE, Setting, Value
from gateway.web.house import NOW, PAGE, RESTART, Item, Shown

CHANGEABLE = frozenset(
    {
        "web.title", "web.owner", "web.legal_basis", "web.time_zone", "web.refresh_s",
        "web.tiles_attribution",
        "alerts.enabled", "alerts.language", "alerts.quiet_from_h", "alerts.quiet_to_h", "alerts.remind_h",
        "lns.adr", "lns.adr_margin_db", "lns.confirmed_attempts", "broker.max_connections", "push.per_minute",
    }
)  # fmt: skip
_SECRET = re.compile(r"secret|token|password|key$|credential", re.IGNORECASE)
_LOGIN = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*(?=@)")
MASK = "•••"


class Running(Protocol):
    """The gateway that runs, as far as a changed file concerns it."""

    @property
    def config(self) -> Config: ...  # noqa: D102

    def effect(self, key: str) -> str:
        """Return when a change takes effect: NOW, PAGE (the pages start again), RESTART of the gateway."""
        ...

    async def take_up(self) -> str:
        """Run with the file as it is now; return why not, "" when it does."""
        ...

    def take_up_soon(self) -> None:
        """The same, once the answer to who asks for it is out."""
        ...


class Stopped:
    """A gateway that takes nothing up before its next start."""

    def __init__(self, config: Config) -> None:
        """config: as it was at the start."""
        self.config = config

    def effect(self, key: str) -> str:
        """Return RESTART."""
        del key
        return RESTART

    async def take_up(self) -> str:
        """Do nothing."""
        return ""

    def take_up_soon(self) -> None:
        """Do nothing."""


class Office:
    """Works on the configuration file and the side lists. All but `take_up` and `retry` block."""

    def __init__(
        self, running: Running, side: FileSideList, reader_of: Callable[[str], Any], around: Surroundings
    ) -> None:
        self._running, self._side = running, side
        self._reader_of, self._around = reader_of, around

    @property
    def _config(self) -> Config:
        return self._running.config

    # -- configuration

    def settings(self) -> list[Shown]:
        """Return every setting, secrets left out."""
        coming = self._coming().as_dict()
        running = self._config.as_dict()
        may = self._config.file is not None
        return [
            Shown(
                setting,
                _masked(running[setting.key]),
                _masked(coming[setting.key]),
                may and setting.key in CHANGEABLE,
                self._running.effect(setting.key),
            )
            for setting in SETTINGS
        ]

    def trouble(self) -> str:
        """Return what is wrong with the file as it is now, "" when nothing is."""
        try:
            self._coming()
        except ConfigError as error:
            return str(error)
        return ""

    def change(self, key: str, text: str) -> tuple[Value, Value]:
        """Write a setting into the file; return what stood there and what stands now.

        Raise ConfigError: not for the page, not allowed, or the file cannot be written. Comments stay.
        """
        path = self._config.file
        if key not in CHANGEABLE or path is None:
            raise ConfigError(key, "is changed at the machine itself, in the configuration file")
        value = check(key, _typed(BY_KEY[key], text))
        old = self._coming().as_dict()[key]
        self._put(key, value)
        return old, value

    def _put(self, key: str, value: Value) -> None:
        """Write a value into the file, in place of the one that stands there."""
        path = self._config.file
        assert path is not None  # `change` refuses without one
        try:
            document = tomlkit.parse(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError("file", f"cannot read {path.name} ({error.strerror})") from error
        section, _, name = key.partition(".")
        if section not in document:
            document[section] = tomlkit.table()
        document[section][name] = list(value) if isinstance(value, tuple) else value  # type: ignore[index]
        written = tomlkit.dumps(document)
        tomllib.loads(written)  # never a file that cannot be read
        fresh = path.with_name(path.name + ".new")
        try:
            mode = path.stat().st_mode & 0o777
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
                file.write(written)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except OSError as error:
            raise ConfigError("file", f"cannot write {path.name} ({error.strerror})") from error

    async def take_up(self, key: str, old: Value) -> str:
        """Let a setting that was changed take effect; return when it does: NOW, PAGE or RESTART. In the loop.

        Raise ConfigError when the gateway does not run with it: then the old value stands in the file again.
        """
        effect = self._running.effect(key)
        if effect == PAGE:
            self._running.take_up_soon()
        elif effect == NOW and (why := await self._running.take_up()):
            await asyncio.get_running_loop().run_in_executor(None, self._put, key, old)
            raise ConfigError(key, why)
        return effect

    def _coming(self) -> Config:
        return load(self._config.file) if self._config.file is not None else self._config

    # -- outlets

    def outlets(self) -> list[dict[str, Any]]:
        """Return what is configured: name, type, recipient, settings without secrets, items on the side."""
        return [
            {
                "name": outlet.name,
                "type": outlet.type,
                "recipient": outlet.recipient,
                "settings": _table(self._config.publish.get(outlet.name, {})),
                "side": sum(1 for _ in self._side.read(outlet.name)),
            }
            for outlet in outlets(self._config)
        ]

    def items(self, name: str, most: int = 200) -> list[Item]:
        """Return the side list of an outlet, oldest first; [] of an unknown one."""
        found: list[Item] = []
        for rejection in self._side.read(name):
            found.append(Item(_id(rejection), rejection.row, rejection.reason))
            if len(found) >= most:
                break
        return found

    def drop(self, name: str, ids: Sequence[str]) -> int:
        """Take items off for good; return how many."""
        wanted = set(ids)
        return self._side.remove(name, lambda one: _id(one) in wanted)

    def mend(self, name: str, item: str, value: float) -> bool:
        """Give an item another value, marked as mended by hand; tell whether it was there."""
        old = next((one for one in self._side.read(name) if _id(one) == item), None)
        if old is None:
            return False
        self._side.add(name, [mended(old, value)])
        return self._side.remove(name, lambda one: one == old) > 0

    async def retry(self, name: str, ids: Sequence[str]) -> tuple[int, int]:
        """Send items again; return how many are done, and how many were refused again. In the loop."""
        outlet = next((one for one in outlets(self._config) if one.name == name), None)
        wanted = set(ids)
        chosen = [one for one in self._side.read(name) if _id(one) in wanted]
        publisher = outlet.publisher(self._around) if outlet is not None else None
        if outlet is None or publisher is None or not chosen:
            return 0, 0
        try:
            done, again = await send_again(publisher, self._reader_of(outlet.recipient), chosen)
        finally:
            await publisher.close()
        self._side.remove(name, lambda one: _id(one) in wanted and one.row.position in done)
        return len(done), len(again)


def _typed(setting: Setting, text: str) -> object:
    """Return a text from a form as the kind of its setting; what cannot be is left for `check` to refuse."""
    text = text.strip()
    try:
        match setting.kind:
            case kind if kind == FLAG:
                return {"true": True, "false": False}.get(text.lower(), text)
            case kind if kind == WHOLE:
                return int(text)
            case kind if kind == NUMBER:
                return float(text.replace(",", "."))
            case kind if kind == LIST:
                return [part.strip() for part in text.split(",") if part.strip()]
            case _:
                return text
    except ValueError:
        return text


def _masked(value: Value) -> Value:
    return _LOGIN.sub(MASK, value) if isinstance(value, str) else value


def _table(table: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of an outlet as texts; whatever sounds secret is masked."""
    return {
        key: MASK if _SECRET.search(key) and not key.endswith("_file") else _LOGIN.sub(MASK, str(value))
        for key, value in table.items()
    }


def _id(rejection: Rejection) -> str:
    content = msgspec.json.encode((rejection.reason, msgspec.structs.asdict(rejection.row)))
    return hashlib.blake2b(content, digest_size=8).hexdigest()
