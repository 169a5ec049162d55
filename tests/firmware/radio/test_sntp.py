"""SNTP: answers of the standard, and those that are none to go by."""

from __future__ import annotations

import socket
import threading

import pytest

from radio import sntp


def _answer(first: int, stratum: int, seconds: int, fraction: int) -> bytes:
    return bytes([first, stratum]) + bytes(38) + seconds.to_bytes(4, "big") + fraction.to_bytes(4, "big")


# RFC 5905 figure 4: 1 January 1970 is 2,208,988,800 s of era 0; era 1 begins on 8 February 2036.
@pytest.mark.parametrize(
    ("answer", "utc_ms"),
    [
        (_answer(0x24, 2, 2208988800, 0), 0),
        (_answer(0x24, 2, 3913056000, 0x80000000), 1704067200500),  # 2024-01-01T00:00:00.5Z
        (_answer(0x24, 2, 0, 0), 2085978496000),  # 2036-02-07T06:28:16Z
        (_answer(0xE4, 2, 3913056000, 0), None),  # leap indicator 3: not synchronised
        (_answer(0x24, 0, 3913056000, 0), None),  # kiss of death
        (_answer(0x23, 2, 3913056000, 0), None),  # a client's packet
        (_answer(0x24, 2, 3913056000, 0)[:47], None),
        (b"", None),
    ],
)
def test_an_answer_is_its_time_or_none(answer: bytes, utc_ms: int | None) -> None:
    assert sntp.utc_ms_of(answer) == utc_ms


class Clock:
    """Each look at it takes 40 ms."""

    now = 1000

    def ticks_ms(self) -> int:
        self.now += 40
        return self.now

    def ticks_diff(self, a: int, b: int) -> int:
        return a - b

    def ticks_add(self, a: int, n: int) -> int:
        return a + n


class Net:
    """The socket module with the well-known port led to a test server."""

    AF_INET, SOCK_DGRAM = socket.AF_INET, socket.SOCK_DGRAM
    socket = staticmethod(socket.socket)

    def __init__(self, port: int) -> None:
        self._port = port

    def getaddrinfo(self, host: str, port: int) -> list[tuple]:
        if host != "ntp":
            raise OSError(-2)
        assert port == 123
        return [(2, 2, 0, "", ("127.0.0.1", self._port))]


def test_a_server_is_asked_once_and_half_the_round_trip_is_taken_off() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        heard: list[bytes] = []

        def serve() -> None:
            data, address = server.recvfrom(100)
            heard.append(data)
            server.sendto(_answer(0x24, 2, 3913056000, 0), address)

        thread = threading.Thread(target=serve)
        thread.start()
        net = Net(server.getsockname()[1])
        assert sntp.ask(net, Clock(), "ntp") == (1704067200000, 1060)
        thread.join(5)
    assert heard == [b"\x23" + bytes(47)]


def test_no_name_and_no_answer_are_none() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        net = Net(server.getsockname()[1])
        assert sntp.ask(net, Clock(), "elsewhere") is None
        assert sntp.ask(net, Clock(), "ntp", 0.05) is None
