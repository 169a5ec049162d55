"""TLS of the unix port's own mbedTLS: only a gateway that the node's authority signed is taken."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.dual import micropython

pytestmark = pytest.mark.mpy

_NOW = dt.datetime.now(dt.UTC)


def _authority(name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(_NOW - dt.timedelta(days=2))
        .not_valid_after(_NOW + dt.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def _signed(
    folder: Path, authority: tuple[ec.EllipticCurvePrivateKey, x509.Certificate], host: str, days: int = 20
) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]))
        .issuer_name(authority[1].subject)
        .public_key(key.public_key())
        .serial_number(2)
        .not_valid_before(_NOW - dt.timedelta(days=1))
        .not_valid_after(_NOW + dt.timedelta(days=days) - dt.timedelta(hours=12))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName(host), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
            ),
            critical=False,
        )
        .sign(authority[0], hashes.SHA256())
    )
    path = folder / f"{host}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


class Broker(threading.Thread):
    """A broker behind TLS that says CONNACK."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(daemon=True)
        self._context = context
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.got = b""

    def run(self) -> None:
        try:
            plain, _ = self.server.accept()
            with self._context.wrap_socket(plain, server_side=True) as sock:
                self.got = sock.recv(200)
                sock.sendall(bytes.fromhex("20020000"))
                sock.recv(10)
        except OSError:
            pass


@pytest.fixture
def brokers() -> Iterator[list[Broker]]:
    made: list[Broker] = []
    yield made
    for broker in made:
        broker.server.close()
        broker.join(5)


def _connect(authority: x509.Certificate, port: int, host: str) -> str:
    text = base64.b64encode(authority.public_bytes(serialization.Encoding.DER)).decode()
    return micropython(
        f"""
import sys, socket, time
class Machine: pass
sys.modules["machine"] = Machine
from node import build
from radio import mqtt
real = socket.getaddrinfo
class Net:
    socket = socket.socket
    @staticmethod
    def getaddrinfo(host, port):
        return real("127.0.0.1", port)
client = mqtt.Client(mqtt.tcp(Net, build._tls({text!r})), time, "n", {host!r}, {port}, "u", "geheim")
try:
    client.connect()
    print("in")
    client.disconnect()
except mqtt.MqttError as error:
    print(error.reason == mqtt.TLS, "refused")
"""
    ).strip()


def test_only_a_gateway_that_the_authority_signed_for_that_name_gets_the_password(
    tmp_path: Path, brokers: list[Broker]
) -> None:
    ours, other = _authority("ours"), _authority("other")
    cases = (
        (_signed(tmp_path, ours, "gateway.test"), "gateway.test", "in"),
        (_signed(tmp_path, other, "gateway.test"), "gateway.test", "True refused"),
        (_signed(tmp_path, ours, "another.test"), "gateway.test", "True refused"),
        (_signed(tmp_path, ours, "gateway.test", days=0), "gateway.test", "True refused"),  # out of date
    )
    for context, host, expected in cases:
        broker = Broker(context)
        brokers.append(broker)
        broker.start()
        assert _connect(ours[1], broker.port, host) == expected
        assert (b"geheim" in broker.got) == (expected == "in")
