"""Simulated boards for the bench: blank chips on ports, with the sensors of a garden node behind them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator import boards
from simulator.buses import Board
from simulator.channel.ideal import IdealChannel
from simulator.node import NodeSettings
from simulator.usb import PtyPort, UsbBoard
from simulator.usb.console import Console, ready

AROUND = {"battery_mv": 3700.0, "temperature_c": 18.5, "relative_humidity_pct": 61.0, "rain_mm": 0.0}
HEADER = "row,board,kind,transport,site_id,site_name,longitude,latitude,dev_eui,join_eui,owner,language"


def garden(folder: Path | None = None) -> Board:
    """The hardware of the simulated garden node."""
    return boards.build("sim_garden", lambda quantity, _now_us: AROUND[quantity], IdealChannel())


def without_climate(folder: Path | None = None) -> Board:
    """One whose SHT4x was soldered badly."""
    board = garden()
    board._i2c.clear()
    return board


def without_radio(folder: Path | None = None) -> Board:
    """One whose radio does not answer."""
    return boards.build("sim_garden", lambda quantity, _now_us: AROUND[quantity], None)


@dataclass
class Tray:
    """Boards that can be plugged in, one by one; a port is a link in `folder`."""

    folder: Path
    ports: dict[str, PtyPort] = field(default_factory=dict[str, PtyPort])
    boards: dict[str, UsbBoard] = field(default_factory=dict[str, UsbBoard])

    def plug(
        self, name: str, number: int, chip: str = "esp32s3", hardware: Callable[[], Board] = garden
    ) -> UsbBoard:
        """Plug a blank board in at a port; number makes its MAC."""
        mac = bytes.fromhex("a0b1c2d3") + number.to_bytes(2, "big")
        folder = self.folder / f"board-{number}"

        def console(board: UsbBoard) -> Any:
            return Console(board, lambda _flash: NodeSettings("node", hardware()), folder)

        board = self.boards.setdefault(name, UsbBoard(chip, mac, application=console))
        self.ports[name] = PtyPort(board, self.folder / name)
        return board

    def unplug(self, name: str) -> None:
        """Pull the cable."""
        self.ports.pop(name).close()
        self.boards.pop(name)

    @property
    def pattern(self) -> str:
        """What --port takes."""
        return str(self.folder / "tty*")


@contextlib.contextmanager
def a_tray(folder: Path) -> Iterator[Tray]:
    """Boards that are unplugged at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    ready()
    tray = Tray(folder)
    try:
        yield tray
    finally:
        for name in list(tray.ports):
            tray.unplug(name)


def a_row(number: int, **changes: str) -> str:
    """One line of a list, with columns as in HEADER."""
    cells = {
        "row": f"r{number}", "board": "sim_garden", "kind": "garden", "transport": "lorawan",
        "site_id": f"tuin-{number}", "site_name": f"Tuin {number}", "longitude": "4.9", "latitude": "52.3",
        "dev_eui": f"70b3d57ed00{number:05x}", "join_eui": "70b3d57ed0000000",
        "owner": "Stad Gent", "language": "nl",
    }  # fmt: skip
    cells |= changes
    return ",".join(cells[name] for name in HEADER.split(","))


def a_list(path: Path, count: int, **changes: str) -> Path:
    """A CSV file of so many rows."""
    path.write_text("\n".join([HEADER, *(a_row(number, **changes) for number in range(1, count + 1))]) + "\n")
    return path
