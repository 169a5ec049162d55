"""A backlog while live messages pass: `python -m tests.bench.gateway.backlog [--waiting 100000]`.

The gateway was away: so many messages wait for it in the broker. It comes back, while new ones arrive at a
steady rate. Told: how fast it catches up, and how long a day's backlog of a large city would take at that
rate (9.6 million messages: 100,000 devices, one message every 15 minutes). A sample, not the 9.6 million.
Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from multiprocessing import Pipe
from pathlib import Path

import numpy as np

from tests.bench.gateway import load, parts
from tests.bench.gateway.messages import Messages, fill_registry, first_s
from tests.bench.gateway.sender import Sender

A_DAY = 9_600_000
QUIET_S = 30.0


def measure(folder: Path, waiting: int, live: float, devices: int) -> dict[str, object]:
    """Run once in an empty folder."""
    fill_registry(folder / "data", devices)
    messages = waiting + int(live * 60)
    shape = (devices, first_s(messages, devices), 0)
    book = load.Ledger(messages)
    port = parts.free_port()
    ours, theirs = Pipe()
    sink = load.start(load.platform, book.memory.name, messages, shape, theirs)
    sender: Sender | None = None
    try:
        config = parts.gateway_config(folder, port, ours.recv())
        with parts.a_broker(folder, port):
            with parts.a_gateway(config):
                time.sleep(1.5)  # its session begins
            load.generate(book.memory.name, waiting, shape, port, waiting, 0.0)
            with parts.a_gateway(config) as (gateway, _):
                cost = parts.Cost(gateway.pid)
                begin = time.perf_counter()
                sender = Sender(book, Messages(*shape), messages, port, live, first=waiting)
                sender.start()
                count, changed = 0, time.perf_counter()
                while count < waiting and time.perf_counter() - changed < QUIET_S:
                    time.sleep(0.05)
                    cost.sample()
                    now = int((book.times[:waiting] > 0).sum())
                    if now != count:
                        count, changed = now, time.perf_counter()
                cpu_s = cost.cpu_s()
                time.sleep(1)
                sender.stop()
        seen = np.sort(book.seen_s[:waiting][book.times[:waiting] > 0])
        caught_up_s = float(seen[-1]) - begin
        live_seen = (book.times[waiting:] > 0) & (book.sent_s[waiting:] > 0)
        live_n = int((book.sent_s[waiting:] > 0).sum())
        delays_s = (book.seen_s[waiting:] - book.sent_s[waiting:])[live_seen]
        rate = len(seen) / caught_up_s
        result: dict[str, object] = {
            "waiting": waiting,
            "live_per_s": live,
            "live_sent": live_n,
            "lost": waiting - len(seen),
            "live_not_seen_yet": live_n - int(live_seen.sum()),
            "caught_up_s": round(caught_up_s, 1),
            "msg_per_s": round(rate),
            "gateway_cpu_us_per_message": round(cpu_s / (len(seen) + int(live_seen.sum())) * 1e6, 1),
            "peak_mb": round(cost.peak_bytes / 1e6, 1),
            "live_delay_s_p50": round(float(np.median(delays_s)), 2) if len(delays_s) else None,
            "a_day_of_9_600_000_min": round(A_DAY / rate / 60, 1),
        }
        del seen, delays_s, live_seen
        return result
    finally:
        if sender is not None:
            sender.stop()
        sink.terminate()
        sink.join()
        book.close(unlink=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--waiting", type=int, default=100_000)
    parser.add_argument("--live", type=float, default=111.0, help="new messages a second")
    parser.add_argument("--devices", type=int, default=2000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meetnet-backlog-") as name:
        print(json.dumps(measure(Path(name), asked.waiting, asked.live, asked.devices), indent=2))


if __name__ == "__main__":
    main()
