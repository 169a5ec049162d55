"""A gateway's log and pipeline in a process of their own, to be killed: prints each number it acknowledged.

    python victim.py DIRECTORY FIRST

Run by test_kill.py.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[2] / "firmware")]

from tests.gateway.house import T0_MS, a_house, a_record, an_uplink, fill_registry  # noqa: E402

MINUTE_MS = 60_000


class Nobody:
    """Hears of what is judged before it is stored, and does nothing: the pipeline judges early for it."""

    def judged(self, first: int, last: int, records: object) -> None:
        pass

    def stored(self, last: int, before: int, newest: int) -> None:
        pass

    def lost(self) -> None:
        pass


async def main(directory: Path, first: int) -> None:
    async with a_house(directory, 1 << 14) as house:
        fill_registry(house.registry)
        house.pipeline.ahead = Nobody()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        number = first
        while True:
            batch = range(number, number + 5)
            frames = [
                an_uplink(a_record(n, T0_MS + n * MINUTE_MS, temperature=(n % 500) / 10)) for n in batch
            ]
            await asyncio.gather(*[house.log.accept(frame) for frame in frames])
            sys.stdout.write(f"{number + 4}\n")  # the sender now forgets everything up to this one
            sys.stdout.flush()
            number += 5


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
