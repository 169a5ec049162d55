"""The network server behind a real socket in a real process, killed with SIGKILL amid its work."""

from __future__ import annotations

import base64
import json
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import loramsg
import pytest

from tests.gateway.lns.liblora_device import Device
from tests.gateway.lns.street import Street

ROOT = Path(__file__).resolve().parents[3]
EUI = bytes.fromhex("aa555a0000000101")


class Air:
    """A forwarder's socket, and the txpk that it takes."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.socket.send(b"\x02\x00\x01\x02" + EUI)

    def push(self, phy: bytes) -> None:
        rxpk = {
            "tmst": time.monotonic_ns() // 1000 & 0xFFFFFFFF, "freq": 868.1, "stat": 1, "modu": "LORA",
            "datr": "SF7BW125", "rssi": -60, "lsnr": 9, "size": len(phy),
            "data": base64.b64encode(phy).decode(),
        }  # fmt: skip
        self.socket.send(b"\x02\x00\x02\x00" + EUI + json.dumps({"rxpk": [rxpk]}).encode())

    def take(self, wait_s: float) -> bytes | None:
        """Return the next downlink, acknowledged; None when none comes."""
        deadline = time.monotonic() + wait_s
        while (left_s := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left_s)
            try:
                data = self.socket.recv(4096)
            except (TimeoutError, ConnectionRefusedError):
                return None
            if data[3] == 3:
                self.socket.send(b"\x02" + data[1:3] + b"\x05" + EUI)
                time.sleep(0.08)  # as long as it is on the air no device can send the next
                return base64.b64decode(json.loads(data[4:])["txpk"]["data"])
        return None


def start(folder: Path) -> tuple[subprocess.Popen, Air]:
    env = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'firmware'}"}
    command = [sys.executable, "-m", "tests.gateway.lns.served", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Air(int(process.stdout.readline()))


def kill(process: subprocess.Popen, air: Air) -> None:
    process.kill()
    process.wait()
    process.stdout.close()
    air.socket.close()


def test_nothing_is_repeated_or_lost_over_sigkills(tmp_path):
    rng = random.Random(5)
    device: Device = Street(tmp_path / "unused").device(1)
    nonces, counters, acknowledged = [], [], set()
    for life in range(4):
        process, air = start(tmp_path)
        try:
            for _ in range(3 if life == 0 else 1):  # the first JoinAccepts are not heard
                air.push(device.join_request())
                phy = air.take(3)
                assert phy is not None
                nonces.append(device.take_accept(phy)["AppNonce"])
            for _ in range(5):
                payload = rng.randbytes(4)
                air.push(device.uplink(payload, confirmed=True))
                got = device.take(air.take(3))
                assert got.ack
                acknowledged.add(payload)
                counters.append((device.nwk_s_key, got.fcnt))
            air.push(device.uplink(b"cut", confirmed=True))
            time.sleep(rng.uniform(0, 0.03))  # in the gathering, the commit, the sink, or the answer
        finally:
            kill(process, air)
    # Once more, without a join: the counters go on, and what was said before is a replay.
    process, air = start(tmp_path)
    try:
        old = device.uplink(b"old", fcnt=0)
        air.push(old)
        air.push(device.uplink(b"new", confirmed=True))
        got = device.take(air.take(3))
        counters.append((device.nwk_s_key, got.fcnt))
    finally:
        kill(process, air)
    assert nonces == sorted(set(nonces)) and len(counters) == len(set(counters))
    lines = [line.split() for line in (tmp_path / "sink.txt").read_text().splitlines()]
    stored = {bytes.fromhex(payload) for _, payload, _ in lines}
    assert acknowledged <= stored and b"new" in stored and b"old" not in stored
    # A line may come twice when the kill fell between sink and store: then it is the same line.
    assert all(lines.count(line) <= 2 for line in lines)


def test_the_judge_itself_notices_a_wrong_key():
    with pytest.raises(loramsg.VerifyError):
        loramsg.unpack_jacc(bytes(16), bytes.fromhex("2088f36ae3b21314bc284e314e99257328"), 1)
