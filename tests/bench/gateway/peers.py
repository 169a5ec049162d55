"""Peers with the load and the platform of the gateway's bench: `python -m tests.bench.gateway.peers`.

    python -m tests.bench.gateway.peers [--home DIR] [--messages 5000]
                                        [--kind single batched thingsboard gateway]

`thingsboard` is ThingsBoard's IoT gateway (thingsboard.py). Node-RED is installed from npm into DIR (a folder
of its own under the temporary one by default; npm and Node are needed) and gets a flow that subscribes at QoS
1, decodes in a function node and upserts NGSI-LD: `single` a request a message, as its users build it,
`batched` 200 entities a request. Neither keeps anything durably, judges or knows devices. `gateway` is
Meetnet in the same minutes. Prints JSON with ratios.

FIWARE's iotagent-json is in no registry (on npm there is only the library under it): it is not measured here.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.gateway import load, parts, thingsboard
from tests.bench.gateway.__main__ import measure
from tests.bench.gateway.messages import QUANTITIES, Messages, first_s
from wire import measurements

PACKAGE = "node-red@4.1.8"  # 5 wants a newer Node
DEVICES = 200
QUIET_S = 15.0


def _rows() -> str:
    """Return name, least value, divisor and bits of each quantity, as the codec's table has them."""
    found = [row for row in (measurements.by_name(name) for name in QUANTITIES) if row is not None]
    rows = [(row[1], row[4], 10 ** row[3], (row[5] - row[4]).bit_length()) for row in found]
    return json.dumps(rows)


def function(is_batched: bool) -> str:
    """Return the body of the function node: frame of a plain record to an entity, as our codec writes it."""
    send = (
        """
const kept = context.get('kept') || []; kept.push(entity);
if (kept.length < 200) { context.set('kept', kept); return null; }
context.set('kept', []); msg.payload = kept;
"""
        if is_batched
        else "msg.payload = [entity];"
    )
    return (
        f"const rows = {_rows()}; const first = {Messages(1, 0)._at};"
        """
const up = msg.payload, frame = Buffer.from(up.data, 'base64');
const time = new Date(frame.readUInt32BE(first + 4) * 1000).toISOString().replace('.000Z', 'Z');
let bits = 0n; for (const byte of frame.subarray(first + 8)) bits = (bits << 8n) | BigInt(byte);
const size = 8 * (frame.length - first - 8);
let at = 3;
const entity = {id: 'urn:ngsi-ld:AirQualityObserved:meetnet:' + up.deviceInfo.deviceName,
                type: 'AirQualityObserved'};
for (const [name, least, divisor, width] of rows) {
  const raw = Number((bits >> BigInt(size - at - width)) & ((1n << BigInt(width)) - 1n)) + least;
  at += width;
  entity[name] = {type: 'Property', value: raw / divisor, observedAt: time};
}
msg.headers = {'content-type': 'application/json'};
""" + send + "\nreturn msg;"
    )


def flow(broker: int, platform: int, *, is_batched: bool) -> list[dict[str, Any]]:
    """Return the nodes of the flow."""
    url = f"http://127.0.0.1:{platform}/ngsi-ld/v1/entityOperations/upsert?options=update"
    return [
        {"id": "t", "type": "tab", "label": "bench"},
        {"id": "b", "type": "mqtt-broker", "broker": "127.0.0.1", "port": str(broker), "clientid": "node-red",
         "autoConnect": True, "usetls": False, "protocolVersion": "4", "keepalive": "60",
         "cleansession": False},
        {"id": "i", "type": "mqtt in", "z": "t", "topic": "application/+/device/+/event/up", "qos": "1",
         "datatype": "json", "broker": "b", "inputs": 0, "wires": [["f"]]},
        {"id": "f", "type": "function", "z": "t", "func": function(is_batched), "outputs": 1,
         "wires": [["h"]]},
        {"id": "h", "type": "http request", "z": "t", "method": "POST", "ret": "txt", "url": url,
         "persist": True, "wires": [[]]},
    ]  # fmt: skip


@contextmanager
def node_red(home: Path, folder: Path, flows: list[dict[str, Any]]) -> Iterator[subprocess.Popen[bytes]]:
    """Run Node-RED with these flows."""
    (folder / "flows.json").write_text(json.dumps(flows))
    (folder / "settings.js").write_text(
        f"module.exports = {{flowFile: 'flows.json', uiPort: {parts.free_port()}, uiHost: '127.0.0.1', "
        "httpAdminRoot: false, logging: {console: {level: 'info'}}, telemetry: {enabled: false}};"
    )
    script = home / "node_modules" / "node-red" / "red.js"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["node", str(script), "-u", str(folder), "-s", str(folder / "settings.js")],
            stdout=log, stderr=log, env=os.environ | {"NODE_ENV": "production"},
        )  # fmt: skip
        try:
            end = time.monotonic() + 60
            while "Connected to broker" not in (folder / "log").read_text():
                if time.monotonic() > end or process.poll() is not None:
                    raise SystemExit("Node-RED did not start: " + (folder / "log").read_text()[-1000:])
                time.sleep(0.1)
            yield process
        finally:
            parts.end(process)


def measure_node_red(
    home: Path, folder: Path, messages: int, window: int, *, is_batched: bool
) -> dict[str, Any]:
    """Run once in an empty folder."""
    shape = (DEVICES, first_s(messages, DEVICES), 0)
    book = load.Ledger(messages)
    port = parts.free_port()
    ours, theirs = Pipe()
    sink = load.start(load.platform, book.memory.name, messages, shape, theirs)
    try:
        flows = flow(port, ours.recv(), is_batched=is_batched)
        with parts.a_broker(folder, port), node_red(home, folder, flows) as process:
            time.sleep(2)
            cost = parts.Cost(process.pid)
            idle = cost.sample()
            generator = load.start(load.generate, book.memory.name, messages, shape, port, window, 0.0)
            spent = watch(book, messages, cost)
            generator.join(20)
        return figures(folder, book, messages, cost, spent, idle)
    finally:
        sink.terminate()
        sink.join()
        book.close(unlink=True)


def watch(book: load.Ledger, messages: int, cost: parts.Cost) -> float:
    """Wait until no message arrives any more; return the CPU seconds until the last."""
    count, changed, spent = 0, time.monotonic(), 0.0
    while count < messages and time.monotonic() - changed < QUIET_S:
        time.sleep(0.05)
        cost.sample()
        if int(book.totals[1]) != count:
            count, changed, spent = int(book.totals[1]), time.monotonic(), cost.cpu_s()
    return spent


def figures(
    folder: Path, book: load.Ledger, messages: int, cost: parts.Cost, spent_s: float, idle: int
) -> dict[str, Any]:
    """Return what a run came to; idle: bytes before the load."""
    seen = np.sort(book.seen_s[book.times > 0])
    if len(seen) < messages // 2:
        return {"failed": (folder / "log").read_text()[-500:], "seen": len(seen)}
    low, high = seen[len(seen) // 20], seen[len(seen) * 19 // 20]
    return {
        "msg_per_s": round(0.9 * len(seen) / (high - low)),
        "cpu_us_per_message": round(spent_s / len(seen) * 1e6, 1),
        "idle_mb": round(idle / 1e6, 1),
        "peak_mb": round(cost.peak_bytes / 1e6, 1),
        "not_seen": messages - len(seen),
    }


def measure_thingsboard(home: Path, folder: Path, messages: int, window: int, storage: str) -> dict[str, Any]:
    """Run once in an empty folder."""
    shape = (DEVICES, first_s(messages, DEVICES), 0)
    book = load.Ledger(messages)
    port, platform_port = parts.free_port(), parts.free_port()
    python = thingsboard.install(home)
    (folder / "platform").mkdir()
    thingsboard.configure(folder, port, platform_port, storage)
    ours, theirs = Pipe()
    with parts.a_broker(folder, port), parts.a_broker(folder / "platform", platform_port):
        sink = load.start(thingsboard.platform, book.memory.name, messages, DEVICES, platform_port, theirs)
        try:
            ours.recv()
            with thingsboard.running(python, folder) as process:
                packet = Messages(*shape).packet(0)
                thingsboard.wait_until_it_passes(book, packet, port, folder / "log")
                time.sleep(2)
                cost = parts.Cost(process.pid)
                idle = cost.sample()
                generator = load.start(load.generate, book.memory.name, messages, shape, port, window, 0.0, 1)
                spent = watch(book, messages, cost)
                generator.join(20)
                return figures(folder, book, messages, cost, spent, idle)
        finally:
            sink.terminate()
            sink.join()
            book.close(unlink=True)


def install(home: Path) -> None:
    """Install Node-RED from npm where it is not yet."""
    if (home / "node_modules" / "node-red").exists():
        return
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise SystemExit("npm and Node 20 are needed: apt-get install npm nodejs")
    home.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(home), PACKAGE]
    subprocess.run(command, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(tempfile.gettempdir()) / "meetnet-peers")
    parser.add_argument("--messages", type=int, default=5000, help="for `single`; the others get four times")
    parser.add_argument("--kind", nargs="*", default=["single", "batched", "gateway"])
    parser.add_argument("--storage", default="sqlite", choices=("sqlite", "memory"), help="of ThingsBoard's")
    asked = parser.parse_args()
    if {"single", "batched"} & {*asked.kind}:
        install(asked.home)
    found: dict[str, dict[str, Any]] = {}
    for kind in asked.kind:
        with tempfile.TemporaryDirectory(prefix="meetnet-peer-") as name:
            if kind == "gateway":
                found[kind] = measure(Path(name), DEVICES, 4 * asked.messages, 4000)
                found[kind]["cpu_us_per_message"] = found[kind]["cpu_us_per_message"]["gateway"]
            elif kind == "thingsboard":
                found[kind] = measure_thingsboard(asked.home, Path(name), asked.messages, 500, asked.storage)
            else:
                is_batched = kind == "batched"
                messages = asked.messages * (4 if is_batched else 1)
                window = 1000 if is_batched else 200
                found[kind] = measure_node_red(
                    asked.home, Path(name), messages, window, is_batched=is_batched
                )
    ours = found.get("gateway")
    for kind, one in found.items():
        if ours is not None and kind != "gateway" and "msg_per_s" in one:
            one["gateway_is_faster"] = round(ours["msg_per_s"] / one["msg_per_s"], 2)
            one["gateway_needs_cpu"] = round(ours["cpu_us_per_message"] / one["cpu_us_per_message"], 3)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
