"""The gateway under load: messages a second, CPU a message, memory, latency. Prints JSON.

    python -m tests.bench.gateway [--devices 200] [--messages 40000] [--window 4000] [--rate 1000] [--known]

Broker (Mosquitto), load, gateway and platform run on this machine. Every message is a ChirpStack v4 uplink
of about 1,000 bytes at QoS 1; the gateway is a process of its own that knows no more than its TOML file: it
acknowledges what is on the disk, judges, stores, and upserts NGSI-LD entities at the platform. msg_per_s is
counted between the 5th and the 95th percentile of first arrivals there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from multiprocessing import Pipe
from pathlib import Path

import numpy as np

from tests.bench.gateway import load, parts
from tests.bench.gateway.messages import Messages, fill_registry, first_s

QUIET_S = 25.0  # without an arrival: what is missing then is lost


def measure(
    folder: Path,
    devices: int,
    messages: int,
    window: int,
    rate: float = 0.0,
    registry: Path | None = None,
    *,
    known: bool = False,
) -> dict[str, object]:
    """Run once in an empty folder. known: each device speaks once before anything is measured."""
    first = devices if known else 0
    messages += first
    data = folder / "data"
    if registry is not None:
        shutil.copytree(registry, data)
    else:
        fill_registry(data, devices)
    shape = (devices, first_s(messages, devices), 0)
    made = Messages(*shape)
    size = len(made.packet(messages - 1))
    book = load.Ledger(messages)
    port = parts.free_port()
    ours, theirs = Pipe()
    sink = load.start(load.platform, book.memory.name, messages, shape, theirs)
    try:
        config = parts.gateway_config(folder, port, ours.recv())
        with parts.a_broker(folder, port) as broker, parts.a_gateway(config) as (gateway, ready_s):
            time.sleep(1.5)
            costs = {"gateway": parts.Cost(gateway.pid), "broker": parts.Cost(broker.pid)}
            costs["platform"] = parts.Cost(sink.pid or 0)
            idle = costs["gateway"].sample()
            if known:
                warm = load.start(
                    load.generate, book.memory.name, messages, shape, port, window, 0.0, 0, first
                )
                _watch(book, first, {"gateway": costs["gateway"]})
                warm.join(20)
                costs = {name: cost.again() for name, cost in costs.items()}
            generator = load.start(
                load.generate, book.memory.name, messages, shape, port, window, rate, first
            )
            costs["load"] = parts.Cost(generator.pid or 0)
            spent = _watch(book, messages, costs)
            generator.join(20)
        is_seen = book.times[first:] > 0
        seen = np.sort(book.seen_s[first:][is_seen])
        low, high = seen[len(seen) // 20], seen[len(seen) * 19 // 20]
        delays_ms = (book.seen_s[first:] - book.sent_s[first:])[is_seen] * 1000
        result: dict[str, object] = {
            "devices": devices,
            "messages": messages - first,
            "bytes": size,
            "msg_per_s": round(0.9 * len(seen) / (high - low)),
            "cpu_us_per_message": {name: round(s / len(seen) * 1e6, 1) for name, s in spent.items()},
            "idle_mb": round(idle / 1e6, 1),
            "peak_mb": round(costs["gateway"].peak_bytes / 1e6, 1),
            "start_s": round(ready_s, 2),
            "lost": int((book.times == 0).sum()),
            "duplicates": int((book.times - 1).clip(0).sum()),
            "latency_ms_p50": round(float(np.percentile(delays_ms, 50)), 2),
            "latency_ms_p99": round(float(np.percentile(delays_ms, 99)), 2),
        }
        del seen, delays_ms, is_seen
        return result
    finally:
        sink.terminate()
        sink.join()
        book.close(unlink=True)


def _watch(book: load.Ledger, messages: int, costs: dict[str, parts.Cost]) -> dict[str, float]:
    """Wait for the last arrival; return what each process spent."""
    spent: dict[str, float] = {}
    count, changed = 0, time.monotonic()
    while count < messages and time.monotonic() - changed < QUIET_S:
        time.sleep(0.05)
        costs["gateway"].sample()
        if int(book.totals[1]) != count:
            count, changed = int(book.totals[1]), time.monotonic()
        for name, cost in costs.items():
            spent[name] = max(spent.get(name, 0.0), cost.cpu_s())
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--messages", type=int, default=40_000)
    parser.add_argument("--window", type=int, default=4000)
    parser.add_argument(
        "--rate", type=float, default=0.0, help="messages a second; 0: as fast as they are taken"
    )
    parser.add_argument("--known", action="store_true", help="let each device speak once before")
    parser.add_argument("--registry", type=Path, help="a data directory that was filled before")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meetnet-bench-") as name:
        found = measure(
            Path(name),
            asked.devices,
            asked.messages,
            asked.window,
            asked.rate,
            asked.registry,
            known=asked.known,
        )
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
