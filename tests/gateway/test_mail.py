"""Mail reaches a server that speaks RFC 5321; a server that is away is said, not raised."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest

from gateway.mail import Mailer, MailSettings


class Server(socketserver.StreamRequestHandler):
    received: ClassVar[list[str]]

    def handle(self) -> None:
        say = lambda line: self.wfile.write(line.encode() + b"\r\n")  # noqa: E731
        say("220 test")
        in_data = False
        for raw in self.rfile:
            line = raw.decode().rstrip("\r\n")
            self.received.append(line)
            if in_data:
                if line == ".":
                    in_data = False
                    say("250 taken")
            elif line.upper() == "DATA":
                in_data = True
                say("354 go on")
            elif line == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")


@pytest.fixture
def server() -> Iterator[tuple[int, list[str]]]:
    class Own(Server):
        received: ClassVar[list[str]] = []

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Own) as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.05,))
        thread.start()
        yield int(found.server_address[1]), Own.received
        found.shutdown()
        thread.join()


def test_a_mail_arrives_with_its_text(server: tuple[int, list[str]]) -> None:
    port, received = server
    mailer = Mailer(MailSettings("127.0.0.1", port, "none", sender="net@example.org"))
    assert mailer.is_set_up
    assert mailer.send("an@example.org", "Je link: één", "Dag,\nhier is hij.")
    assert "mail FROM:<net@example.org>" in [line.split(" size")[0] for line in received]
    assert "rcpt TO:<an@example.org>" in received
    assert "Auto-Submitted: auto-generated" in received
    assert "hier is hij." in received


def test_a_server_that_is_away_or_speaks_no_tls_is_said(server: tuple[int, list[str]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert not Mailer(MailSettings("127.0.0.1", port, "none", sender="a@b.c")).send("a@b.c", "s", "t")
    assert not Mailer(MailSettings("127.0.0.1", server[0], "starttls", sender="a@b.c")).send(
        "a@b.c", "s", "t"
    )
    assert "data" not in server[1]  # nothing goes in the clear where TLS was asked for
    assert not Mailer(MailSettings()).send("a@b.c", "s", "t")
