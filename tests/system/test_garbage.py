"""Whatever is thrown at the gateway's radio side is counted by cause, and no reading suffers."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import socket
from pathlib import Path

import pytest

from gateway.app import Gateway
from simulator.street import Street
from tests.system.house import run_house

PUSH_DATA = 0
START_S = 1_790_000_000


def datagram(rng: random.Random, body: bytes) -> bytes:
    """A PUSH_DATA of a gateway that nobody knows (PROTOCOL.TXT 3.2)."""
    return (
        bytes([2, rng.randrange(256), rng.randrange(256), PUSH_DATA])
        + b"\xaa\x55\x00\x00\x00\x00\x00\x01"
        + body
    )


def rxpk(phy: bytes, **other: object) -> bytes:
    """One received frame as a packet forwarder reports it."""
    row = {
        "tmst": 3512348611,
        "freq": 868.1,
        "stat": 1,
        "modu": "LORA",
        "datr": "SF7BW125",
        "codr": "4/5",
        "rssi": -35,
        "lsnr": 5.1,
        "size": len(phy),
        "data": base64.b64encode(phy).decode(),
    }
    return json.dumps({"rxpk": [{**row, **other}]}).encode()


def hostile(rng: random.Random) -> bytes:
    """One hostile datagram, of one of eight kinds."""
    kind = rng.randrange(8)
    noise = rng.randbytes(rng.randrange(60))
    if kind == 0:
        return noise
    if kind == 1:
        return datagram(rng, b"{" * rng.randrange(200))
    if kind == 2:
        return datagram(
            rng, json.dumps({"rxpk": rng.choice([None, 5, "x", [None], [{}], {"a": 1}])}).encode()
        )
    if kind == 3:
        return datagram(
            rng, rxpk(noise, datr=rng.choice([None, "SF99BW1", 50000, ""]), freq=rng.choice([0, "x"]))
        )
    if kind == 4:
        return datagram(rng, rxpk(noise, data="*not base64*"))
    if kind == 5:  # a data frame of a device of somebody else
        return datagram(rng, rxpk(b"\x40" + rng.randbytes(4) + b"\x00\x01\x00\x01" + rng.randbytes(12)))
    if kind == 6:  # a join-request of a device that nobody registered
        return datagram(rng, rxpk(b"\x00" + rng.randbytes(22)))
    return datagram(rng, rxpk(bytes([rng.randrange(256)]) + noise))


@pytest.mark.mpy
def test_hostile_datagrams_are_counted_and_no_reading_suffers(tmp_path: Path) -> None:
    rng = random.Random(20261123)
    sent = 0

    async def meanwhile(gateway: Gateway, street: Street) -> None:
        nonlocal sent
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
            for _ in range(40):
                await asyncio.sleep(20)
                for _ in range(25):
                    attacker.sendto(hostile(rng), ("127.0.0.1", gateway.ports["semtech_udp"]))
                    sent += 1

    outcome = run_house(tmp_path, nodes=3, virtual_s=1800, start_s=START_S, meanwhile=meanwhile)
    assert sent == 1000
    causes = {name: n for name, n in outcome.counters.items() if name.startswith(("ingest.udp_", "lns."))}
    refused = {name for name in causes if name not in ("ingest.udp_frames", "lns.uplinks")}
    assert {"lns.unknown_dev_eui", "lns.unknown_dev_addr"} <= refused, sorted(causes)
    assert sum(causes[name] for name in refused) >= 700, causes
    for planned in outcome.street.planned:
        first = {"air": "pm2_5", "noise": "laeq", "bin": "distance"}[planned.kind]
        times = [o.observed_at_ms // 1000 for o in outcome.of(planned.site_id, first)]
        due = {t for t in range(START_S + 300, START_S + 1800 - 30) if t % 300 == 0}
        # A burst of echoes may end up to two seconds after the whole minute.
        missed = [t for t in due if not any(t <= arrived <= t + 2 for arrived in times)]
        assert missed == [], planned.site_id
        assert len(times) == len(set(times))
