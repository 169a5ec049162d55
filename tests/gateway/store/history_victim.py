"""Stores, rolls up and seals the same records each time it is started, until it is killed or done.

python -m tests.gateway.store.history_victim STORE SEED
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from gateway.store import SqliteStore
from gateway.store.history import sealing
from gateway.store.history.rolling import roll

from .test_history import DAY_MS, DAYS, START_MS, copy_of, some_records


def main() -> None:
    store = SqliteStore(Path(sys.argv[1]))
    dice = random.Random(int(sys.argv[2]))
    records = some_records(3, 500)
    print("ready", flush=True)
    while store.position() < len(records):
        at = store.position()
        store.commit(copy_of(records[at : at + dice.randrange(1, 20)]))
        if dice.random() < 0.5:
            roll(store, most=dice.randrange(1, 100))
        if dice.random() < 0.3:
            for _ in sealing.seal(store, START_MS + dice.randrange(DAYS + 1) * DAY_MS, 3):
                pass
    print("done", flush=True)


if __name__ == "__main__":
    main()
