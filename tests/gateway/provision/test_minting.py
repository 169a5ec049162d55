"""Identities for blank boards, and what a new node must trust: certificates made by cryptography itself."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.claims import ClaimBook
from gateway.config import Config
from gateway.errors import ConfigError, RegistryError
from gateway.provision.minting import Blank, Mint, dev_eui_of
from gateway.provision.trust import broker_of, trust_of
from gateway.registry import Registry
from node import config as node_config

KEY = "0f" * 64
BLANK = Blank("a0:b1:c2:d3:00:01", "t3s3_garden", "garden", "lorawan", "tuin-1", "Tuin 1", 3.72, 51.05)


class House:
    def __init__(self, path: Path) -> None:
        self.registry, self.claims = Registry(path), ClaimBook(path / "claims.db")
        self.trust: dict[str, Any] = {"update_key": KEY}
        self.mint = Mint(self.registry, self.claims, lambda _transport: self.trust, lambda: 1000)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    found = House(tmp_path)
    yield found
    found.registry.close()
    found.claims.close()


def as_the_node_reads_it(made: dict[str, Any]) -> dict[str, Any]:
    loaded, errors = node_config.load(json.dumps(made))
    assert errors == []
    return {row[0]: loaded[row[0]] for row in node_config.KEYS}


def test_a_lorawan_board_gets_the_key_that_the_registry_has(house: House) -> None:
    made = house.mint.mint(BLANK)
    assert made.dev_eui == dev_eui_of("a0b1c2d30001") == "a0b1c2fffed30001"
    node = as_the_node_reads_it(made.config)
    known = house.registry.device_keys(made.dev_eui)
    assert known is not None
    assert known.app_key.hex() == node["app_key"]
    assert (node["kind"], node["board"], node["radio"]) == ("garden", "t3s3_garden", "lorawan")
    assert node["update_key"] == KEY
    assert made.code is not None
    assert house.claims.look(made.code, 0).dev_eui == made.dev_eui
    assert node["app_key"] not in repr(made)
    assert made.code not in repr(made)
    site = house.registry.site_of(made.dev_eui, 1000)
    assert site is not None
    assert (site.id, site.name) == ("tuin-1", "Tuin 1")
    assert list(house.registry.consents("tuin-1")) == []  # its host says who gets its values


def test_a_board_on_wifi_gets_a_password_and_whom_to_trust(house: House) -> None:
    house.trust |= {"mqtt.tls": True, "mqtt.ca": "QUJD", "mqtt.port": 8883}
    blank = Blank("a0b1c2d30002", "c3_garden", "garden", "mqtt", "tuin-2", "Tuin 2", 3.7, 51.0, "m.example")
    made = house.mint.mint(blank)
    node = as_the_node_reads_it(made.config)
    assert (node["mqtt.host"], node["mqtt.port"], node["mqtt.tls"]) == ("m.example", 8883, True)
    assert house.registry.check_password(made.dev_eui, node["mqtt.password"])
    assert not house.registry.check_password(made.dev_eui, "something else")


def test_asked_twice_it_is_the_same_device_with_new_keys(house: House) -> None:
    first, second = house.mint.mint(BLANK), house.mint.mint(BLANK)
    assert (first.dev_eui, first.tag) == (second.dev_eui, second.tag)
    assert first.config["app_key"] != second.config["app_key"]
    known = house.registry.device_keys(second.dev_eui)
    assert known is not None
    assert known.app_key.hex() == second.config["app_key"]
    assert len(list(house.registry.devices())) == 1


def test_what_belongs_to_somebody_is_not_made_anew(house: House) -> None:
    made = house.mint.mint(BLANK)
    assert made.code is not None
    house.claims.claim(made.code, "person:1", 2000)
    with pytest.raises(RegistryError, match="belongs to somebody"):
        house.mint.mint(BLANK)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mac": "a0b1"}, "mac"),
        ({"site_id": "Tuin 1"}, "site_id"),
        ({"transport": "pigeon"}, "transport"),
        ({"kind": "cat"}, "kind"),
        ({"latitude": 91.0}, "latitude"),
        ({"board": "x" * 40}, "board"),
    ],
)
def test_a_bad_wish_is_named_and_nothing_is_registered(
    house: House, changes: dict[str, Any], words: str
) -> None:
    fields = {name: getattr(BLANK, name) for name in BLANK.__slots__} | changes
    with pytest.raises(RegistryError, match=words):
        house.mint.mint(Blank(**fields))
    assert list(house.registry.devices()) == []


def certificate(name: str, signer: tuple[str, Any] | None = None, rsa_bits: int = 0) -> tuple[bytes, Any]:
    key: Any = (
        rsa.generate_private_key(65537, rsa_bits) if rsa_bits else ec.generate_private_key(ec.SECP256R1())
    )
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

    def called(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    made = (
        x509.CertificateBuilder()
        .subject_name(called(name))
        .issuer_name(called(signer[0] if signer else name))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("x" * 60 + f".{n}.example") for n in range(rsa_bits)]),
            False,
        )
        .sign(signer[1] if signer else key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM), key


def settings(folder: Path, chain: bytes, **values: Any) -> Config:
    (folder / "chain.pem").write_bytes(chain)
    given = {"broker.tls_certificate": str(folder / "chain.pem"), "broker.port": 8883}
    return Config(given | {name.replace("__", "."): value for name, value in values.items()})


def trusted(found: dict[str, Any]) -> str:
    name = x509.load_der_x509_certificate(base64.b64decode(found["mqtt.ca"])).subject
    return name.rfc4514_string()


def test_a_node_trusts_who_signed_the_broker(tmp_path: Path) -> None:
    root, root_key = certificate("root")
    leaf, _ = certificate("gateway", ("root", root_key))
    found = broker_of(settings(tmp_path, leaf + root))
    assert (found["mqtt.tls"], found["mqtt.port"], trusted(found)) == (True, 8883, "CN=root")
    itself, _ = certificate("gateway")
    assert trusted(broker_of(settings(tmp_path, itself))) == "CN=gateway"
    with pytest.raises(ConfigError, match=r"broker\.tls_ca.*CN=root"):
        broker_of(settings(tmp_path, leaf))
    (tmp_path / "root.pem").write_bytes(root)
    given = settings(tmp_path, leaf, broker__tls_ca=str(tmp_path / "root.pem"))
    assert trusted(broker_of(given)) == "CN=root"
    assert node_config.fault("mqtt.ca", found["mqtt.ca"]) is None


def test_a_certificate_that_a_node_cannot_hold_is_refused(tmp_path: Path) -> None:
    huge, _ = certificate("gateway", rsa_bits=1024)
    with pytest.raises(ConfigError, match="use an EC key"):
        broker_of(settings(tmp_path, huge))
    with pytest.raises(ConfigError, match="as PEM"):
        broker_of(settings(tmp_path, b"nothing"))


def test_without_tls_a_node_gets_the_port_alone() -> None:
    assert broker_of(Config({"broker.port": 1884})) == {"mqtt.port": 1884}
    assert trust_of(Config({})) == {}
    assert trust_of(Config({"updates.public_key": KEY.upper()})) == {"update_key": KEY}
    with pytest.raises(ConfigError, match="128 hex digits"):
        trust_of(Config({"updates.public_key": "0f"}))
