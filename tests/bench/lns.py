"""Uplinks per second of the built-in network server with durable state: `python -m tests.bench.lns`.

Datagrams of a gateway go through the UDP parser into the server, on a real clock and a real file;
every uplink is verified, decrypted and committed (SQLite WAL, synchronous FULL) before the sink has
it; one in ten is confirmed and gets its ACK. The sink itself costs nothing here, and the gathering
window is short: it delays, it does not work. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import platform
import resource
import tempfile
import time
from pathlib import Path

from gateway.clock import SystemClock
from gateway.counters import Counters
from gateway.ingest.semtech_udp import SemtechUdpServer, SemtechUdpSettings
from gateway.lns import LnsSettings, NetworkServer, SessionStore
from gateway.lns.session import JoinState, Session
from gateway.lns.store import insert_session, save_device
from gateway.model import DeviceKeys, LoraDownlink, Uplink
from gateway.vault import Vault
from wire.lorawan import frames

GATEWAY = "aa555a0000000101"
_GATHERING_S = 0.01


class _Sink:
    def __init__(self) -> None:
        self.accepted = 0
        self.goal = 0
        self.reached = asyncio.Event()
        self.at_s: dict[tuple[str, int | None], float] = {}

    async def accept(self, uplink: Uplink) -> None:
        self.accepted += 1
        self.at_s[(uplink.dev_eui, uplink.f_cnt)] = time.perf_counter()
        if self.accepted >= self.goal:
            self.reached.set()


class _Keys:
    def device_keys(self, dev_eui: str) -> DeviceKeys | None:
        return DeviceKeys(dev_eui, "0" * 16, bytes(16))


class _Air:
    """Takes downlinks like a forwarder that never refuses."""

    def __init__(self) -> None:
        self.sent = 0

    def reaches(self, gateway_id: str) -> bool:
        return True

    async def transmit(self, downlink: LoraDownlink) -> str | None:
        self.sent += 1
        return None


def _session(number: int) -> Session:
    key = number.to_bytes(16, "big")
    return Session(f"{number:016x}", 1, 0x01000000 + number, key, key[::-1], 1, 0, 0, 0xFF, active=True)


def _datagram(session: Session, fcnt: int, number: int) -> bytes:
    mtype = frames.CONFIRMED_UP if number % 10 == 0 else frames.UNCONFIRMED_UP
    phy = frames.build_data(
        session.nwk, session.app, mtype, session.dev_addr, fcnt, 0, b"", 1, bytes(range(24))
    )
    rxpk = {
        "jver": 1, "tmst": number & 0xFFFFFFFF, "chan": 0, "rfch": 0, "freq": 867.1 + 0.2 * (number % 5),
        "mid": 0, "stat": 1, "modu": "LORA", "datr": "SF7BW125", "codr": "4/5", "rssi": -80, "lsnr": 7.5,
        "size": len(phy), "data": base64.b64encode(phy).decode(),
    }  # fmt: skip
    return b"\x02\x00\x00\x00" + bytes.fromhex(GATEWAY) + json.dumps({"rxpk": [rxpk]}).encode()


async def _paced(
    udp: SemtechUdpServer, sink: _Sink, sessions: list[Session], batch: list[bytes], fcnt: int
) -> list[float]:
    """Send one round at 500 uplinks/s; return the sorted delays to the sink, gathering window excluded."""
    sink.goal += len(batch)
    sink.reached.clear()
    sent_s: list[float] = []
    start = time.perf_counter()
    for number, datagram in enumerate(batch):
        await asyncio.sleep(max(start + number / 500 - time.perf_counter(), 0))
        sent_s.append(time.perf_counter())
        udp.datagram_received(datagram, ("127.0.0.1", 1))
    await sink.reached.wait()
    ends = (sink.at_s[(session.dev_eui, fcnt)] for session in sessions)
    return sorted((end - begin - _GATHERING_S) * 1000 for begin, end in zip(sent_s, ends, strict=True))


async def _run(folder: Path, devices: int, rounds: int) -> dict[str, object]:
    store = SessionStore(folder / "lns.sqlite")
    made = [_session(number) for number in range(1, devices + 1)]
    await store.commit(
        *(s for m in made for s in (save_device(m.dev_eui, JoinState(1, 1)), insert_session(m, Vault())))
    )
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sink, air, counters = _Sink(), _Air(), Counters()
    server = NetworkServer(
        _Keys(), sink, store, SystemClock(), counters, LnsSettings(gathering_s=_GATHERING_S)
    )
    server.attach(air)
    udp = SemtechUdpServer(server, SystemClock(), counters, SemtechUdpSettings(port=0))
    await udp.start()
    batches = [[_datagram(s, fcnt, n) for n, s in enumerate(made)] for fcnt in range(rounds + 1)]
    start, cpu = time.perf_counter(), time.process_time()
    for batch in batches[:rounds]:
        sink.goal += devices
        sink.reached.clear()
        for number, datagram in enumerate(batch):
            udp.datagram_received(datagram, ("127.0.0.1", 1))
            if number % 50 == 49:
                await asyncio.sleep(0)
        await sink.reached.wait()
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu
    delays_ms = await _paced(udp, sink, made, batches[rounds], rounds)
    await server.close()
    udp.close()
    await store.close()
    uplinks = devices * rounds
    assert sink.accepted == uplinks + devices, counters.snapshot()
    return {
        "devices": devices,
        "uplinks": uplinks,
        "downlinks": air.sent,
        "uplinks_per_s": round(uplinks / wall_s),
        "cpu_us_per_uplink": round(cpu_s / uplinks * 1e6),
        "wall_s": round(wall_s, 3),
        "at_500_per_s_ms_p50": round(delays_ms[len(delays_ms) // 2], 1),
        "at_500_per_s_ms_p99": round(delays_ms[len(delays_ms) * 99 // 100], 1),
        "rss_before_mib": round(before_kib / 1024, 1),
        "rss_peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def measure(devices: int = 1000, rounds: int = 5) -> dict[str, object]:
    """Return the figures."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_run(Path(folder), devices, rounds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(json.dumps(measure(options.devices, options.rounds), indent=2))
