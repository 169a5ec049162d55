"""The Things Stack v3 messages, after the examples of its data-formats page."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import IngestError
from gateway.ingest.ttn import decode_message, parse_topic
from gateway.model import Reception

ARRIVED_MS = 1_700_000_000_000
TOPIC = "v3/app1@tenant1/devices/dev1/up"


@pytest.fixture
def official(shared):
    """The official uplink example, with the comma that is missing in it."""
    text = shared("vectors/platforms/ttn/dataformats-01-uplink_message.invalid.txt").read_text()
    return json.loads(text.replace('}\n    "received_at"', '},\n    "received_at"'))


def message(**changes):
    body = {
        "end_device_ids": {"device_id": "dev1", "dev_eui": "0004A30B001C0530"},
        "received_at": "2020-02-12T15:15:46.014773143Z",
        "uplink_message": {"f_port": 2, "f_cnt": 9, "frm_payload": "gkHe"},
    }
    up = body["uplink_message"]
    for name, value in changes.items():
        target = body if name in ("end_device_ids", "simulated", "uplink_message") else up
        if value is ...:
            del target[name]
        else:
            target[name] = value
    return json.dumps(body).encode()


def test_the_official_example_is_no_json_and_says_where(shared):
    text = shared("vectors/platforms/ttn/dataformats-01-uplink_message.invalid.txt").read_bytes()
    with pytest.raises(IngestError, match="byte") as error:
        decode_message(TOPIC, text, ARRIVED_MS)
    assert error.value.cause == "ingest.ttn_malformed"


def test_the_official_example_with_its_comma(official):
    # It has no f_port: zero, so no application payload by its own words ...
    assert decode_message(TOPIC, json.dumps(official).encode(), ARRIVED_MS) is None
    official["uplink_message"]["f_port"] = 1  # ... with one it is an uplink.
    uplink = decode_message(TOPIC, json.dumps(official).encode(), ARRIVED_MS)
    assert (uplink.source, uplink.dev_eui, uplink.f_port, uplink.f_cnt) == ("ttn", "0004a30b001c0530", 1, 1)
    assert uplink.payload == bytes.fromhex("8241de")
    assert uplink.received_at_ms == 1_581_520_545_790  # 2020-02-12T15:15:45.789585559Z
    assert uplink.receptions == (Reception("9c5c8e00001a05c4", -35, 5, 868_300_000, "SF7BW125"),)


@pytest.mark.parametrize(
    ("event", "file"),
    [
        ("join", "dataformats-00-join_accept.json"),
        ("down/ack", "dataformats-02-downlink_ack.json"),
        ("down/failed", "dataformats-03-downlink_failed.json"),
    ],
)
def test_other_official_examples_carry_no_uplink(shared, event, file):
    payload = shared(f"vectors/platforms/ttn/{file}").read_bytes()
    assert decode_message(f"v3/app1@tenant1/devices/dev1/{event}", payload, ARRIVED_MS) is None


def test_a_join_on_the_uplink_topic_is_refused(shared):
    payload = shared("vectors/platforms/ttn/dataformats-00-join_accept.json").read_bytes()
    with pytest.raises(IngestError, match="uplink_message is missing"):
        decode_message(TOPIC, payload, ARRIVED_MS)


def test_omitted_fields_are_zero_or_empty():
    assert decode_message(TOPIC, message(f_cnt=...), ARRIVED_MS).f_cnt == 0
    assert decode_message(TOPIC, message(frm_payload=...), ARRIVED_MS) is None
    assert decode_message(TOPIC, message(f_port=...), ARRIVED_MS) is None


def test_frequencies_are_texts_and_bad_metadata_costs_only_itself():
    rx = [{"rssi": 1}, 5, {"gateway_ids": {"gateway_id": "gtw"}, "rssi": -70}]
    for frequency, expected in (
        ("868100000", 868_100_000),
        (868_100_000, 868_100_000),
        ("x", None),
        ("0", None),
    ):
        settings = {
            "frequency": frequency,
            "data_rate": {"lora": {"bandwidth": 125_000, "spreading_factor": 12}},
        }
        uplink = decode_message(TOPIC, message(rx_metadata=rx, settings=settings), ARRIVED_MS)
        assert uplink.receptions == (Reception("gtw", -70, 0.0, expected, "SF12BW125"),)


@pytest.mark.parametrize(
    ("payload", "cause"),
    [
        (b"", "malformed"),
        (b"[]", "malformed"),
        (message(frm_payload="%"), "malformed"),
        (message(f_port=256), "malformed"),
        (message(f_cnt=-1), "malformed"),
        (message(uplink_message=...), "malformed"),
        (message(end_device_ids={"device_id": "dev1"}), "malformed"),
        (message(end_device_ids={"device_id": "dev2", "dev_eui": "0004A30B001C0530"}), "malformed"),
        (message(simulated=True), "simulated"),
        (message(app_s_key={"encrypted_key": "x"}), "encrypted"),
        (b'{"x":' + b"[" * 50_000, "malformed"),
    ],
)
def test_what_is_wrong_has_a_cause(payload, cause):
    with pytest.raises(IngestError) as error:
        decode_message(TOPIC, payload, ARRIVED_MS)
    assert error.value.cause == f"ingest.ttn_{cause}"


@pytest.mark.parametrize("topic", ["v3/a/devices/d", "v3/a/devices/d/down/push", "v4/a/devices/d/up", ""])
def test_foreign_topics_are_refused(topic):
    with pytest.raises(IngestError):
        parse_topic(topic)


NAMES = (
    "end_device_ids device_id dev_eui uplink_message f_cnt f_port frm_payload received_at rx_metadata"
    " gateway_ids eui rssi snr settings data_rate lora frequency bandwidth spreading_factor simulated"
).split()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)
CHANGES = st.dictionaries(st.sampled_from(NAMES), VALUES)


@given(st.binary(max_size=80) | CHANGES.map(lambda changes: message(**changes)))
def test_any_message_is_an_uplink_nothing_or_an_ingest_error(payload):
    try:
        uplink = decode_message(TOPIC, payload, ARRIVED_MS)
    except IngestError as error:
        assert error.cause.startswith("ingest.ttn_")
    else:
        assert uplink is None or uplink.dev_eui == "0004a30b001c0530"
