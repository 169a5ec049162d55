"""What `meetnet config check` finds would stumble later: a start refuses it, or nobody is ever told."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.app import Gateway
from gateway.cli.main import main
from gateway.config import load
from gateway.errors import GatewayError
from gateway.healthfacts import certificates_of, space_of
from gateway.preflight import doubts, faults

# What a start refuses, by the setting that is named.
REFUSED = {
    "web.tls_key": '[web]\ntls_certificate = "absent.pem"\n',
    "web.tls_certificate": '[web]\ntls_certificate = "absent.pem"\ntls_key = "absent.key"\n',
    "web.time_zone": '[web]\ntime_zone = "Europe/Amsterdm"\n',
    "web.url": '[web]\nurl = "meten.stad.example"\n',
    "web.contact": '[web]\ncontact = "bel ons"\n',
    "web.tiles_attribution": '[web]\ntiles_url = "https://tiles.example/{z}/{x}/{y}.png"\n',
    "oidc.client_id": '[web]\nurl = "https://a.example"\n[oidc]\nissuer = "https://login.example"\n',
    "oidc.client_secret_file": '[web]\nurl = "https://a.example"\n[oidc]\nissuer = "https://login.example"\n'
    'client_id = "m"\nclient_secret_file = "absent"\n',
    "ttn.username": "[ttn]\nenabled = true\n",
    "ttn.password_file": '[ttn]\nenabled = true\nusername = "a@b"\npassword_file = "absent"\n',
    "mqtt.password_file": '[mqtt]\nenabled = true\nhost = "b.example"\npassword_file = "absent"\n',
    "mail.password_file": '[mail]\nhost = "m.example"\nsender = "a@b.example"\npassword_file = "absent"\n',
    "push.webhook_token_file": '[push]\nenabled = true\nport = 0\nwebhook_token_file = "absent"\n',
    "serial.ports": "[serial]\nenabled = true\n",
    "data.postgres": '[data]\npostgres = "mysql://a@b/c"\n',
    "lns.extra_channels_hz": '[lns]\nextra_channels_hz = ["867,1"]\n',
    "retention.audit": '[retention]\naudit = "3 years"\n',
    "publish.stad.url": '[publish.stad]\ntype = "ngsi_ld"\nurl = "stad"\n',
}
# What it starts with, though it will not work.
DOUBTED = {
    "mail.sender": '[mail]\nhost = "mail.example"\n',
    "mail.host": '[alerts]\nmail_to = ["an@example.org"]\n',
    "alerts.mail_to": '[alerts]\nmail_to = ["an"]\n[mail]\nhost = "m.example"\nsender = "a@b.example"\n',
    "alerts.webhook_url": '[alerts]\nwebhook_url = "hooks.example/x"\n',
    "oidc.issuer": '[web]\nurl = "https://a.example"\n[oidc]\nissuer = "login"\nclient_id = "m"\n',
    "chirpstack.tls_ca": '[chirpstack]\nenabled = true\nhost = "c.example"\ntls_ca = "absent.pem"\n',
    "chirpstack.port": "[chirpstack]\nenabled = true\nport = 18831\n[broker]\nport = 18831\n",
    "web.outlines": '[web]\noutlines = "absent.geojson"\n',
}
QUIET = {"web.port": 0, "broker.port": 0, "semtech_udp.port": 0}


def file_of(path: Path, text: str) -> Path:
    file = path / "meetnet.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("key", [*REFUSED, *DOUBTED])
def test_it_is_found_before_the_start_and_named_once(tmp_path: Path, key: str) -> None:
    file = file_of(tmp_path, (REFUSED | DOUBTED)[key])
    found = CliRunner().invoke(main, ["config", "check", "-c", str(file)])
    assert found.exit_code == 1
    assert found.stderr.count(f"Error: {key}: ") == 1
    assert "The configuration is right" not in found.output


SOME = ("web.time_zone", "data.postgres", "web.tls_key")


@pytest.mark.parametrize(
    "key", [key if key in SOME else pytest.param(key, marks=pytest.mark.nightly) for key in REFUSED]
)
def test_a_start_refuses_what_is_called_wrong(tmp_path: Path, key: str) -> None:
    config = load(file_of(tmp_path, REFUSED[key])).with_values(QUIET)
    assert not [fault for fault in doubts(config) if fault.key == key]

    async def start() -> None:
        gateway = Gateway(config)
        await gateway.start()
        await gateway.stop()

    with pytest.raises(GatewayError):
        asyncio.run(start())


async def test_what_will_not_work_is_said_when_it_starts(tmp_path: Path) -> None:
    config = load(file_of(tmp_path, '[alerts]\nmail_to = ["an@example.org"]\n')).with_values(QUIET)
    gateway = Gateway(config)
    await gateway.start()
    try:
        assert "alerts.mail_to" in gateway.status()["counters"]["config.doubt.mail.host"]["last"]
    finally:
        await gateway.stop()


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    values = file_of(tmp_path, '[web]\nport = "80"\ntitle = ""\nprot = 1\n[ttn]\nenabled = "yes"\n')
    found = CliRunner().invoke(main, ["config", "check", "--json", "-c", str(values)])
    said = json.loads(found.output)
    assert [one["key"] for one in said["faults"]] == ["web.port", "web.title", "web.prot", "ttn.enabled"]
    assert (said["ok"], said["key"]) == (False, "web.port")
    together = file_of(
        tmp_path,
        '[ttn]\nenabled = true\n[publish.a]\nurl = "http://x"\n[publish.b]\ntype = "ngsi_ld"\nurl = "x"\n'
        '[mail]\nsender = "a"\n[push]\nenabled = true\nport = 8080\n',
    )
    keys = {fault.key for fault in faults(load(together))}
    assert {"ttn.username", "publish.a.type", "publish.b.url", "mail.host", "web.port"} <= keys


def test_nothing_is_wrong_with_the_defaults_and_two_hosts_may_share_a_port(tmp_path: Path) -> None:
    assert faults(load(file_of(tmp_path, ""))) == []
    apart = (
        '[web]\nhost = "127.0.0.1"\nport = 8090\n[push]\nenabled = true\nhost = "127.0.0.2"\nport = 8090\n'
    )
    assert faults(load(file_of(tmp_path, apart))) == []
    everywhere = apart.replace("127.0.0.2", "0.0.0.0")
    assert [fault.key for fault in faults(load(file_of(tmp_path, everywhere)))] == ["web.port"]


def test_a_certificate_that_ended_is_told(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "meten.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=91))
        .not_valid_after(now - timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(pem)
    (tmp_path / "key.pem").chmod(0o600)
    tls = '[broker]\ntls_certificate = "cert.pem"\ntls_key = "key.pem"\n'
    (found,) = faults(load(file_of(tmp_path, tls)))
    assert found.key == "broker.tls_certificate"
    assert "renew it" in str(found)
    (known,) = certificates_of(load(file_of(tmp_path, tls)))
    ended_ms = int((now - timedelta(days=1)).timestamp()) * 1000
    assert (known.section, known.ends_ms) == ("broker", ended_ms)
    off = load(file_of(tmp_path, tls + "enabled = false\n"))
    assert (faults(off), certificates_of(off)) == ([], [])


def test_what_is_left_of_the_disk_is_what_the_system_says(tmp_path: Path) -> None:
    found = space_of(tmp_path)
    said = os.statvfs(tmp_path)
    assert found is not None
    assert found.total == said.f_blocks * said.f_frsize
    assert 0 <= found.free <= found.total
    assert space_of(tmp_path / "absent") is None


@pytest.mark.parametrize("address", ["mysql://me:s3cret@db/meetnet", "postgres://me:s3cret@[::1/meetnet"])
def test_an_address_that_is_none_of_postgresql_is_refused_without_its_password(
    tmp_path: Path, address: str
) -> None:
    file = file_of(tmp_path, f'[data]\npostgres = "{address}"\n[web]\nport = 0\n')
    run = CliRunner().invoke(main, ["gateway", "run", "-c", str(file)])
    copy = CliRunner().invoke(main, ["store", "copy", address, "--data", str(tmp_path)])
    for found in (run, copy):
        assert found.exit_code == 1
        assert "postgresql://meetnet@db/meetnet" in found.output
        assert "s3cret" not in found.output
    assert not [path for path in Path.cwd().iterdir() if path.name.startswith(("mysql", "postgres"))]
