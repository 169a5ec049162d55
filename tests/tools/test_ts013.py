"""The JavaScript codec equals the Python one, under Node: 10,000 payloads, right ones and wrong ones.

The interface is TS013 of the LoRa Alliance as ChirpStack and The Things Stack document it (decodeUplink gets
{bytes, fPort, recvTime}, gives {data, warnings, errors}). The Python codec has vectors of its own.
"""

from __future__ import annotations

import json
import random
import subprocess
from datetime import UTC, datetime
from typing import Any

import pytest

import wire.codec
from gateway.decode.records import decode_records
from gateway.decode.status import decode_status
from gateway.model import Uplink
from gateway.publish.ts013 import ADDRESS, codec_documents
from tools import npm, ts013
from wire import backfill, commands, status
from wire.codec.profiles import PROFILES
from wire.errors import WireError
from wire.measurements import by_id
from wire.record import FIRST_ERROR, STATE_NAMES, Record

DRIVER = """
const codec = require(process.argv[1]);
const lines = require("fs").readFileSync(0, "utf8").trim().split("\\n");
for (const line of lines) {
  const { call, input } = JSON.parse(line);
  if (input.recvTime) input.recvTime = new Date(input.recvTime);
  console.log(JSON.stringify(codec[call](input)));
}
"""
RECEIVED_MS = 1_795_000_000_500
ROWS = [row for row in map(by_id, range(256)) if row is not None]
PORT_RECORDS, PORT_STATUS, PORT_COMMANDS = 1, 2, 3


@pytest.fixture(scope="module")
def node() -> list[str]:
    try:
        return npm.node_command()[0]
    except npm.NpmError as error:
        pytest.skip(f"no Node: {error}")


def under_node(node: list[str], calls: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    lines = "\n".join(json.dumps({"call": name, "input": given}) for name, given in calls)
    done = subprocess.run(
        [*node, "-e", DRIVER, str(ts013.TARGET)], input=lines, capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def an_uplink(payload: bytes, port: int) -> Uplink:
    return Uplink("lorawan", "70b3d57ed0000001", port, payload, RECEIVED_MS)


def a_record(dice: random.Random, seq: int, time_s: int, quality: int, ids: list[int]) -> Record:
    readings = []
    for row in ROWS:
        if row[0] in ids:
            state = dice.choice(list(STATE_NAMES)) if dice.random() < 0.2 else 0
            readings.append((row[0], 0 if state >= FIRST_ERROR else dice.randint(row[4], row[5]), state))
    return Record(seq, time_s, quality, readings)


def payloads(count: int) -> list[bytes]:
    """Frames of all profiles and of none, then the same with bytes changed, cut or added, then noise."""
    dice = random.Random(20261123)
    sets = [list(channels) for _, channels in PROFILES]
    found: list[bytes] = []
    while len(found) < count:
        ids = dice.choice(sets) if dice.random() < 0.6 else dice.sample([row[0] for row in ROWS], 5)
        seq, time_s = dice.choice([0, 7, 2**32 - 3]), dice.choice([0, 1_795_000_000, 2**32 - 200])
        quality = dice.randrange(4)
        records = []
        for _ in range(dice.randint(1, 4)):
            records.append(a_record(dice, seq, time_s, quality, ids))
            seq += dice.choice([1, 1, 1, 9])
            time_s += dice.choice([60, 60, -7])
            if seq >= 2**32 or not 0 <= time_s < 2**32:
                break
        payload, _ = wire.codec.encode(records, 222)
        kind = dice.random()
        if kind < 0.15:
            at = dice.randrange(len(payload))
            payload = payload[:at] + bytes([dice.randrange(256)]) + payload[at + 1 :]
        elif kind < 0.25:
            payload = payload[: dice.randrange(len(payload))]
        elif kind < 0.3:
            payload += dice.randbytes(dice.randint(1, 3))
        elif kind < 0.35:
            payload = dice.randbytes(dice.randint(0, 60))
        found.append(payload)
    return found


def test_the_file_is_what_the_tables_give() -> None:
    assert ts013.TARGET.read_text("utf-8") == ts013.text(), "python -m tools.ts013"


def test_records_are_the_same_on_ten_thousand_payloads(node: list[str]) -> None:
    asked = payloads(10_000)
    moment = datetime.fromtimestamp(RECEIVED_MS / 1000, UTC).isoformat()
    answers = under_node(
        node,
        [("decodeUplink", {"bytes": list(one), "fPort": 1, "recvTime": moment}) for one in asked],
    )
    good = 0
    for payload, answer in zip(asked, answers, strict=True):
        if payload[:1] and payload[0] >= 0x80:
            assert answer["errors"][0].startswith("version: codec version 2")
            continue
        try:
            expected = wire.codec.decode(payload)
        except WireError as error:
            assert answer["errors"] == [str(error)], payload.hex()
            assert answer["data"] == {}
            continue
        good += 1
        assert answer["errors"] == []
        decoded = decode_records(an_uplink(payload, 1))
        records = answer["data"]["records"]
        assert len(records) == len(expected)
        for one, record, wide in zip(records, expected, decoded, strict=True):
            assert (one["seq"], one["time_s"]) == (record.seq, record.time_s)
            assert one["time_quality"] == wide.time_quality
            assert round(datetime.fromisoformat(one["time"]).timestamp() * 1000) == wide.observed_at_ms
            assert one["values"] == {r.quantity: r.value for r in wide.readings}
            assert one["units"] == {r.quantity: r.unit for r in wide.readings}
            assert one["states"] == {r.quantity: r.state for r in wide.readings}
            assert list(one["raw"].values()) == [raw for _, raw, _ in record.readings]
        missing = sum(reading.value is None for record in decoded for reading in record.readings)
        assert len(answer["warnings"]) == missing
    assert 5000 < good < 9500


def test_status_is_the_same_also_when_it_is_wrong(node: list[str]) -> None:
    dice = random.Random(5)
    asked: list[bytes] = []
    for _ in range(1000):
        found = status.Status(
            tuple(dice.randrange(256) for _ in range(3)), dice.choice(list(status.RESET_CAUSES)),
            dice.randrange(70_000), dice.randrange(64), dice.randbytes(4), dice.randrange(9000),
            dice.randrange(2**33), dice.randrange(70_000), 3, 4, dice.choice(list(status.NETWORK_FAILURES)),
            5, 300, [dice.choice(list(STATE_NAMES)) for _ in range(dice.randrange(13))],
        )  # fmt: skip
        if dice.random() < 0.4:
            found.blocks = tuple((dice.randint(5, 9), dice.randbytes(dice.randrange(9))) for _ in range(2))
        payload = bytearray(status.encode_status(found))
        if dice.random() < 0.4:
            payload[dice.randrange(len(payload))] = dice.randrange(256)
        if dice.random() < 0.1:
            del payload[dice.randrange(len(payload)) :]
        asked.append(bytes(payload))
    answers = under_node(node, [("decodeUplink", {"bytes": list(one), "fPort": 2}) for one in asked])
    good = 0
    for payload, answer in zip(asked, answers, strict=True):
        try:
            status.decode_status(payload)
        except WireError as error:
            assert answer["errors"] == [str(error)]
            continue
        good += 1
        data = answer["data"]
        blocks = [(one["kind"], bytes.fromhex(one["hex"])) for one in data["blocks"]]
        assert blocks == list(status.decode_status(payload).blocks)
        if any(kind < 5 for kind, _ in blocks):
            continue  # the gateway reads what such a block says
        for name, value in decode_status(an_uplink(payload, 2)).items():
            if name not in data:
                continue
            shown = " ".join(data[name]) if name in ("flags", "sensors") else data[name]
            assert shown == value, name
    assert 500 < good < 1000


def test_downlinks_are_the_bytes_of_the_python_codec_and_come_back(node: list[str]) -> None:
    dice = random.Random(6)
    calls: list[tuple[str, dict[str, Any]]] = []
    expected: list[bytes] = []
    for token in range(200):
        rows = dice.sample(commands.KEYS, dice.randint(1, 5))
        values = [(row[1], dice.randint(row[2], row[3])) for row in rows]
        calls.append(("encodeDownlink", {"data": {"command": "set", "token": token, "trial_min": 9,
                                                  "values": dict(values)}}))  # fmt: skip
        expected.append(commands.pack_set(token, 9, values))
        names = [row[1] for row in rows]
        calls.append(("encodeDownlink", {"data": {"command": "get", "token": token, "keys": names}}))
        expected.append(commands.pack_get(token, names))
        ranges = [(first, first + dice.choice([1, 500, 70_000])) for first in (0, 2**31 + token, 2**32 - 9)]
        calls.append(("encodeDownlink", {"data": {"command": "send_records", "ranges": ranges}}))
        expected.append(backfill.pack_ranges(backfill.SEND_RECORDS, [
            (first, min(end, 2**32)) for first, end in ranges
        ]))  # fmt: skip
        calls[-1][1]["data"]["ranges"] = [(first, min(end, 2**32)) for first, end in ranges]
    answers = under_node(node, calls)
    for answer, payload in zip(answers, expected, strict=True):
        assert answer["errors"] == []
        assert bytes(answer["bytes"]) == payload
        assert answer["fPort"] == PORT_COMMANDS
    back = under_node(node, [("decodeDownlink", {"bytes": list(one), "fPort": 3}) for one in expected])
    for (_, given), answer in zip(calls, back, strict=True):
        data = answer["data"]
        assert data["type"] == given["data"]["command"]
        if data["type"] == "set":
            assert {row["name"]: row["value"] for row in data["values"]} == given["data"]["values"]
        if data["type"] == "get":
            assert data["keys"] == given["data"]["keys"]


def test_answers_to_commands_are_the_same(node: list[str]) -> None:
    values = commands.pack_values(7, b"\1\2\3\xff", [(1, 300), (8, -2000), (200, -1)])
    result = commands.pack_result(7, commands.KEPT, 0, b"abcd")
    gone = backfill.pack_ranges(backfill.RECORDS_GONE, [(5, 9), (2**31, 2**31 + 1)])
    never = backfill.pack_ranges(backfill.NEVER_GIVEN, [(7, 70000)])
    payloads = (values, result, gone, b"\x09", never)
    one, two, three, four, five = under_node(
        node, [("decodeUplink", {"bytes": list(p), "fPort": 3}) for p in payloads]
    )
    assert [(row["number"], row["value"]) for row in one["data"]["values"]] == [
        (1, 300),
        (8, -2000),
        (200, -1),
    ]
    assert one["data"]["config_hash"] == "010203ff"
    assert two["data"] == {
        "type": "result", "token": 7, "outcome": "kept", "key": 0, "config_hash": b"abcd".hex()
    }  # fmt: skip
    assert three["data"]["ranges"] == [[5, 9], [2**31, 2**31 + 1]]
    assert five["data"] == {"type": "never_given", "ranges": [[7, 7 + 65535]]}
    assert four["errors"]


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"command": "set", "token": 1, "trial_min": 5, "values": {"dev_eui": 1}},
        {"command": "set", "token": 1, "trial_min": 5, "values": {"interval_s": 1}},
        {"command": "set", "token": 1, "trial_min": 0, "values": {"interval_s": 60}},
        {"command": "set", "token": 1, "trial_min": 5, "values": {"interval_s": 60.5}},
        {"command": "set", "token": 256, "trial_min": 5, "values": {"interval_s": 60}},
        {"command": "set", "token": 1, "trial_min": 5, "values": {}},
        {"command": "get", "token": 1, "keys": []},
        {"command": "get", "token": 1, "keys": ["app_key"]},
        {"command": "send_records", "ranges": [[5, 5]]},
        {"command": "send_records", "ranges": [[1, 2]] * 9},
    ],
)
def test_wrong_downlinks_are_errors(node: list[str], data: dict[str, Any]) -> None:
    (answer,) = under_node(node, [("encodeDownlink", {"data": data})])
    assert len(answer["errors"]) == 1
    assert "bytes" not in answer


def test_foreign_ports_and_no_bytes_are_errors(node: list[str]) -> None:
    answers = under_node(
        node,
        [
            ("decodeUplink", {"bytes": [1], "fPort": 9}),
            ("decodeUplink", {"fPort": 1}),
            ("decodeUplink", {"bytes": [], "fPort": 1}),
            ("decodeDownlink", {"bytes": [1], "fPort": 1}),
        ],
    )
    assert all(len(answer["errors"]) == 1 and answer["data"] == {} for answer in answers)


def test_the_page_serves_it() -> None:
    media, content = codec_documents()[ADDRESS]
    assert media.startswith("text/javascript")
    assert content.decode() == ts013.text()
