"""Mail reaches a server that speaks RFC 5321; a server that is away is said, not raised."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from gateway.mail import Mailer, MailSettings


class Server(socketserver.StreamRequestHandler):
    received: ClassVar[list[str]]
    refuses: ClassVar[dict[str, str]] = {}  # by the first word of a command: the answer

    def handle(self) -> None:
        say = lambda line: self.wfile.write(line.encode() + b"\r\n")  # noqa: E731
        say("220 test")
        in_data = False
        for raw in self.rfile:
            line = raw.decode().rstrip("\r\n")
            self.received.append(line)
            refused = None if in_data else self.refuses.get(line.split()[0].split(":")[0].upper())
            if refused is not None:
                say(refused)
            elif in_data:
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

    with serving(Own) as port:
        yield port, Own.received


@contextmanager
def serving(handler: type[Server]) -> Iterator[int]:

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.05,))
        thread.start()
        yield int(found.server_address[1])
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


@pytest.mark.parametrize(
    ("refuses", "changes", "key", "says"),
    [
        ({"AUTH": "535 5.7.8 bad"}, {"username": "net", "password": "pw"}, "mail.username", "535"),
        ({"MAIL": "550 5.7.1 not yours"}, {}, "mail.sender", "550"),
        ({"RCPT": "550 5.1.1 no such user"}, {}, "mail.host", "550"),
        ({"DATA": "451 4.3.0 later"}, {}, "mail.host", "451"),
        ({}, {"security": "starttls"}, "mail.security", "STARTTLS"),
        ({}, {"security": "tls"}, "mail.security", "465"),
        ({}, {"host": "nosuch.invalid"}, "mail.host", "nosuch.invalid"),
    ],
)
def test_a_fault_names_the_setting_to_look_at_and_no_secret(
    refuses: dict[str, str], changes: dict[str, str], key: str, says: str
) -> None:
    class Own(Server):
        received: ClassVar[list[str]] = []

    answers = {"EHLO": "250-here\r\n250 AUTH PLAIN"} if "username" in changes else {}
    Own.refuses = {**answers, **refuses}
    with serving(Own) as port:
        settings = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "net@example.org"}
        mailer = Mailer(MailSettings(**{**settings, **changes}))  # type: ignore[arg-type]
        assert not mailer.send("an@example.org", "s", "t")
    assert mailer.fault.startswith(f"{key}: ")
    assert says in mailer.fault
    assert "an@example.org" not in mailer.fault
    assert "pw" not in mailer.fault


def test_a_trial_says_who_got_it_and_which_setting_is_wrong(tmp_path: Path) -> None:
    class Own(Server):
        received: ClassVar[list[str]] = []
        refuses: ClassVar[dict[str, str]] = {}

    config = tmp_path / "meetnet.toml"
    with serving(Own) as port:
        config.write_text(
            f'[mail]\nhost = "127.0.0.1"\nport = {port}\nsecurity = "none"\nsender = "net@example.org"\n'
            '[alerts]\nmail_to = ["an@example.org"]\n'
        )
        taken = CliRunner().invoke(main, ["alerts", "--test", "-c", str(config)])
        Own.refuses = {"MAIL": "550 5.7.1 not yours"}
        refused = CliRunner().invoke(main, ["alerts", "--test", "--json", "-c", str(config)])
    config.write_text("")
    nobody = CliRunner().invoke(main, ["alerts", "--test", "-c", str(config)])
    assert (taken.exit_code, taken.output) == (0, "ok   an@example.org\n")
    assert any("Subject: Meetnet: Proef" in line for line in Own.received)
    assert refused.exit_code == 1
    assert '"mail.sender: ' in refused.output
    assert nobody.exit_code == 1
    assert "alerts.mail_to" in nobody.output
