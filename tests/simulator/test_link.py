"""The wire between a node and the world: both ends agree, wherever the stream is cut."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.link import CARRY_PAYLOAD, REPLY, REQUEST, FrameReader, Op

BOARD = Path(__file__).resolve().parents[2] / "simulator" / "board"

# Where each operation is spoken in the shims: (file, number as first argument of ask, ask_with or tell).
_SPOKEN = {
    "_link.py": {"HELLO", "SLEEP", "PINS", "RESET"},
    "_start.py": {"ENDED"},
    "machine.py": {
        "I2C_WRITE", "I2C_READ", "SPI", "PIN_OUT", "UART_INIT", "UART_WRITE", "UART_READ", "ADC", "COUNT",
        "I2S_INIT", "I2S_READ", "RTC_SET", "RTC_MEMORY", "DEEPSLEEP", "RESET",
        "PEEK", "POKE",
    },
    "network.py": {"WIFI_CONNECT", "WIFI_STATUS", "WIFI_SCAN", "WIFI_AP"},
    "socket.py": {
        "RESOLVE", "SOCKET", "CONNECT", "SEND", "RECV", "SENDTO", "RECVFROM", "CLOSE", "LISTEN", "ACCEPT",
    },
    "esp32.py": {"ULP", "ERASED", "COMMITTED"},
    "onewire.py": {"ONE_WIRE"},
    "select.py": {"POLL"},
}  # fmt: skip


def test_the_shims_speak_the_numbers_of_the_world() -> None:
    for name, operations in _SPOKEN.items():
        text = (BOARD / name).read_text()
        numbers = {int(n) for n in re.findall(r"(?:ask|ask_with|tell|_receive)\((\d+),", text)}
        assert numbers == {Op[o].value for o in operations}, name
    assert set.union(*_SPOKEN.values()) == {op.name for op in Op}


def test_the_shims_pack_the_layouts_of_the_world() -> None:
    text = (BOARD / "_link.py").read_text()
    assert f'"{REQUEST.format}"' in text
    assert f'"{REPLY.format}"' in text
    assert f"bytearray({REQUEST.size})" in text
    assert f"bytearray({REPLY.size})" in text


_requests = st.lists(
    st.tuples(
        st.sampled_from(list(Op)),
        st.integers(0, 255),
        st.integers(0, 65535),
        st.integers(-(2**63), 2**63 - 1),
        st.binary(max_size=40),
    ),
    max_size=6,
)


@settings(max_examples=200, deadline=None)
@given(_requests, st.lists(st.integers(1, 50), min_size=1, max_size=60))
def test_any_cut_of_the_stream_gives_the_same_requests(
    requests: list[tuple[Op, int, int, int, bytes]], cuts: list[int]
) -> None:
    stream, expected = b"", []
    for op, unit, addr, t, payload in requests:
        data = payload if op in CARRY_PAYLOAD else b""
        n = len(data) if op in CARRY_PAYLOAD else len(payload)
        stream += REQUEST.pack(op, unit, addr, n, t) + data
        expected.append((op, unit, addr, n, t, data))
    reader, got, at, i = FrameReader(), [], 0, 0
    while at < len(stream):
        step = cuts[i % len(cuts)]
        got += reader.feed(stream[at : at + step])
        at, i = at + step, i + 1
    assert got == expected
