"""Blank simulated boards at pseudo-terminals: `python -m simulator.usb COUNT FOLDER [--chip esp32c3]`.

Each is FOLDER/ttyN, for esptool, mpremote or `meetnet flash --port 'FOLDER/tty*'`. Ctrl-C unplugs them.
"""

from __future__ import annotations

import signal
import sys
import threading
from functools import partial
from pathlib import Path

import click

from simulator import boards
from simulator.channel.ideal import IdealChannel
from simulator.node import NodeSettings
from simulator.usb import CHIPS, PtyPort, UsbBoard
from simulator.usb.console import Console, ready

AROUND = {"battery_mv": 3700.0, "temperature_c": 18.5, "relative_humidity_pct": 61.0, "rain_mm": 0.0}


def _around(quantity: str, now_us: int) -> float:
    return AROUND.get(quantity, 20.0)


@click.command()
@click.argument("count", type=click.IntRange(1, 64))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--chip", type=click.Choice(list(CHIPS)), default="esp32s3", show_default=True)
@click.option(
    "--hardware", default="sim_garden", show_default=True, help="What is soldered on: hardware/boards."
)
def main(count: int, folder: Path, chip: str, hardware: str) -> None:
    """Plug in COUNT blank boards; their ports appear in FOLDER."""
    folder.mkdir(parents=True, exist_ok=True)
    ready()

    def settings(_flash: Path) -> NodeSettings:
        return NodeSettings("node", boards.build(hardware, _around, IdealChannel()))

    ports: list[PtyPort] = []
    for number in range(count):
        mac = bytes.fromhex("a0b1c2d3") + number.to_bytes(2, "big")
        console = partial(Console, settings=settings, folder=folder / f"board-{number}")
        ports.append(PtyPort(UsbBoard(chip, mac, application=console), folder / f"tty{number}"))
        click.echo(ports[-1].path)
    sys.stdout.flush()
    stop = threading.Event()

    def end(_number: int, _frame: object) -> None:
        stop.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, end)
    stop.wait()
    for port in ports:
        port.close()


if __name__ == "__main__":
    main()
