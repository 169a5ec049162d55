"""Our own listeners over TLS: verified by independent clients, and each fault named by its setting."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import paho.mqtt.client as mqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.app import Gateway
from gateway.config import Config
from gateway.errors import ConfigError
from gateway.registry import Device, Registry
from gateway.tls import tls_files
from tests.system.house import config

EUI = "70b3d57ed0000001"


def a_certificate(folder: Path, name: str = "own") -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "meetnet test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / f"{name}.pem", folder / f"{name}.key"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    private.chmod(0o600)
    return chain, private


async def test_page_and_broker_speak_tls_to_those_who_verify_it(tmp_path: Path) -> None:
    chain, private = a_certificate(tmp_path)
    files = {
        f"{section}.{name}": str(path)
        for section in ("web", "broker")
        for name, path in (("tls_certificate", chain), ("tls_key", private))
    }
    registry = Registry(tmp_path / "gateway")
    registry.put_device(Device(EUI, "air", "mqtt"), mqtt_password="right horse")
    registry.close()
    running = Gateway(config(tmp_path).with_values({**files, "broker.enabled": True, "broker.port": 0}))
    await running.start()
    try:
        trust = ssl.create_default_context(cafile=str(chain))
        address = f"https://127.0.0.1:{running.ports['web']}/nl/"
        async with httpx.AsyncClient(verify=trust, trust_env=False) as client:
            answer = await client.get(address)
        assert answer.status_code == 200
        assert "max-age" in answer.headers["strict-transport-security"]
        async with httpx.AsyncClient(trust_env=False) as stranger:
            with pytest.raises(httpx.ConnectError, match="certificate"):
                await stranger.get(address)
            with pytest.raises(httpx.HTTPError):
                await stranger.get(address.replace("https", "http"))
        assert await asyncio.to_thread(_connects, running.ports["broker"], trust)
        assert not await asyncio.to_thread(_connects, running.ports["broker"], None)
    finally:
        await running.stop()


def _connects(port: int, trust: ssl.SSLContext | None) -> bool:
    """Tell whether paho logs in as a node would."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=EUI)
    client.username_pw_set(EUI, "right horse")
    if trust is not None:
        client.tls_set_context(trust)
    accepted: list[bool] = []
    client.on_connect = lambda _c, _u, _f, code, _p: accepted.append(not code.is_failure)
    try:
        client.connect("127.0.0.1", port)
        for _ in range(50):
            client.loop(0.1)
            if accepted:
                break
    except (OSError, ValueError):
        return False
    finally:
        client.disconnect()
    return bool(accepted and accepted[0])


def test_each_fault_is_named_by_its_setting(tmp_path: Path) -> None:
    chain, private = a_certificate(tmp_path)
    _, other = a_certificate(tmp_path, "other")
    open_key = tmp_path / "open.key"
    open_key.write_bytes(private.read_bytes())
    open_key.chmod(0o644)
    (tmp_path / "text").write_text("no PEM")
    for certificate, key, setting, reason in (
        (chain, "", "web.tls_key", "is empty"),
        ("", private, "web.tls_certificate", "is empty"),
        (tmp_path / "none", private, "web.tls_certificate", "cannot read"),
        (chain, other, "web.tls_certificate", "do not make a pair"),
        (tmp_path / "text", private, "web.tls_certificate", "do not make a pair"),
        (chain, open_key, "web.tls_key", "can be read by everybody: chmod 640"),
    ):
        values = {"web.tls_certificate": str(certificate), "web.tls_key": str(key)}
        with pytest.raises(ConfigError, match=reason) as refused:
            tls_files(Config(values, base=tmp_path), "web")
        assert refused.value.key == setting
    assert tls_files(Config(base=tmp_path), "web") is None
