"""Cayenne Low Power Payload 1.0: channel, type, value, again and again, big-endian.

Types by their IPSO object number less 3200. Names are those of The Things Stack's decoder, `type_channel`.
"""

from __future__ import annotations

from gateway.decode.foreign.errors import FormatError
from gateway.decode.foreign.values import Found

# type: (name, bytes of each value, signed, divisor of each value)
TYPES: dict[int, tuple[str, int, bool, tuple[float, ...]]] = {
    0x00: ("digital_in", 1, False, (1,)),
    0x01: ("digital_out", 1, False, (1,)),
    0x02: ("analog_in", 2, True, (100,)),
    0x03: ("analog_out", 2, True, (100,)),
    0x64: ("generic", 4, False, (1,)),
    0x65: ("luminosity", 2, False, (1,)),
    0x66: ("presence", 1, False, (1,)),
    0x67: ("temperature", 2, True, (10,)),
    0x68: ("relative_humidity", 1, False, (2,)),
    0x71: ("accelerometer", 2, True, (1000, 1000, 1000)),
    0x73: ("barometric_pressure", 2, False, (10,)),
    0x74: ("voltage", 2, False, (100,)),
    0x75: ("current", 2, False, (1000,)),
    0x76: ("frequency", 4, False, (1,)),
    0x78: ("percentage", 1, False, (1,)),
    0x79: ("altitude", 2, True, (1,)),
    0x7D: ("concentration", 2, False, (1,)),
    0x80: ("power", 2, False, (1,)),
    0x82: ("distance", 4, False, (1000,)),
    0x83: ("energy", 4, False, (1000,)),
    0x84: ("direction", 2, False, (1,)),
    0x85: ("unix_time", 4, False, (1,)),
    0x86: ("gyrometer", 2, True, (100, 100, 100)),
    0x88: ("gps", 3, True, (10_000, 10_000, 100)),
    0x8E: ("switch", 1, False, (1,)),
}
_AXES = {"accelerometer": "xyz", "gyrometer": "xyz", "gps": ("latitude", "longitude", "altitude")}


def read(payload: bytes) -> list[Found]:
    """Return the values by `type_channel`; of those with several parts by `type_channel.part`."""
    out: list[Found] = []
    at = 0
    while at < len(payload):
        if at + 2 > len(payload):
            raise FormatError(f"ends at byte {at} within a channel and its type")
        channel, kind = payload[at], payload[at + 1]
        row = TYPES.get(kind)
        if row is None:
            raise FormatError(f"has type 0x{kind:02x} at byte {at + 1}, which Cayenne LPP does not know")
        name, size, signed, divisors = row
        at += 2
        if at + size * len(divisors) > len(payload):
            raise FormatError(f"ends within {name}_{channel}, at byte {at}")
        for part, divisor in enumerate(divisors):
            raw = int.from_bytes(payload[at : at + size], "big", signed=signed)
            at += size
            axis = f".{_AXES[name][part]}" if len(divisors) > 1 else ""
            out.append(Found(f"{name}_{channel}{axis}", raw / divisor))
    return out
