"""The load generator and the platform, a process each; shared memory says what was sent and seen."""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import select
import socket
import time
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np

from tests.bench.gateway.messages import Messages

_ENTITY = re.compile(rb'"id":"urn:ngsi-ld:AirQualityObserved:[^:"]*:s(\d+)".*?"observedAt":"([^"]{20})')
_CHUNK = 16


class Ledger:
    """When each message was sent and first seen, how often it was seen; in shared memory."""

    def __init__(self, messages: int, name: str | None = None) -> None:
        size = 8 * (2 * messages + messages + 2)
        self.memory = SharedMemory(name, create=name is None, size=size)
        floats = np.frombuffer(self.memory.buf, np.float64, 2 * messages)
        self.sent_s, self.seen_s = floats[:messages], floats[messages:]
        self.times = np.frombuffer(self.memory.buf, np.int64, messages, 16 * messages)
        self.totals = np.frombuffer(
            self.memory.buf, np.int64, 2, 24 * messages
        )  # sent, seen for the first time
        if name is None:
            floats[:] = 0
            self.times[:] = 0
            self.totals[:] = 0

    def close(self, *, unlink: bool = False) -> None:
        del self.sent_s, self.seen_s, self.times, self.totals
        self.memory.close()
        if unlink:
            self.memory.unlink()


def connect(port: int, client_id: bytes = b"meet-l") -> socket.socket:
    """Return a socket of a clean MQTT 3.1.1 session."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    rest = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(client_id).to_bytes(2, "big") + client_id
    sock.sendall(b"\x10" + bytes((len(rest),)) + rest)
    answer = sock.recv(4)
    assert answer[:1] == b"\x20" and answer[3] == 0, answer
    return sock


def generate(
    ledger: str,
    size: int,
    shape: tuple[int, int, int],
    port: int,
    window: int,
    rate: float,
    first: int = 0,
    messages: int = 0,
) -> None:
    """Publish all of a ledger of that size, or those from `first` to `messages`.

    Never more than `window` ahead of the platform, or at `rate` a second when that is set.
    """
    book = Ledger(size, ledger)
    messages = messages or size
    made = Messages(*shape)
    packets = [b""] * first + [made.packet(n) for n in range(first, messages)]
    sock = connect(port)
    sock.setblocking(True)
    sent = first
    begin = time.perf_counter()
    while sent < messages:
        ahead = min(messages, first + int(rate * (time.perf_counter() - begin))) if rate else messages
        most = min(ahead, int(book.totals[1]) + window, sent + _CHUNK)
        if most <= sent:
            time.sleep(0.0005)
        else:
            book.sent_s[sent:most] = time.perf_counter()
            sock.sendall(b"".join(packets[sent:most]))
            sent = most
            book.totals[0] = sent
        while select.select([sock], [], [], 0)[0]:
            if not sock.recv(65536):
                raise ConnectionError("the broker closed the connection")
    end = time.perf_counter() + 5
    while time.perf_counter() < end and select.select([sock], [], [], 0.5)[0]:
        if not sock.recv(65536):
            break
    sock.sendall(b"\xe0\x00")
    sock.close()
    book.close()


def platform(ledger: str, messages: int, shape: tuple[int, int, int], pipe: Any, port: int = 0) -> None:
    """Answer 204 to every request; note each message that a body holds."""
    book = Ledger(messages, ledger)
    made = Messages(*shape)
    devices = made.devices
    reading = {made.moment(k).encode(): k for k in range(-(-messages // devices))}
    times, seen_s, totals = book.times, book.seen_s, book.totals

    def note(body: bytes) -> None:
        now = time.perf_counter()
        for device, moment in _ENTITY.findall(body):
            k = reading.get(moment)
            if k is None:
                continue
            n = k * devices + int(device)
            if n >= messages:
                continue
            if not times[n]:
                seen_s[n] = now
                totals[1] += 1
            times[n] += 1

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                at = head.lower().find(b"content-length:")
                size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
                note(await reader.readexactly(size))
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", port, limit=1 << 24)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


def start(target: Any, *args: Any) -> multiprocessing.process.BaseProcess:
    """Start a process of its own, without what this one has open."""
    process = multiprocessing.get_context("spawn").Process(target=target, args=args, daemon=True)
    process.start()
    return process
