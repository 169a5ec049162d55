"""A network server as the gateway knows one: it sends at QoS 1, for ever, until the broker has taken all."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time

from tests.bench.gateway.load import Ledger, connect
from tests.bench.gateway.messages import Messages

_AT_ONCE = 32
_DOUBTED, _DOUBTED_S = 200, 3.0  # parts.start_broker lets Mosquitto write every 100 changes


class Sender(threading.Thread):
    """Publishes numbered messages at a rate; what the broker did not acknowledge it sends again.

    `acknowledged`: the numbers that the broker took, and when. Whoever kills the broker calls `broker_died`:
    what it took of late and nobody has seen yet is sent again, for a broker answers before it is on the disk.
    So are answers of the dead broker that are read only afterwards.
    """

    def __init__(
        self, book: Ledger, made: Messages, messages: int, port: int, rate: float, first: int = 0
    ) -> None:
        """first: the number to begin with."""
        super().__init__(daemon=True)
        self._book, self._made, self._messages, self._port, self._rate = book, made, messages, port, rate
        self._wanted: list[int] = []  # to be sent before anything new
        self._waiting: dict[int, int] = {}  # packet number -> message
        self._next = self._first = first
        self._is_stopping = False
        self._deaths = 0
        self._lock = threading.Lock()
        self.acknowledged: dict[int, float] = {}
        self.sent_again = 0

    def broker_died(self) -> None:
        """Send again whatever the platform has not seen."""
        with self._lock:
            self._deaths += 1
            since = time.perf_counter() - _DOUBTED_S
            taken = list(self.acknowledged.items())  # in the order in which they were
            doubted = {n for n, at in taken if at > since} | {n for n, _ in taken[-_DOUBTED:]}
            lost = [n for n in doubted if not self._book.times[n]]
            for n in lost:
                del self.acknowledged[n]
            self._wanted += lost
            self.sent_again += len(lost)

    @property
    def is_done(self) -> bool:
        with self._lock:
            return len(self.acknowledged) == self._messages - self._first

    def stop(self) -> None:
        """Give up, and let go of the book."""
        self._is_stopping = True
        self.join(10)

    def run(self) -> None:
        while not self._is_stopping:
            deaths = self._deaths
            with contextlib.suppress(OSError, AssertionError, IndexError):
                self._talk(connect(self._port), deaths)
            with self._lock:
                self._wanted += self._waiting.values()
                self._waiting.clear()
            time.sleep(0.05)

    def _talk(self, sock: socket.socket, deaths: int) -> None:
        rest = b""
        begin, before = time.perf_counter(), 0
        with sock:
            while not self._is_stopping:
                most = int(self._rate * (time.perf_counter() - begin)) - before
                numbers = self._take(min(most, _AT_ONCE))
                before += len(numbers)
                if numbers:
                    now = time.perf_counter()
                    for n in numbers:
                        self._book.sent_s[n] = self._book.sent_s[n] or now
                    sock.sendall(b"".join([self._made.packet(n) for n in numbers]))
                while select.select([sock], [], [], 0 if numbers else 0.005)[0]:
                    data = sock.recv(65536)
                    if not data:
                        raise ConnectionError
                    rest = self._acknowledge(rest + data, deaths)

    def _take(self, most: int) -> list[int]:
        with self._lock:
            numbers = self._wanted[: max(0, most)]
            del self._wanted[: len(numbers)]
            while len(numbers) < most and self._next < self._messages:
                numbers.append(self._next)
                self._next += 1
            self._waiting.update({n % 65535 + 1: n for n in numbers})
            return numbers

    def _acknowledge(self, data: bytes, deaths: int) -> bytes:
        whole = len(data) // 4 * 4  # a clean MQTT 3.1.1 session that subscribes to nothing hears PUBACKs only
        now = time.perf_counter()
        with self._lock:
            if self._deaths != deaths:
                raise ConnectionError("that broker is dead: what it answered may not be on its disk")
            for at in range(0, whole, 4):
                n = self._waiting.pop(int.from_bytes(data[at + 2 : at + 4], "big"), None)
                if n is not None:
                    self.acknowledged[n] = now
        return data[whole:]
