"""ChirpStack v4 events. Names and types are those of its integration.proto and gw.proto (MIT)."""

from __future__ import annotations

import base64
import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import IngestError
from gateway.ingest.chirpstack import decode_message, uplinks
from gateway.model import Reception, Uplink

ARRIVED_MS = 1_700_000_000_000
EUI = "70b3d57ed005b420"
TOPIC = f"application/9bfe8bd7-9a43-4bbc-9bd5-8c4b4d2d4e5c/device/{EUI}/event/up"


def event(**changes):
    body = {
        "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
        "time": "2023-11-14T22:13:19.250123456+00:00",
        "deviceInfo": {"tenantName": "City", "devEui": EUI, "tags": {"key": "value"}},
        "devAddr": "00189440",
        "adr": True,
        "dr": 5,
        "fCnt": 77,
        "fPort": 1,
        "confirmed": True,
        "data": base64.b64encode(b"\x01\xff").decode(),
        "rxInfo": [
            {
                "gatewayId": "0016c001f153a14c",
                "uplinkId": 4217106255,
                "rssi": -97,
                "snr": 2.25,
                "crcStatus": "CRC_OK",
            },
            {"gatewayId": "0016c001f153a14d", "rssi": -36, "snr": 10.5, "location": {}},
        ],
        "txInfo": {
            "frequency": 867100000,
            "modulation": {"lora": {"bandwidth": 125000, "spreadingFactor": 7, "codeRate": "CR_4_5"}},
        },
    }
    for name, value in changes.items():
        if value is ...:
            del body[name]
        else:
            body[name] = value
    return json.dumps(body).encode()


def test_an_uplink():
    assert decode_message(TOPIC, event(), ARRIVED_MS) == Uplink(
        source="chirpstack",
        dev_eui=EUI,
        f_port=1,
        payload=b"\x01\xff",
        received_at_ms=1_699_999_999_250,
        f_cnt=77,
        receptions=(
            Reception("0016c001f153a14d", -36, 10.5, 867_100_000, "SF7BW125"),
            Reception("0016c001f153a14c", -97, 2.25, 867_100_000, "SF7BW125"),
        ),
    )


def test_omitted_fields_are_zero_false_or_empty():
    uplink = decode_message(
        TOPIC, event(fCnt=..., rxInfo=..., txInfo=..., time=..., confirmed=...), ARRIVED_MS
    )
    assert (uplink.f_cnt, uplink.receptions, uplink.received_at_ms) == (0, (), ARRIVED_MS)
    assert decode_message(TOPIC, event(data=...), ARRIVED_MS) is None
    assert decode_message(TOPIC, event(fPort=...), ARRIVED_MS) is None


def test_a_bad_reception_costs_only_itself():
    rx = [{"gatewayId": 7}, "x", None, {"gatewayId": "aa", "rssi": -50, "snr": "NaN"}, {"gatewayId": "bb"}]
    uplink = decode_message(
        TOPIC, event(rxInfo=rx, txInfo={"frequency": "868.1"}, time="yesterday"), ARRIVED_MS
    )
    assert [(r.gateway_id, r.rssi_dbm, r.snr_db, r.frequency_hz) for r in uplink.receptions] == [
        ("bb", None, 0.0, None),
        ("aa", -50, None, None),
    ]
    assert uplink.received_at_ms == ARRIVED_MS


def test_a_time_in_the_future_is_not_believed():
    assert decode_message(TOPIC, event(time="2033-01-01T00:00:00Z"), ARRIVED_MS).received_at_ms == ARRIVED_MS


@pytest.mark.parametrize("name", ["join", "status", "ack", "txack", "log", "location", "integration"])
def test_other_events_carry_no_uplink(name):
    assert decode_message(TOPIC.replace("/up", "/" + name), b"{}", ARRIVED_MS) is None


@pytest.mark.parametrize(
    ("topic", "payload", "cause"),
    [
        (TOPIC, b"\x0a\x24protobuf", "malformed"),
        (TOPIC, b"", "malformed"),
        (TOPIC, b"{", "malformed"),
        (TOPIC, b"{}", "malformed"),
        (TOPIC, event(data="%%"), "malformed"),
        (TOPIC, event(fPort=256), "malformed"),
        (TOPIC, event(fCnt=-1), "malformed"),
        (TOPIC, event(fCnt="1"), "malformed"),
        (TOPIC, event(deviceInfo={"devEui": "0102"}), "malformed"),
        (TOPIC, event(deviceInfo={"devEui": "0" * 16}), "malformed"),
        (TOPIC, event(joinServerContext={"sessionKeyId": "x"}), "encrypted"),
        (TOPIC, b'{"x":' + b"[" * 50_000, "malformed"),
        (TOPIC.replace("event", "command"), b"{}", "topic"),
        (TOPIC.replace("/up", "/unknown"), b"{}", "topic"),
        ("gateway/0016c001f153a14c/event/up", b"{}", "topic"),
    ],
)
def test_what_is_wrong_has_a_cause(topic, payload, cause):
    with pytest.raises(IngestError) as error:
        decode_message(topic, payload, ARRIVED_MS)
    assert error.value.cause == f"ingest.chirpstack_{cause}"


def test_every_field_that_we_read_is_in_the_official_proto(shared):
    proto = shared("vectors/platforms/chirpstack/integration.proto").read_text()
    proto += shared("vectors/platforms/chirpstack/gw.proto").read_text()

    def fields(message: str) -> set[str]:
        body = re.search(rf"^message {message} \{{(.*?)^\}}", proto, re.DOTALL | re.MULTILINE)[1]
        names = re.findall(r"^ *(?:repeated )?[\w.]+ (\w+) = \d+;", body, re.MULTILINE)
        return {re.sub(r"_(\w)", lambda m: m[1].upper(), name) for name in names}

    ours = {
        "UplinkEvent": uplinks._Uplink,
        "DeviceInfo": uplinks._DeviceInfo,
        "UplinkRxInfo": uplinks._RxInfo,
        "UplinkTxInfo": uplinks._TxInfo,
        "Modulation": uplinks._Modulation,
        "LoraModulationInfo": uplinks._Lora,
    }
    for message, shape in ours.items():
        read = {field.encode_name for field in msgspec.structs.fields(shape)}
        assert read <= fields(message), message


NAMES = (
    "time deviceInfo devEui fCnt fPort data rxInfo gatewayId rssi snr txInf"
    "o modulation lora frequency bandwidth spreadingFactor joinServerContext"
).split()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)
CHANGES = st.dictionaries(st.sampled_from(NAMES), VALUES)


@given(st.binary(max_size=80) | CHANGES.map(lambda changes: event(**changes)))
def test_any_message_is_an_uplink_nothing_or_an_ingest_error(payload):
    try:
        uplink = decode_message(TOPIC, payload, ARRIVED_MS)
    except IngestError as error:
        assert error.cause.startswith("ingest.chirpstack_")
    else:
        assert uplink is None or uplink.dev_eui == EUI
