"""CPU microseconds a message by stage, in one thread: `python -m tests.bench.gateway.stages`.

What the whole costs under load is told by `python -m tests.bench.gateway`; this tells where it goes. The
same messages pass through each stage as the gateway calls it, in batches of its size. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import json
import pstats
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.clock import SystemClock
from gateway.counters import Counters
from gateway.ingest.chirpstack import ChirpStackIngest
from gateway.ingest.mqtt import MqttSettings
from gateway.ingest.mqtt.packets import Message, Parser
from gateway.pipeline import Pipeline
from gateway.publish.ngsi_ld import NgsiLdPublisher, NgsiLdSettings
from gateway.registry import Registry
from gateway.store import DurableLog, SegmentLog, SqlitePublicReader, SqliteStore
from gateway.store.frames import encode_uplink
from tests.bench.gateway.messages import Messages, fill_registry, first_s

BATCH = 1000


class _Spent:
    def __init__(self, profiled: str) -> None:
        self.seconds: dict[str, float] = {}
        self.profile = cProfile.Profile()
        self._profiled = profiled

    def begin(self) -> None:
        """Forget what was spent so far."""
        self.seconds.clear()
        self.profile.clear()

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        is_profiled = name == self._profiled
        begin = time.process_time()
        if is_profiled:
            self.profile.enable()
        yield
        if is_profiled:
            self.profile.disable()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - begin


def measure(
    folder: Path, devices: int, messages: int, profiled: str = "", batch: int = BATCH, *, known: bool = False
) -> dict[str, float]:
    """Return CPU microseconds a message by stage. known: each device spoke once before."""
    fill_registry(folder, devices)
    first = devices if known else 0
    messages += first
    made = Messages(devices, first_s(messages, devices))
    counters, registry = Counters(), Registry(folder)
    store = SqliteStore(folder / "store.db")
    log = SegmentLog(folder / "segments", 1 << 24)
    reader = SqlitePublicReader(
        store,
        list,
        agreed=lambda site_ids: registry.agreed("public", site_ids, SystemClock().now_ms()),
        version=registry.version,
        lasts_s=lambda: 1e9 - time.monotonic(),  # no agreement ends
    )
    publisher = NgsiLdPublisher(NgsiLdSettings(url="http://localhost:1"), counters)
    spent = _Spent(profiled)

    async def run() -> None:
        durable = DurableLog(log, counters, lambda _: None)
        ingest = ChirpStackIngest(durable, registry.knows, SystemClock(), counters, MqttSettings())
        pipeline = Pipeline(durable, store, registry, counters, lambda _: None)
        parser = Parser(4)
        position = sequence = 0
        for at in (*range(0, first, BATCH), *range(first, messages, batch)):
            if at == first:
                spent.begin()
            most = min(messages, at + (BATCH if at < first else batch))
            with spent.stage("join"):  # no part of the gateway
                data = b"".join(
                    [made.packet(n) for n in range(at, most if at >= first else min(most, first))]
                )
            with spent.stage("packets"):
                found = parser.feed(data)
            with spent.stage("read"):
                uplinks = [
                    ingest.read(m.topic.decode(), m.payload or b"") for m in found if isinstance(m, Message)
                ]
            with spent.stage("encode"):
                bodies = [encode_uplink(uplink) for uplink in uplinks if uplink is not None]
            with spent.stage("log"):
                sequences = log.append(bodies)
            with spent.stage("pipeline"):
                pipeline._take(list(zip(sequences, uplinks, strict=True)))
            with spent.stage("read records"):
                records = reader.records_after(position, BATCH)
            position = records[-1].position + 63
            with spent.stage("pack"):
                packed = publisher.pack_records(records, reader)
            with spent.stage("body"):
                for parcel in packed.parcels:
                    texts = [item.text for item in parcel.content.items]
                    sequence += len(f"[{','.join(texts)}]".encode())
        pipeline.close()
        log.close()
        durable._executor.shutdown()

    asyncio.run(run())
    store.close()
    registry.close()
    if profiled:
        pstats.Stats(spent.profile).sort_stats("tottime").print_stats(28)
    return {name: round(seconds / (messages - first) * 1e6, 1) for name, seconds in spent.seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=BATCH, help="messages at a time")
    parser.add_argument("--known", action="store_true", help="let each device speak once before")
    parser.add_argument("--profile", default="", help="a stage of which to print the functions too")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meetnet-bench-") as name:
        print(
            json.dumps(
                measure(
                    Path(name), asked.devices, asked.messages, asked.profile, asked.batch, known=asked.known
                ),
                indent=2,
            )
        )


if __name__ == "__main__":
    main()
