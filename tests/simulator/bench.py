"""A bench for node tests: small chip models and a world that runs one MicroPython script."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from simulator.buses import Board
from simulator.chips.base import Nak
from simulator.loop import run
from simulator.node import NodeSettings, SimNode
from simulator.world import World

START_US = 1_790_000_000_000_000


class Register:
    """An I2C chip with one register: what is written is read back, with the time of each transaction."""

    def __init__(self, address: int = 0x44) -> None:
        self.address = address
        self.times: list[int] = []
        self.value = b""
        self.refuse = False

    def write(self, data: bytes, now_us: int) -> None:
        if self.refuse:
            raise Nak("refused")
        self.times.append(now_us)
        self.value = data

    def read(self, n: int, now_us: int) -> bytes:
        self.times.append(now_us)
        return (self.value * n)[:n] if self.value else bytes(n)


def run_script(
    folder: Path,
    script: str,
    board: Board | None = None,
    seconds: float = 60,
    during: Callable[[World, SimNode], Awaitable[None]] | None = None,
    events: list[tuple[int, str, str, str]] | None = None,
    **settings: Any,
) -> list[str]:
    """Run a script in a node for some virtual seconds; return the lines that it printed."""
    file = folder / "script.py"
    file.write_text(script)
    on_event = None if events is None else lambda *e: events.append(e)

    async def main() -> str:
        async with World(folder / "world", on_event=on_event) as world:
            node = world.add_node(NodeSettings("n", board or Board(), script=file, **settings))
            node.power_on()
            if during is not None:
                await during(world, node)
            await world.run_for(seconds)
            return node.log_tail(200)

    return run(main(), start_us=START_US).splitlines()
