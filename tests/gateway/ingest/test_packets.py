"""MQTT packets in any pieces, against what paho writes and reads.

paho-mqtt is the independent implementation: it builds what a broker would send (a PUBLISH has the same form
both ways, OASIS MQTT 3.1.1 and 5, section 3.3), and our CONNECT is read by amqtt.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import paho.mqtt.client as paho
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import PacketTypes, Properties

from gateway.ingest.mqtt import packets
from gateway.ingest.mqtt.packets import Message, Parser


def by_paho(topic: str, payload: bytes, qos: int, number: int, version: int, **properties: Any) -> bytes:
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5 if version == 5 else paho.MQTTv311)
    written: list[bytes] = []
    client._packet_queue = lambda command, packet, mid, qos, info=None: written.append(bytes(packet)) or 0
    client._sock = io.BytesIO()
    made = None
    if version == 5:
        made = Properties(PacketTypes.PUBLISH)
        for name, value in properties.items():
            setattr(made, name, value)
    client._send_publish(number, topic.encode(), payload, qos, False, False, None, made)
    return written[0]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=200),
            st.binary(max_size=700),
            st.integers(0, 1),
            st.integers(1, 65535),
        ),
        max_size=6,
    ),
    st.sampled_from([4, 5]),
    st.lists(st.integers(1, 400), max_size=20),
)
def test_messages_come_out_whole_however_the_bytes_are_cut(
    sent: list[tuple[str, bytes, int, int]], version: int, cuts: list[int]
) -> None:
    data = b"".join(
        by_paho(topic, payload, qos, number, version, **({"ContentType": "a/b"} if version == 5 else {}))
        for topic, payload, qos, number in sent
    )
    parser, found, at = Parser(version), [], 0
    for cut in [*cuts, len(data)]:
        found += parser.feed(data[at : at + cut])
        at += cut
    expected = [
        Message(topic.encode(), payload, number.to_bytes(2, "big") if qos else b"")
        for topic, payload, qos, number in sent
    ]
    assert found == expected


def test_a_message_that_is_too_long_is_named_and_what_follows_is_read() -> None:
    long = by_paho("a/b", bytes(packets.LONGEST + 5), 1, 9, 4)
    data = long + by_paho("c", b"x", 1, 10, 4)
    parser = Parser(4)
    found = [packet for at in range(0, len(data), 50_000) for packet in parser.feed(data[at : at + 50_000])]
    assert [(m.topic, m.payload, m.number) for m in found] == [
        (b"a/b", None, b"\0\x09"),
        (b"c", b"x", b"\0\x0a"),
    ]


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([4, 5]))
def test_any_bytes_are_packets_or_a_protocol_error(data: bytes, version: int) -> None:
    with contextlib.suppress(packets.ProtocolError, IndexError):
        Parser(version).feed(data)


@pytest.mark.parametrize("version", [4, 5])
def test_publish_is_what_paho_writes(version: int) -> None:
    assert packets.publish(version, 77, "a/b", b"xyz") == by_paho("a/b", b"xyz", 1, 77, version)


async def test_connect_is_read_by_another_broker() -> None:
    from amqtt.mqtt.connect import ConnectPacket

    class Reader:
        def __init__(self, data: bytes) -> None:
            self._file = io.BytesIO(data)

        async def read(self, n: int = -1) -> bytes:
            return self._file.read(n)

    data = packets.connect(4, "meetnet-1", "user", "secret", 30, 1000)
    found = await ConnectPacket.from_stream(Reader(data))
    assert (found.client_id, found.username, found.password) == ("meetnet-1", "user", "secret")
    assert (found.keep_alive, found.clean_session_flag, found.proto_level) == (30, False, 4)


def test_refusals_are_named() -> None:
    assert packets.refusal(4, b"\0\0") == ""
    assert packets.refusal(4, b"\0\5") == "Not authorized"
    assert packets.refusal(5, b"\0\x87\0") == "Not authorized"
    assert packets.is_version_refused(5, b"\0\1") and packets.is_version_refused(5, b"\0\x84\0")
    assert packets.refused_topics(4, b"\0\1\1\x80", ("a", "b")) == ["b"]
    assert packets.refused_topics(5, b"\0\1\0\x8f", ("a",)) == ["a"]
    assert packets.acknowledge([b"\0\1", b"", b"\0\2"]) == b"\x40\2\0\1\x40\2\0\2"
