"""A keeper in a process of its own, to be killed or stopped.

    python keeper_victim.py ADDRESS NAME TERM_S

Run by test_leases.py.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[2] / "firmware")]

from gateway import keeping  # noqa: E402
from gateway.config import Config  # noqa: E402
from gateway.counters import Counters  # noqa: E402
from gateway.leases import KEEPER, Leases  # noqa: E402
from gateway.store import postgres  # noqa: E402
from gateway.store.postgres import PostgresStore  # noqa: E402
from tests.gateway.house import SetClock  # noqa: E402
from tests.gateway.store.test_history import END_MS  # noqa: E402


async def main(address: str, name: str, term_s: float) -> None:
    keeping.FIRST_S, keeping.EVERY_S, keeping.PAUSES = 0.0, 0.02, 0.0
    postgres.IDLE_MS = 1000
    store = PostgresStore(address)
    leases = Leases(store.database.leases(name, term_s), Counters())
    turn = leases.turn(KEEPER)
    with tempfile.TemporaryDirectory() as folder:
        config = Config({"data.seal_days": 4})
        keeper = keeping.Keeper(store, SetClock(END_MS), Counters(), lambda: config, Path(folder), turn)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.gather(leases.run(), keeper.run())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
