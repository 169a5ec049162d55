"""One board from blank to labelled. Each step tells what it does; a failure is a FlashError."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from gateway.claims import grouped
from gateway.labels import FORMATS, Card, Label, card_layout, label_layout
from gateway.labels.layout import Layout
from tools.flash import application, esp, partitions, selftest
from tools.flash.base import BaseImage
from tools.flash.errors import FlashError
from tools.flash.register import Registered
from tools.flash.rows import Row, config_of
from tools.flash.selftest import SelfTest

T = TypeVar("T")
_BAD_LINE = ("silent", "boot", "esptool", "verify")
Tell = Callable[[str, float], None]  # step, share of it that is done


class Hands(Protocol):
    """What touches a board; another object in its place makes a bench without boards."""

    def look(self, port: str) -> esp.Found:
        """Tell which board is at a port."""
        ...

    def write(self, port: str, image: BaseImage, row: Row, config: dict[str, object], tell: Tell) -> None:
        """Write image, application and configuration."""
        ...

    def test(self, port: str) -> SelfTest:
        """Let the board test itself."""
        ...


@dataclass(frozen=True, slots=True)
class RealHands:
    """esptool and mpremote. log_kib: size of the raw partition for records."""

    log_kib: int = 512

    def look(self, port: str) -> esp.Found:
        """Tell which board is at a port."""
        return _once_more(lambda: esp.look(port))

    def write(self, port: str, image: BaseImage, row: Row, config: dict[str, object], tell: Tell) -> None:
        """Write image, application and configuration, verified by esptool."""
        segments = segments_of(image, row.board, config, self.log_kib)
        _once_more(lambda: esp.write(port, image.chip, segments, lambda share: tell("writing", share)))

    def test(self, port: str) -> SelfTest:
        """Let the board test itself."""
        return selftest.ask(port)


def _once_more(action: Callable[[], T]) -> T:
    """Do something with a board, and once more when the line was bad: a person would try that first, too."""
    try:
        return action()
    except FlashError as error:
        if error.code not in _BAD_LINE:
            raise
    return action()


def segments_of(
    image: BaseImage, board: str, config: dict[str, object], log_kib: int
) -> list[tuple[int, bytes]]:
    """Return (offset, bytes) of everything that is written to a board."""
    rows = partitions.with_log(image.rows, log_kib << 10)
    vfs = partitions.named(rows, "vfs")
    files = application.files_for(image.chip.architecture, board, config)
    return [*image.segments(rows), (vfs.offset, application.littlefs(files, vfs.size))]


@dataclass(slots=True)
class Secrets:
    """The keys of one device on their way from here to board and registry. Never printed."""

    app_key: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, row: Row) -> Secrets:
        """Return those of a row, or new random ones."""
        if row.transport == "lorawan":
            return cls(app_key=row.app_key or secrets.token_hex(16))
        return cls(password=row.mqtt_password or secrets.token_urlsafe(18))


def check_board(found: esp.Found, row: Row, image: BaseImage) -> None:
    """Refuse a board that is not of the row's kind, or too small."""
    if found.chip.name != row.chip:
        wrong = f"{row.board} has an {row.chip}, this board an {found.chip.name}: take another board"
        raise FlashError("chip", wrong)
    if image.chip.name != row.chip:
        raise FlashError("image", f"the base image is for {image.chip.name}, {row.board} has an {row.chip}")
    need = max(part.offset + part.size for part in image.rows)
    if found.flash_bytes < need:
        wrong = f"{found.flash_bytes >> 20} MB of flash, {need >> 20} MB are needed: take another board"
        raise FlashError("size", wrong)


def write_and_test(
    hands: Hands, port: str, image: BaseImage, row: Row, dev_eui: str, keys: Secrets, tell: Tell
) -> SelfTest:
    """Write a board and let it test itself; FlashError `test` names every part that is not well."""
    config = config_of(row, dev_eui, keys.app_key, keys.password)
    tell("writing", 0.0)
    hands.write(port, image, row, config, tell)
    tell("testing", 0.0)
    found = hands.test(port)
    if found.dev_eui != dev_eui:
        raise FlashError("test", f"the board runs as {found.dev_eui}, not {dev_eui}: flash it again")
    if found.faults:
        raise FlashError("test", "; ".join(found.faults))
    return found


@dataclass(frozen=True, slots=True)
class Printer:
    """Where labels and cards go: files of the chosen formats in a folder. address: of the gateway's pages."""

    folder: Path
    formats: tuple[str, ...]
    address: str

    def write(self, row: Row, dev_eui: str, registered: Registered) -> list[Path]:
        """Write the label, and the card when there is a code; return the files."""
        name = row.title
        label = Label(
            dev_eui,
            row.kind,
            name,
            row.owner or "Meetnet",
            f"{self.address}/t/{registered.tag}",
            registered.tag,
            row.join_eui if row.transport == "lorawan" else None,
            row.language,
        )
        files = self._draw(label_layout(label), self.folder / "labels", f"{row.name}-{dev_eui}")
        if registered.code is not None:
            url = f"{self.address}/c/{registered.code}"
            card = card_layout(Card(grouped(registered.code), url, name, row.language))
            files += self._draw(card, self.folder / "cards", f"{row.name}-{registered.tag}", private=True)
        return files

    def _draw(self, layout: Layout, folder: Path, name: str, private: bool = False) -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        if private:
            folder.chmod(0o700)
        files: list[Path] = []
        for form in self.formats:
            path = folder / f"{name}.{form}"
            waiting = path.with_suffix(".part")
            waiting.write_bytes(FORMATS[form](layout))
            if private:
                waiting.chmod(0o600)
            waiting.replace(path)
            files.append(path)
        return files
