"""MQTT 3.1.1 and 5 as a subscriber needs it: bytes to packets and back, without a socket.

A network server's broker sends tens of thousands of messages a second after an outage. paho makes an object,
takes locks and writes one acknowledgement for each (some 60 us a message); here a burst is taken apart in one
loop and acknowledged in one piece (some 3 us). Numbers in brackets are sections of the OASIS standards.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

V3, V5 = 4, 5  # protocol levels [3.1.2.2]
LONGEST = 1 << 20  # a message above this is acknowledged and thrown away unread
FOR_EVER = 0xFFFFFFFF

CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP, DISCONNECT = 2, 3, 4, 9, 13, 14
PINGREQ_BYTES = b"\xc0\x00"
DISCONNECT_BYTES = b"\xe0\x00"

_EXPIRY, _RECEIVE_MAXIMUM = 0x11, 0x21


class ProtocolError(ValueError):
    """Bytes that are no MQTT: the connection is of no more use."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """A PUBLISH. number: 2 bytes, b"" at QoS 0. payload None: it was too long to be taken."""

    topic: bytes
    payload: bytes | None
    number: bytes
    size: int = 0


@dataclass(frozen=True, slots=True)
class Control:
    """Any other packet: kind as above, and what follows the fixed header."""

    kind: int
    body: bytes


class Parser:
    """Bytes in any pieces to packets. version: of the connection, for the properties of version 5."""

    def __init__(self, version: int) -> None:
        self._version = version
        self._rest = b""
        self._skip = 0

    def feed(self, data: bytes) -> list[Message | Control]:
        """Return the packets that are complete; raise ProtocolError."""
        if self._skip:
            gone = min(self._skip, len(data))
            self._skip -= gone
            data = data[gone:]
        if self._rest:
            data = self._rest + data
        found: list[Message | Control] = []
        at, end = 0, len(data)
        has_properties = self._version == V5
        while end - at >= 2:
            first, length, start = data[at], data[at + 1], at + 2
            if length & 128:
                size = _length(data, at + 1)
                if size is None:
                    break
                length, start = size
            stop = start + length
            if length > LONGEST:
                long = self._too_long(data, first, start, stop)
                if long is None:
                    break
                found.append(long)
                at = min(stop, end)
                continue
            if stop > end:
                break
            if first >> 4 == PUBLISH:
                topic_end = start + 2 + (data[start] << 8 | data[start + 1]) if length >= 2 else stop + 1
                begin = topic_end + (2 if first & 6 else 0)
                if begin > stop:
                    raise ProtocolError("a PUBLISH is shorter than its topic")
                number = data[topic_end:begin]
                if has_properties:
                    begin = _behind_properties(data, begin, stop)
                found.append(Message(data[start + 2 : topic_end], data[begin:stop], number))
            else:
                found.append(Control(first >> 4, data[start:stop]))
            at = stop
        self._rest = data[at:]
        return found

    def _too_long(self, data: bytes, first: int, start: int, stop: int) -> Message | None:
        """Return a long message without its payload as soon as its head is there; the rest is skipped."""
        if first >> 4 != PUBLISH:
            raise ProtocolError(f"a packet of {stop - start} bytes")
        if len(data) < start + 2:
            return None
        topic_end = start + 2 + (data[start] << 8 | data[start + 1])
        begin = topic_end + (2 if first & 6 else 0)
        if len(data) < begin:
            return None
        self._skip = max(0, stop - len(data))
        return Message(data[start + 2 : topic_end], None, data[topic_end:begin], stop - start)


def _length(data: bytes, at: int) -> tuple[int, int] | None:
    """Return (remaining length, where it ends); None when it is not all there [2.2.3]."""
    if at + 1 < len(data) and data[at] & 128 and not data[at + 1] & 128:  # 128 bytes to 16 KB
        return data[at] & 127 | data[at + 1] << 7, at + 2
    length = 0
    for n in range(4):
        if at + n >= len(data):
            return None
        digit = data[at + n]
        length |= (digit & 127) << 7 * n
        if not digit & 128:
            return length, at + n + 1
    raise ProtocolError("a remaining length of more than 4 bytes")


def _behind_properties(data: bytes, at: int, stop: int) -> int:
    if at < stop and at + 1 + data[at] <= stop and data[at] < 128:  # nearly always: there are few
        return at + 1 + data[at]
    size = _length(data[:stop], at)
    if size is None or sum(size) > stop:
        raise ProtocolError("properties are longer than their packet")
    return sum(size)


def connect(
    version: int, client_id: str, username: str, password: str, keepalive_s: int, receive_maximum: int
) -> bytes:
    """Return a CONNECT of a session that is kept for ever [3.1]."""
    flags = (0x80 if username else 0) | (0x40 if username and password else 0)
    body = _text("MQTT") + bytes((version, flags)) + keepalive_s.to_bytes(2, "big")
    if version == V5:
        properties = bytes((_EXPIRY,)) + FOR_EVER.to_bytes(4, "big")
        properties += bytes((_RECEIVE_MAXIMUM,)) + receive_maximum.to_bytes(2, "big")
        body += bytes((len(properties),)) + properties
    body += _text(client_id)
    if username:
        body += _text(username) + (_text(password) if password else b"")
    return _packet(0x10, body)


def subscribe(version: int, number: int, topics: tuple[str, ...]) -> bytes:
    """Return a SUBSCRIBE at QoS 1 [3.8]."""
    body = number.to_bytes(2, "big") + (b"\0" if version == V5 else b"")
    return _packet(0x82, body + b"".join(_text(topic) + b"\x01" for topic in topics))


def publish(version: int, number: int, topic: str, payload: bytes) -> bytes:
    """Return a PUBLISH at QoS 1 [3.3]."""
    body = _text(topic) + number.to_bytes(2, "big") + (b"\0" if version == V5 else b"")
    return _packet(0x32, body + payload)


def acknowledge(numbers: list[bytes]) -> bytes:
    """Return PUBACKs [3.4] of what has a number; the same in both versions."""
    return b"".join([b"\x40\x02" + number for number in numbers if number])


def refusal(version: int, body: bytes) -> str:
    """Return why a CONNACK refuses, "" when it does not [3.2]."""
    if len(body) < 2:
        return "its answer to CONNECT is cut off"
    code = body[1]
    if not code:
        return ""
    names = _REASONS_5 if version == V5 and code >= 128 else _REASONS_3
    return names.get(code, f"reason {code}")


def is_version_refused(version: int, body: bytes) -> bool:
    """Tell whether a broker refuses version 5 as such."""
    return version == V5 and len(body) >= 2 and body[1] in (1, 0x84)


def refused_topics(version: int, body: bytes, topics: tuple[str, ...]) -> list[str]:
    """Return the topics that a SUBACK refuses [3.9]."""
    at = 2
    if version == V5:
        at = _behind_properties(body, 2, len(body))
    return [topic for topic, code in zip(topics, body[at:], strict=False) if code >= 128]


_REASONS_3 = {
    1: "Unacceptable protocol version", 2: "Client identifier rejected", 3: "Server unavailable",
    4: "Bad user name or password", 5: "Not authorized",
}  # fmt: skip
_REASONS_5 = {
    0x80: "Unspecified error", 0x84: "Unsupported protocol version", 0x85: "Client identifier not valid",
    0x86: "Bad user name or password", 0x87: "Not authorized", 0x88: "Server unavailable",
    0x89: "Server busy", 0x8A: "Banned", 0x97: "Quota exceeded",
}  # fmt: skip


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def _packet(first: int, body: bytes) -> bytes:
    size, left = bytearray(), len(body)
    while True:
        left, digit = left >> 7, left & 127
        size.append(digit | 128 if left else digit)
        if not left:
            return bytes((first,)) + bytes(size) + body
