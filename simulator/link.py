"""The wire between a node's process and the world: fixed binary frames on a socket pair.

Request (16 bytes, then n bytes of payload when the operation carries any):
    op u8 | unit u8 | addr u16 | n u32 | t i64
Reply (32 bytes, then n bytes of payload when the operation returns any):
    status u8 | pins u8 | value u16 | n u32 | t i64 | pins_until i64 | horizon i64

`t` in a request is the node's own clock (microseconds UTC of the world) at the operation, or the
instant it sleeps until. `t` in a reply is where the node's clock goes on. `status` is 0 or an errno.
`pins` holds the levels of the watched input pins, true until `pins_until`; up to `horizon` the node
may let its clock advance without asking. `simulator/board/_link.py` is the other end.
"""

from __future__ import annotations

import struct
from enum import IntEnum

REQUEST = struct.Struct("<BBHIq")
REPLY = struct.Struct("<BBHIqqq")


class Op(IntEnum):
    """What a node asks. The numbers are repeated in simulator/board/*.py; a test compares them."""

    HELLO = 0
    SLEEP = 1
    I2C_WRITE = 2
    I2C_READ = 3
    SPI = 4
    PINS = 5
    PIN_OUT = 6
    UART_INIT = 7
    UART_WRITE = 8
    UART_READ = 9
    ADC = 10
    COUNT = 11
    I2S_INIT = 12
    I2S_READ = 13
    RTC_SET = 14
    RTC_MEMORY = 15
    DEEPSLEEP = 16
    RESET = 17
    WIFI_CONNECT = 18
    WIFI_STATUS = 19
    RESOLVE = 20
    SOCKET = 21
    CONNECT = 22
    SEND = 23
    RECV = 24
    SENDTO = 25
    RECVFROM = 26
    CLOSE = 27
    ENDED = 28
    POLL = 29
    ONE_WIRE = 30
    WIFI_SCAN = 31
    WIFI_AP = 32
    LISTEN = 33
    ACCEPT = 34
    ULP = 40
    PEEK = 41
    POKE = 42
    ERASED = 43
    COMMITTED = 44


CARRY_PAYLOAD = frozenset(
    {
        Op.I2C_WRITE,
        Op.SPI,
        Op.UART_WRITE,
        Op.RTC_SET,
        Op.RTC_MEMORY,
        Op.WIFI_CONNECT,
        Op.WIFI_AP,
        Op.RESOLVE,
        Op.CONNECT,
        Op.SEND,
        Op.RECV,
        Op.SENDTO,
        Op.RECVFROM,
        Op.POLL,
        Op.ENDED,
        Op.ULP,
        Op.POKE,
    }
)
"""Operations whose `n` counts payload bytes that follow; elsewhere `n` is a plain number."""


class FrameReader:
    """Cuts a byte stream into requests."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, int, int, int, int, bytes]]:
        """Return the complete requests: (op, unit, addr, n, t, payload)."""
        if not self._buffer and len(data) == REQUEST.size:  # the usual case: one request, no payload
            op, unit, addr, n, t = REQUEST.unpack(data)
            if op not in CARRY_PAYLOAD or n == 0:
                return [(op, unit, addr, n, t, b"")]
        buffer = self._buffer
        buffer += data
        requests: list[tuple[int, int, int, int, int, bytes]] = []
        at = 0
        while len(buffer) - at >= REQUEST.size:
            op, unit, addr, n, t = REQUEST.unpack_from(buffer, at)
            end = at + REQUEST.size + (n if op in CARRY_PAYLOAD else 0)
            if len(buffer) < end:
                break
            requests.append((op, unit, addr, n, t, bytes(buffer[at + REQUEST.size : end])))
            at = end
        del buffer[:at]
        return requests
