"""Memory of a whole gateway with every publisher on: `python -m tests.bench.publishing_memory [records]`.

A gateway in a process of its own takes records of twelve nodes through log, decoding, quality and store while
every kind of outlet follows: those over HTTP to a sink in another process, those over MQTT to Mosquitto where
it is installed. The same without any table is printed beside it. Prints JSON, in MiB of resident memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import shutil
import socket
import subprocess
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx
import psutil

from gateway.app import Gateway
from gateway.config import Config
from gateway.outlets import KINDS
from gateway.registry import Device
from tests.bench.publishers import sink
from tests.gateway.house import T0_MS, SetClock, a_record, a_site, an_uplink
from tests.gateway.publish.test_privacy_all import tables

SITES = 12
VALUES = {"pm2_5": 8.5, "pm10": 12.0, "temperature": 3.0, "relative_humidity": 70.0}
PAGES = ("/sta/v1.1/Datastreams?$expand=Observations($top=1)", "/ldes", "/catalog", "/metrics", "/nl/")


def run(pipe: Connection, folder: str, outlets: dict[str, dict[str, Any]], records: int) -> None:
    """Run one gateway over so many records; send what it came to."""
    pipe.send(asyncio.run(gateway(Path(folder), outlets, records)))


async def gateway(folder: Path, outlets: dict[str, dict[str, Any]], records: int) -> dict[str, Any]:
    """Return memory before, most and after, and how far each publisher came."""
    clock = SetClock(T0_MS)
    one = Gateway(
        Config(
            {"data.directory": str(folder), "web.port": 0, "broker.port": 0, "semtech_udp.port": 0},
            outlets,
            folder,
        ),
        clock,
    )
    process = psutil.Process()
    await one.start()
    try:
        for number in range(SITES):
            dev_eui = f"70b3d57ed00000{number:02x}"
            one.registry.put_device(Device(dev_eui, "air", "lorawan", "0" * 16), app_key=bytes(16))
            one.registry.put_site(a_site(f"plein-{number}", "air"))
            one.registry.deploy(dev_eui, f"plein-{number}", None)
            for recipient in ("public", "sensorthings", "sensor.community", "openSenseMap"):
                one.registry.consent(f"plein-{number}", recipient)
        start_mib = process.memory_info().rss >> 20
        most_mib = start_mib
        for seq in range(records // SITES):
            clock.ms = T0_MS + seq * 60_000
            for number in range(SITES):
                dev_eui = f"70b3d57ed00000{number:02x}"
                record = a_record(
                    seq, clock.ms, pm2_5=8.5, pm10=12.0, temperature=3.0, relative_humidity=70.0
                )
                await one.log.accept(an_uplink(record, dev_eui=dev_eui, f_cnt=seq))
            most_mib = max(most_mib, process.memory_info().rss >> 20)
        await one.drained()
        await followed(one)
        async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as client:
            for page in PAGES:
                await client.get(f"http://127.0.0.1:{one.ports['web']}{page}")
        end_mib = process.memory_info().rss >> 20
        states = one.status()["publishers"]
    finally:
        await one.stop()
    return {
        "start_mib": start_mib,
        "most_mib": max(most_mib, end_mib),
        "end_mib": end_mib,
        "delivered": {name: state["delivered"] for name, state in states.items()},
        "trouble": {name: state["trouble"] for name, state in states.items() if state["trouble"]},
    }


async def followed(one: Gateway) -> None:
    """Wait until every publisher is at the end of the store, at most two minutes."""
    newest, until = one.store.newest_position(), time.monotonic() + 120
    while time.monotonic() < until:
        if all(state["position"] >= newest for state in one.status()["publishers"].values()):
            return
        await asyncio.sleep(0.1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", type=int, nargs="?", default=6000)
    records = parser.parse_args().records
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=sink, args=(theirs,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ours.recv()}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker, port = mosquitto(folder)
        every = tables(url, port)
        if not port:
            every = {kind: table for kind, table in every.items() if kind not in ("mqtt", "home_assistant")}
        found: dict[str, Any] = {"records": records, "kinds": sorted(set(KINDS))}
        for what, outlets in (("without", {}), ("with_all", every)):
            (folder / what).mkdir()
            here, there = context.Pipe()
            process = context.Process(target=run, args=(there, str(folder / what), outlets, records))
            process.start()
            found[what] = here.recv()
            process.join()
        if broker is not None:
            broker.terminate()
            broker.wait()
    server.terminate()
    print(json.dumps(found, indent=1))


def mosquitto(folder: Path) -> tuple[subprocess.Popen[bytes] | None, int]:
    """Start Mosquitto; (None, 0) where there is none."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        return None, 0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL)
    time.sleep(1)
    return process, port


if __name__ == "__main__":
    main()
