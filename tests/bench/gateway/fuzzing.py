"""Broken input for everything that reads what comes from outside: `python -m tests.bench.gateway.fuzzing`.

    python -m tests.bench.gateway.fuzzing [--inputs 20000] [--seed 1] [--only wire,ttn] [--listeners 20000]

Each reader gets mutations of good messages: bytes changed, cut, doubled, spliced with others. One in a few
runs with the lines counted that it reaches (coverage-guided): what reaches a new one, or is refused in a new
way, becomes a seed. A reader may return or refuse with an error of ours; anything else is a finding, and so
is an input that takes longer than a second. `--listeners` sends so many of the same to the ports of a running
gateway, which must still take a good message at the end. Prints JSON: inputs, inputs a second, findings with
the input that shows each. Exit code 1 when there are any.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from gateway.app import Gateway
from gateway.config import Config
from gateway.decode import Profiles, decode
from gateway.errors import GatewayError
from gateway.ingest.basics_station import messages as station
from gateway.ingest.chirpstack import events as chirpstack_events
from gateway.ingest.chirpstack import uplinks as chirpstack_uplinks
from gateway.ingest.semtech_udp import datagrams, packets
from gateway.ingest.ttn import events as ttn_events
from gateway.ingest.ttn import uplinks as ttn_uplinks
from gateway.model import Uplink
from gateway.store.frames import decode_uplink, encode_uplink
from tests.bench.gateway.messages import APPLICATION, Messages, dev_eui
from tests.gateway.house import AIR, SetClock, a_record, an_uplink, fill_registry

NOW_MS = 1_796_000_000_000
TRACED = 12  # one input in so many runs with its lines counted
MOST_SEEDS = 400
SLOW_S = 1.0
WATCHED = ("gateway", "firmware/wire")
Read = Callable[[bytes], object]

_RXPK = {
    "tmst": 3512348611, "chan": 0, "rfch": 0, "freq": 868.1, "stat": 1, "modu": "LORA", "datr": "SF7BW125",
    "codr": "4/5", "rssi": -97, "lsnr": 6.2, "size": 20, "data": base64.b64encode(bytes(20)).decode(),
}  # fmt: skip
_UPDF = {
    "msgtype": "updf", "MHdr": 64, "DevAddr": 0x26011F22, "FCtrl": 128, "FCnt": 7, "FOpts": "", "FPort": 1,
    "FRMPayload": "01ff00", "MIC": -1234567, "DR": 5, "Freq": 868100000,
    "upinfo": {"rctx": 0, "xtime": 123456789, "gpstime": 0, "rssi": -97, "snr": 6.2},
}  # fmt: skip
_TTN = {
    "end_device_ids": {"device_id": "lucht-1", "application_ids": {"application_id": "meetnet"},
                       "dev_eui": AIR.upper(), "dev_addr": "26011F22"},
    "received_at": "2026-11-30T12:00:00.123456789Z",
    "uplink_message": {
        "f_port": 1, "f_cnt": 7, "frm_payload": "AQIDBA==", "received_at": "2026-11-30T12:00:00.1Z",
        "rx_metadata": [
            {"gateway_ids": {"gateway_id": "gw", "eui": "0016C001F153A14C"}, "rssi": -97, "snr": 6.2},
        ],
        "settings": {
            "data_rate": {"lora": {"bandwidth": 125000, "spreading_factor": 7}}, "frequency": "868100000",
        },
    },
}  # fmt: skip


@dataclass(slots=True)
class Target:
    """A reader, good messages for it, and what came of it."""

    name: str
    read: Read
    seeds: list[bytes]
    inputs: int = 0
    taken: int = 0
    refused: int = 0
    seconds: float = 0.0
    lines: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    findings: list[dict[str, str]] = field(default_factory=list[dict[str, str]])


def _datagram(data: bytes) -> object:
    found = datagrams.parse_datagram(data)
    if found.kind == datagrams.PUSH_DATA:
        push = packets.parse_push(found.json)
        if push.stat is not None:
            packets.parse_stat(push.stat)
        return [packets.parse_rxpk(one, found.gateway_id, NOW_MS) for one in push.rxpk]
    if found.kind == datagrams.TX_ACK:
        return packets.parse_tx_ack(found.json)
    return found


def _station(data: bytes) -> object:
    text = data.decode("utf-8", "replace")
    kind = station.kind_of(text)
    if kind == "jreq":
        return station.join_request_phy(station.read(text, station.JoinRequest))
    found = station.read(text, station.DataFrame)
    return station.frame("0016c001f153a14c", station.data_phy(found), found, NOW_MS)


def _wire(data: bytes) -> object:
    port = data[0] if data else 0
    return decode(Uplink("lns", AIR, port, data[1:], NOW_MS))


def targets() -> list[Target]:
    """Return every reader."""
    made = Messages(4, NOW_MS // 1000 - 86_400)
    publishes = [made.packet(n) for n in range(8)]
    bodies = [packet[packet.index(b'{"dedup') :] for packet in publishes]
    topic = f"application/{APPLICATION}/device/{dev_eui(0):016x}/event/up"
    frames = [made.payload(n) for n in range(8)]
    ours = [an_uplink(a_record(n, NOW_MS, temperature=n / 10, pm2_5=12.5)) for n in range(4)]
    ttn_body = json.dumps(_TTN).encode()
    rxpk = json.dumps({"rxpk": [_RXPK], "stat": {"time": "2026-11-30 12:00:00 GMT", "lati": 51.0}}).encode()
    push = b"\x02\x12\x34\x00" + bytes.fromhex("0016c001f153a14c") + rxpk
    ack = b"\x02\x12\x34\x05" + bytes.fromhex("0016c001f153a14c") + b'{"txpk_ack":{"error":"TOO_LATE"}}'
    jreq = {"msgtype": "jreq", "MHdr": 0, "JoinEui": "0-0-0-1", "DevEui": "70b3:d57e:d000:1", "DevNonce": 7,
            "MIC": 12345, "DR": 5, "Freq": 868100000, "upinfo": _UPDF["upinfo"]}  # fmt: skip
    found = [
        Target("chirpstack", lambda data: chirpstack_uplinks.decode_message(topic, data, NOW_MS), bodies),
        Target(
            "chirpstack events", lambda data: chirpstack_events.decode_event("ack", AIR, data, NOW_MS), bodies
        ),
        Target("ttn", lambda data: ttn_uplinks.decode_webhook(data, NOW_MS), [ttn_body]),
        Target(
            "ttn events",
            lambda data: ttn_events.decode_event("down/ack", "lucht-1", data, NOW_MS),
            [ttn_body],
        ),
        Target("semtech udp", _datagram, [push, ack]),
        Target("basics station", _station, [json.dumps(one).encode() for one in (_UPDF, jreq)]),
        Target("wire", _wire, [bytes((port,)) + frame for frame in frames for port in (1, 2, 3, 4)]),
        Target("segment log", decode_uplink, [encode_uplink(one) for one in ours]),
    ]
    for name in Profiles().names():
        profile = Profiles().get(name)
        seeds = [example.payload for example in profile.examples]
        found.append(Target(f"profile {name}", lambda data, p=profile: p.read(data, 1, NOW_MS / 1000), seeds))

    return found


def mutate(dice: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Return a seed that was changed a few times."""
    data = bytearray(dice.choice(seeds))
    for _ in range(dice.choice((1, 1, 2, 3, 8))):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(8):
            case 0 if at < len(data):
                data[at] = dice.randrange(256)
            case 1 if at < len(data):
                data[at] ^= 1 << dice.randrange(8)
            case 2:
                data[at:at] = dice.randbytes(dice.randrange(1, 5))
            case 3:
                del data[at : at + dice.randrange(1, 9)]
            case 4:
                del data[at:]
            case 5:
                other = dice.choice(seeds)
                data[at:] = other[dice.randrange(len(other) + 1) :]
            case 6:
                data[at:at] = dice.choice(
                    (b"null", b"-1", b"1e999", b"[[[[", b'""', b"\\ud800", b"9" * 30, b"{}")
                )
            case _:
                piece = data[at : at + dice.randrange(1, 30)]
                data[at:at] = piece * dice.randrange(1, 4)
    return bytes(data[:100_000])


def run(target: Target, inputs: int, dice: random.Random) -> None:
    """Throw inputs at a reader."""
    root = str(Path(__file__).resolve().parents[3])
    watched = tuple(f"{root}/{part}" for part in WATCHED)
    ways: set[str] = set()
    new = [False]

    def line(frame: FrameType, event: str, _: object) -> Any:
        where = frame.f_code.co_filename, frame.f_lineno
        if event == "line" and where not in target.lines:
            target.lines.add(where)
            new[0] = True
        return line

    def call(frame: FrameType, _event: str, _argument: object) -> Any:
        return line if frame.f_code.co_filename.startswith(watched) else None

    begin = time.perf_counter()
    for number in range(inputs):
        data = target.seeds[number] if number < len(target.seeds) else mutate(dice, target.seeds)
        is_traced = number < len(target.seeds) or not number % TRACED
        new[0], began = False, time.perf_counter()
        if is_traced:
            sys.settrace(call)
        try:
            target.read(data)
            target.taken += 1
        except GatewayError as error:
            target.refused += 1
            way = "".join(letter for letter in str(error)[:60] if not letter.isdigit())
            if way not in ways and len(ways) < MOST_SEEDS:
                ways.add(way)
                new[0] = True
        except Exception as error:
            found = f"{type(error).__name__}: {error}"[:200]
            if not any(one["error"] == found for one in target.findings) and len(target.findings) < 20:
                target.findings.append({"error": found, "input": data[:2000].hex()})
        finally:
            sys.settrace(None)
        took = time.perf_counter() - began
        if took > SLOW_S and len(target.findings) < 20:
            target.findings.append({"error": f"took {took:.1f} s", "input": data[:2000].hex()})
        if new[0] and len(target.seeds) < MOST_SEEDS:
            target.seeds.append(data)
        target.inputs += 1
    target.seconds = time.perf_counter() - begin


async def listen(inputs: int, dice: random.Random, found: Sequence[Target]) -> dict[str, Any]:
    """Throw inputs at the ports of a gateway that runs; return how it stood it."""
    names = ("semtech_udp", "basics_station", "broker", "push", "web")
    with tempfile.TemporaryDirectory(prefix="meetnet-fuzz-") as folder:
        settings: dict[str, Any] = {f"{name}.port": 0 for name in names}
        settings |= {"basics_station.enabled": True, "push.enabled": True, "data.directory": folder}
        gateway = Gateway(Config(settings), SetClock(NOW_MS), publishers=())
        await gateway.start()
        fill_registry(gateway.registry)
        seeds = [seed for target in found for seed in target.seeds[:20]]
        seeds += [b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
                  b"POST /ttn HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello",
                  b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02ab", b"\x30\x05\x00\x01a01"]  # fmt: skip
        sent = dict.fromkeys(names, 0)
        loop = asyncio.get_running_loop()
        udp, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("127.0.0.1", gateway.ports["semtech_udp"])
        )
        begin = time.perf_counter()
        for number in range(inputs):
            name = names[number % len(names)]
            data = mutate(dice, seeds)
            if name == "semtech_udp":
                udp.sendto(data[:60_000])
            else:
                reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports[name])
                writer.write(data)
                if number % 97 == 0:  # a few wait for what is answered; most hang up on it
                    try:
                        async with asyncio.timeout(0.2):
                            await reader.read(1000)
                    except (TimeoutError, ConnectionError):
                        pass
                writer.close()
                try:
                    async with asyncio.timeout(2):
                        await writer.wait_closed()
                except (TimeoutError, ConnectionError):
                    pass
            sent[name] += 1
        seconds = time.perf_counter() - begin
        udp.close()
        await gateway.log.accept(an_uplink(a_record(1, NOW_MS, temperature=20.5)))
        await asyncio.wait_for(gateway.drained(), 30)
        stored = gateway.store.count()
        counters = gateway.status()["counters"]
        faults = {name: one for name, one in counters.items() if "internal_error" in name}
        await gateway.stop()
    return {
        "inputs": sent,
        "inputs_per_s": round(inputs / seconds),
        "findings": [{"error": f"{name}: {one}", "input": ""} for name, one in faults.items()]
        + ([] if stored else [{"error": "a good message was not stored after them", "input": ""}]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000, help="for each reader")
    parser.add_argument("--listeners", type=int, default=0, help="inputs for the ports of a running gateway")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="readers whose names begin so")
    asked = parser.parse_args()
    dice = random.Random(asked.seed)
    wanted = tuple(asked.only.split(",")) if asked.only else ("",)
    found = [target for target in targets() if target.name.startswith(wanted)]
    for target in found:
        run(target, asked.inputs, dice)
    told: dict[str, Any] = {
        "readers": {
            one.name: {
                "inputs": one.inputs, "inputs_per_s": round(one.inputs / one.seconds), "taken": one.taken,
                "refused": one.refused, "lines": len(one.lines), "seeds": len(one.seeds),
                "findings": one.findings,
            }
            for one in found
        },
        "inputs": sum(one.inputs for one in found),
        "inputs_per_s": round(sum(one.inputs for one in found) / sum(one.seconds for one in found)),
    }  # fmt: skip
    findings = sum(len(one.findings) for one in found)
    if asked.listeners:
        told["listeners"] = asyncio.run(listen(asked.listeners, dice, found))
        findings += len(told["listeners"]["findings"])
    told["findings"] = findings
    print(json.dumps(told, indent=2))
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
