"""A node's Wi-Fi: reasons for not getting in, TCP and SNTP with the node's own time-outs."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from simulator.net import Wifi, ntp_answer
from simulator.node import SimNode
from simulator.world import World
from tests.simulator.bench import START_US, run_script

pytestmark = pytest.mark.mpy

_JOIN = """
import network, time
w = network.WLAN(network.STA_IF)
w.active(True)
w.config(reconnects=2)  # network_wlan.c: without a limit it tries for ever and tells no reason
def join(ssid, key):
    w.connect(ssid, key)
    while w.status() == network.STAT_CONNECTING:
        time.sleep_ms(100)
    return w.status()
"""


def test_joining_takes_time_and_says_why_it_fails(tmp_path: Path) -> None:
    lines = run_script(
        tmp_path,
        _JOIN
        + """
print(w.status() == network.STAT_IDLE)
a = time.ticks_ms()
in_ = join("home", "right") == network.STAT_GOT_IP
print(in_, time.ticks_diff(time.ticks_ms(), a) // 1000, w.isconnected())
print(join("home", "wrong") == 15, w.isconnected())  # WIFI_REASON_4WAY_HANDSHAKE_TIMEOUT
print(join("away", "right") == network.STAT_NO_AP_FOUND)
w.disconnect()
print(w.status() == network.STAT_IDLE)
""",
        wifi=Wifi(ssid="home", password="right"),
    )
    assert lines == ["True", "True 1 True", "True False", "True", "True"]


_TALK = (
    _JOIN
    + """
import socket
join("meetnet", "meetnet-sim")
address = socket.getaddrinfo("echo", 0)[0][-1]
s = socket.socket()
s.settimeout(5)
s.connect(("echo", 7))
s.write(b"hello world")
print(s.read(5), s.recv(100))
a = time.ticks_ms()
try:
    s.recv(1)
except OSError as e:
    print(e.errno, time.ticks_diff(time.ticks_ms(), a) // 1000)
s.setblocking(False)
print(s.read(1))
s.settimeout(5)
s.write(b"bye")
print(s.recv(3), s.recv(3))
s.close()
"""
)


def test_tcp_carries_real_bytes_and_times_out_in_the_nodes_time(tmp_path: Path) -> None:
    wifi = Wifi()
    heard: list[bytes] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (data := await reader.read(100)) and data != b"bye":
            heard.append(data)
            writer.write(data)
        writer.write(b"bye")
        writer.close()

    async def serve(world: World, node: SimNode) -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        wifi.hosts["echo"] = server.sockets[0].getsockname()[:2]
        await world.run_for(30)
        server.close()
        await server.wait_closed()

    lines = run_script(tmp_path, _TALK, during=serve, wifi=wifi)
    assert lines == ["b'hello' b' world'", "110 5", "None", "b'bye' b''"]
    assert heard == [b"hello world"]


def test_a_port_where_nobody_listens_refuses_and_no_network_is_no_route(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    wifi = Wifi(hosts={"gateway": ("127.0.0.1", port)})
    lines = run_script(
        tmp_path,
        _JOIN
        + """
import socket
def attempt():
    s = socket.socket()
    s.settimeout(5)
    try:
        s.connect(("gateway", 1883))
    except OSError as e:
        print(e.errno)
attempt()
try:
    socket.getaddrinfo("gateway", 1883)
except OSError as e:
    print(e.errno)
join("meetnet", "meetnet-sim")
attempt()
""",
        wifi=wifi,
    )
    assert lines == ["113", "-2", "111"]  # EHOSTUNREACH, EAI_NONAME, ECONNREFUSED


def test_sntp_gives_the_worlds_time(tmp_path: Path) -> None:
    lines = run_script(
        tmp_path,
        _JOIN
        + """
import ntptime, socket
join("meetnet", "meetnet-sim")
ntptime.settime()
print(time.time() + 946684800)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
a = time.ticks_ms()
try:
    s.recv(48)
except OSError as e:
    print(e.errno, time.ticks_diff(time.ticks_ms(), a) // 1000)
""",
    )
    assert abs(int(lines[0]) - START_US // 1_000_000) <= 5  # boot and joining come first
    assert lines[1] == "110 2"


def test_an_ntp_answer_has_the_fields_of_the_standard() -> None:
    # RFC 5905 section 7.3 and figure 4: 1970-01-01 is 2 208 988 800 s after the NTP epoch.
    query = bytes([0x23]) + bytes(39) + b"\x01\x02\x03\x04\x05\x06\x07\x08"
    answer = ntp_answer(query, 1_500_000)
    assert len(answer) == 48
    assert answer[0] == 0x24  # leap 0, version as asked, mode 4 (server)
    assert 1 <= answer[1] <= 15
    assert answer[24:32] == query[40:48]
    assert int.from_bytes(answer[40:44], "big") == 2_208_988_800 + 1
    assert answer[44:48] == bytes([0x80, 0, 0, 0])  # half a second
