"""A node's Wi-Fi and sockets: an access point of the world, and real TCP and UDP behind it.

The node waits in virtual time, so its time-outs are the firmware's own; the bytes are real, so broker
and server are the true ones. Host name `ntp` (and port 123 anywhere) is answered by the world itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from simulator.link import Op
from simulator.loop import VirtualLoop

GOT_IP, CONNECTING, NO_AP, IDLE = 1010, 1001, 201, 1000  # network.STAT_* of ports/esp32
HANDSHAKE, NO_SECURITY = 15, 210  # wifi_err_reason_t: what a wrong password and WPA3 alone end as
FOREVER_MS = 0xFFFFFFFF
NTP_ADDRESS = "10.77.0.123"
_NTP_PORT = 123
_DNS_PORT = 53
_LOGIN = "10.77.0.80"  # of the login page that catches everything
_NTP_TO_1970_S = 2_208_988_800  # RFC 5905, figure 4
_DEFAULT_CONNECT_S = 18.0  # lwIP gives up after six SYNs; about this long

Answer = Callable[..., None]


@dataclass
class Wifi:
    """An access point: what it accepts and how good it is. Change `up` while the street runs."""

    ssid: str = "meetnet"
    password: str = "meetnet-sim"  # noqa: S105 - of a network that exists only in the simulation
    up: bool = True
    join_us: int = 1_800_000
    latency_us: int = 4_000
    hosts: dict[str, tuple[str, int | None]] = field(default_factory=dict[str, tuple[str, int | None]])
    """Names that the node may resolve: name -> (real address, real port or None for the same). One port of
    a name may lie elsewhere: "name:1883" -> (real address, real port)."""
    around: list[tuple[str, int, bool]] = field(default_factory=list[tuple[str, int, bool]])
    """Other networks in the air: name, dBm, whether they want a password."""
    dhcp: bool = True
    dns: bool = True
    """False: nobody answers questions for names."""
    wpa3_only: bool = False
    captive: tuple[str, int] | None = None
    """Real address of a login page that catches every name and connection, as hotels have them."""
    patience_s: float = 0.0
    """Real seconds that the clock waits for an answer of a server outside this process."""
    ntp_off_us: int = 0
    """How far ahead the time server is."""


@dataclass
class Router:
    """The access point as the host of one node has it."""

    on: bool = True


@dataclass
class _Socket:
    stream: bool
    real: socket.socket | None = None
    datagrams: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    asked: bool = False  # something was sent and nothing has come back yet
    serving: bool = False  # of a server of the node: its client is outside, in real time


class NodeNetwork:
    """The network stack of one life of a node."""

    def __init__(self, loop: VirtualLoop, wifi: Wifi, router: Router) -> None:
        self._router = router
        self._loop = loop
        self._wifi = wifi
        self._wanted: tuple[str, str] | None = None  # network and password that the node asked for
        self._sockets: dict[int, _Socket] = {}
        self._next = 1
        self._tasks: set[asyncio.Task[None]] = set()
        self.access_point: tuple[str, ...] | None = None
        """Name and password of the network that the node itself makes."""
        self.served: dict[int, int] = {}
        """Ports that the node listens on -> the real port on loopback."""

    def close(self) -> None:
        """Drop everything, as a node does that loses power."""
        for task in self._tasks:
            task.cancel()
        for sock in self._sockets.values():
            if sock.real is not None:
                sock.real.close()
        self._sockets.clear()

    def drop(self) -> None:
        """Cut the connections that stand: the node finds out when it reads or writes."""
        for sock in self._sockets.values():
            if sock.real is not None and sock.stream and not sock.serving:
                with contextlib.suppress(OSError):
                    sock.real.shutdown(socket.SHUT_RDWR)

    def handle(self, op: int, unit: int, ident: int, n: int, payload: bytes, answer: Answer) -> None:
        """Run one operation; `answer(status, data, n, value)` is called when it is done."""
        if op == Op.WIFI_CONNECT:
            self._wifi_connect(unit, payload, answer)
        elif op == Op.WIFI_STATUS:
            answer(0, value=self._wifi_status())
        elif op == Op.WIFI_SCAN:
            heard = list(self._wifi.around)
            if self._wifi.up and self._router.on:
                heard.append((self._wifi.ssid, -61, bool(self._wifi.password)))
            answer(0, json.dumps(heard).encode())
        elif op == Op.WIFI_AP:
            self.access_point = tuple(payload.decode().split("\0")) if unit else None
            answer(0)
        elif op == Op.RESOLVE:
            self._start(self._resolve(payload.decode(), answer))
        elif op == Op.SOCKET:
            self._sockets[self._next] = _Socket(stream=unit == socket.SOCK_STREAM)
            self._next += 1
            answer(0, value=self._next - 1)
        elif ident not in self._sockets:
            answer(errno.EBADF)
        elif op == Op.CLOSE:
            sock = self._sockets.pop(ident)
            if sock.real is not None:
                sock.real.close()
            answer(0)
        elif op == Op.LISTEN:
            self._listen(self._sockets[ident], n)
            answer(0)
        elif op == Op.ACCEPT:
            self._start(self._accept(self._sockets[ident], n, answer))
        else:
            self._start(self._transfer(op, unit, self._sockets[ident], payload, answer))

    # -- what the node itself serves ---------------------------------------------------------------
    def _listen(self, sock: _Socket, port: int) -> None:
        """Open a real socket on loopback for a port of the node; `served` tells where it is."""
        sock.real = socket.socket(socket.AF_INET, socket.SOCK_STREAM if sock.stream else socket.SOCK_DGRAM)
        sock.real.setblocking(False)
        sock.real.bind(("127.0.0.1", 0))
        if sock.stream:
            sock.real.listen(4)
        sock.serving = True
        self.served[port] = sock.real.getsockname()[1]

    async def _accept(self, sock: _Socket, wait_ms: int, answer: Answer) -> None:
        try:
            assert sock.real is not None
            if wait_ms:
                found, _ = await self._within(self._loop.sock_accept(sock.real), wait_ms)
            else:
                found, _ = sock.real.accept()
        except TimeoutError:
            answer(errno.ETIMEDOUT)
            return
        except OSError:
            answer(errno.EAGAIN)
            return
        found.setblocking(False)
        self._sockets[self._next] = _Socket(stream=True, real=found, asked=True, serving=True)
        self._next += 1
        answer(0, value=self._next - 1)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- Wi-Fi -----------------------------------------------------------------------------------
    def _wifi_connect(self, disconnect: int, payload: bytes, answer: Answer) -> None:
        if disconnect:
            self._wanted = None
            answer(0)
            return
        ssid, _, key = payload.decode().partition("\0")
        self._wanted = (ssid, key)
        answer(0, n=self._wifi.join_us)

    def _wifi_status(self) -> int:
        """Return how it stands now. The port tries again for ever, so an access point may come back."""
        if self._wanted is None:
            return IDLE
        if self._wanted[0] != self._wifi.ssid or not (self._wifi.up and self._router.on):
            return NO_AP
        if self._wifi.wpa3_only:
            return NO_SECURITY
        if self._wanted[1] != self._wifi.password:
            return HANDSHAKE
        return GOT_IP if self._wifi.dhcp else CONNECTING

    def _online(self) -> bool:
        return self._wifi_status() == GOT_IP

    # -- sockets ---------------------------------------------------------------------------------
    async def _resolve(self, host: str, answer: Answer) -> None:
        await asyncio.sleep(self._wifi.latency_us / 1e6 if self._wifi.dns else 5.0)
        if not self._online() or (not self._wifi.dns and not _is_address(host)):
            answer(errno.ENOENT)
        elif self._wifi.captive is not None and not _is_address(host):
            answer(0, _LOGIN.encode())
        elif host in ("ntp", NTP_ADDRESS):
            answer(0, NTP_ADDRESS.encode())
        elif host in self._wifi.hosts:
            # The name itself travels on as the address: connect() looks it up again, with the port.
            answer(0, host.encode())
        else:
            try:
                found = await self._loop.getaddrinfo(host, None, family=socket.AF_INET)
                answer(0, str(found[0][4][0]).encode())
            except OSError:
                answer(errno.ENOENT)

    def _real_address(self, text: str) -> tuple[str, int]:
        host, _, port = text.rpartition(":")
        if self._wifi.captive is not None:
            return self._wifi.captive
        real = self._wifi.hosts.get(text) or self._wifi.hosts.get(host)
        if real is not None:
            return real[0], real[1] or int(port)
        return host, int(port)

    async def _transfer(self, op: int, unit: int, sock: _Socket, payload: bytes, answer: Answer) -> None:
        if sock.serving:
            await self._serve(op, unit, sock, payload, answer)
            return
        if not self._online() and op != Op.RECVFROM:
            await asyncio.sleep(1.0)
            answer(errno.EHOSTUNREACH)
            return
        try:
            if op == Op.CONNECT:
                await self._connect(sock, payload)
                answer(0)
            elif op == Op.SEND:
                answer(0, n=await self._send(sock, payload))
            elif op == Op.SENDTO:
                await self._sendto(sock, payload[unit:], payload[:unit].decode())
                answer(0)
            elif op == Op.POLL:
                answer(0, value=await self._poll(sock, unit, struct.unpack("<II", payload)[1]))
            else:
                n, wait_ms = struct.unpack("<II", payload)
                data = await self._receive(sock, n, wait_ms)
                head = ipaddress.IPv4Address(NTP_ADDRESS).packed + b"\0\x7b" if op == Op.RECVFROM else b""
                answer(0, head + data)
        except TimeoutError:
            zero = op in (Op.RECV, Op.RECVFROM) and payload[4:8] == bytes(4)
            answer(errno.EAGAIN if zero else errno.ETIMEDOUT)
        except OSError as e:
            answer(e.errno or errno.EIO)

    async def _serve(self, op: int, unit: int, sock: _Socket, payload: bytes, answer: Answer) -> None:
        """Move bytes of a client of the node. What it needs to think takes real time, not the node's."""
        assert sock.real is not None
        try:
            if op == Op.SEND:
                with self._loop.patience(5.0):
                    await self._loop.sock_sendall(sock.real, payload)
                answer(0, n=len(payload))
            elif op == Op.SENDTO:
                host, _, port = payload[:unit].decode().rpartition(":")
                sock.real.sendto(payload[unit:], (host, int(port)))
                answer(0)
            elif op == Op.RECVFROM:
                data, (host, port) = sock.real.recvfrom(struct.unpack("<II", payload)[0])
                answer(0, ipaddress.IPv4Address(host).packed + port.to_bytes(2, "big") + data)
            else:
                n, wait_ms = struct.unpack("<II", payload)
                with self._loop.patience(1.0):
                    answer(0, await self._within(self._loop.sock_recv(sock.real, n), min(wait_ms, 5000)))
        except (BlockingIOError, InterruptedError):
            answer(errno.EAGAIN)
        except TimeoutError:
            answer(errno.ETIMEDOUT)
        except OSError as e:
            answer(e.errno or errno.EIO)

    async def _within(self, work: Awaitable[Any], wait_ms: int) -> Any:
        return await asyncio.wait_for(work, None if wait_ms == FOREVER_MS else wait_ms / 1000)

    async def _connect(self, sock: _Socket, payload: bytes) -> None:
        wait_ms = int.from_bytes(payload[:4], "little")
        address = self._real_address(payload[4:].decode())
        await asyncio.sleep(2 * self._wifi.latency_us / 1e6)
        sock.real = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.real.setblocking(False)
        sock.real.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        limit_s = min(_DEFAULT_CONNECT_S, wait_ms / 1000)
        with self._loop.patience(max(1.0, self._wifi.patience_s)):
            await asyncio.wait_for(self._loop.sock_connect(sock.real, address), limit_s)

    async def _send(self, sock: _Socket, data: bytes) -> int:
        if sock.real is None:
            raise OSError(errno.ENOTCONN, "not connected")
        await asyncio.sleep(self._wifi.latency_us / 1e6)
        await self._loop.sock_sendall(sock.real, data)
        sock.asked = True
        return len(data)

    async def _receive(self, sock: _Socket, n: int, wait_ms: int) -> bytes:
        if not sock.stream:
            return await self._within(self._next_datagram(sock), wait_ms)
        if sock.real is None:
            raise OSError(errno.ENOTCONN, "not connected")
        try:
            return sock.real.recv(n)  # already there
        except (BlockingIOError, InterruptedError):
            pass
        with self._loop.patience(self._wifi.patience_s if sock.asked else 0.0):
            sock.asked = False
            return await self._within(self._loop.sock_recv(sock.real, n), wait_ms)

    async def _poll(self, sock: _Socket, mask: int, wait_ms: int) -> int:
        if mask & 4:
            return 4
        if sock.real is None:
            return 0
        readable: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(sock.real.fileno(), lambda: readable.done() or readable.set_result(None))
        try:
            with self._loop.patience(self._wifi.patience_s if sock.asked else 0.0):
                sock.asked = False
                await self._within(readable, wait_ms)
                return 1
        except TimeoutError:
            return 0
        finally:
            with contextlib.suppress(ValueError):
                self._loop.remove_reader(sock.real.fileno())

    async def _sendto(self, sock: _Socket, data: bytes, to: str) -> None:
        arrival_us = self._loop.now_us() + self._wifi.latency_us
        if int(to.rpartition(":")[2]) == _DNS_PORT:
            if self._wifi.dns:
                found = dns_answer(data, self._wifi)
                sock.datagrams.append((arrival_us + self._wifi.latency_us, found))
            return
        if int(to.rpartition(":")[2]) != _NTP_PORT:
            raise OSError(errno.ENETUNREACH, "only SNTP and DNS are simulated over UDP")
        if self._wifi.captive is not None:
            return
        answer = ntp_answer(data, arrival_us + self._wifi.ntp_off_us)
        sock.datagrams.append((arrival_us + self._wifi.latency_us, answer))

    async def _next_datagram(self, sock: _Socket) -> bytes:
        if not sock.datagrams:
            await self._loop.create_future()  # nobody will send: only the time-out ends this
        at_us, data = sock.datagrams[0]
        await asyncio.sleep(max(0, at_us - self._loop.now_us()) / 1e6)
        sock.datagrams.pop(0)
        return data


def _is_address(host: str) -> bool:
    return all(part.isdigit() for part in host.split("."))


def dns_answer(query: bytes, wifi: Wifi) -> bytes:
    """Return a name server's answer (RFC 1035, 4.1) to a question for one address."""
    labels: list[str] = []
    at = 12
    while at < len(query) and query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode(errors="replace"))
        at += 1 + query[at]
    known = wifi.captive is not None or ".".join(labels) in wifi.hosts
    head = query[:2] + (b"\x81\x80" if known else b"\x81\x83") + b"\0\1" + (b"\0\1" if known else b"\0\0")
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + ipaddress.IPv4Address(_LOGIN).packed if known else b""
    return head + bytes(4) + query[12 : at + 5] + record


def ntp_answer(query: bytes, now_us: int) -> bytes:
    """Return a server's SNTP answer (RFC 5905, 7.3) to a 48-byte query at a UTC time."""
    seconds, micros = divmod(now_us, 1_000_000)
    stamp = struct.pack(">II", (seconds + _NTP_TO_1970_S) & 0xFFFFFFFF, (micros << 32) // 1_000_000)
    version = (query[0] >> 3) & 7 if query else 4
    head = struct.pack(">BBbbII4s", version << 3 | 4, 2, 6, -20, 0, 0, b"MEET")
    origin = query[40:48].ljust(8, b"\0")
    return head + stamp + origin + stamp + stamp
