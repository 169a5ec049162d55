"""What the network server of the bench of faults believes: no answer of a broker that is dead."""

from __future__ import annotations

import socket
import threading
import time

from tests.bench.gateway.load import Ledger
from tests.bench.gateway.messages import Messages
from tests.bench.gateway.sender import Sender


def taken(connection: socket.socket, wanted: int) -> list[int]:
    """Read PUBLISH packets until there are so many; return their packet numbers."""
    data, numbers = b"", []
    while len(numbers) < wanted:
        data += connection.recv(65536)
        while len(data) > 5 and data[0] == 0x32:
            size, at, shift = 0, 1, 0
            while True:
                digit = data[at]
                size |= (digit & 127) << shift
                at, shift = at + 1, shift + 7
                if digit < 128:
                    break
            if len(data) < at + size:
                break
            body, data = data[at : at + size], data[at + size :]
            topic = 2 + int.from_bytes(body[:2], "big")
            numbers.append(int.from_bytes(body[topic : topic + 2], "big"))
    return numbers


def accept(server: socket.socket) -> socket.socket:
    connection, _ = server.accept()
    assert connection.recv(1000)[:1] == b"\x10"
    connection.sendall(b"\x20\x02\x00\x00")
    return connection


def test_what_a_dead_broker_answered_is_sent_again() -> None:
    book = Ledger(4)
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = Messages(4, int(time.time()) - 3600)
        sender = Sender(book, made, 4, server.getsockname()[1], rate=1000.0)
        sender.start()
        try:
            with accept(server) as first:
                numbers = taken(first, 4)
                sender.broker_died()  # the others hear of it before they have read what it answered last
                first.sendall(b"".join(b"\x40\x02" + number.to_bytes(2, "big") for number in numbers))
                with accept(server) as second:
                    again = taken(second, 4)
                    assert sorted(again) == sorted(numbers)
                    assert sender.acknowledged == {}
                    second.sendall(b"".join(b"\x40\x02" + number.to_bytes(2, "big") for number in again))
                    end = time.monotonic() + 10
                    while not sender.is_done:
                        assert time.monotonic() < end
                        threading.Event().wait(0.01)
        finally:
            sender.stop()
            book.close(unlink=True)
