"""Files for a broker of the city's, judged by a real Mosquitto: who may log in, speak, and listen to what."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.registry import Device, Registry
from gateway.registry.accounts import Accounts

from .cli.test_cli import meetnet
from .mqtt_client import Client
from .test_brokercheck import MOSQUITTO, needs_mosquitto

ONE, OTHER = "02aa000000000001", "02aa000000000002"
SECRETS = {ONE: "the password of one", OTHER: "the password of the other"}
GATEWAY = "the password of the gateway"


def a_place(path: Path) -> Path:
    registry = Registry(path / "data")
    for dev_eui, password in SECRETS.items():
        registry.put_device(Device(dev_eui, "air", "mqtt"), mqtt_password=password)
    registry.close()
    (path / "password").write_text(GATEWAY)
    file = path / "meetnet.toml"
    file.write_text('[data]\ndirectory = "data"\n[mqtt]\nusername = "meetnet"\npassword_file = "password"\n')
    return file


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[tuple[Path, Path, int, subprocess.Popen[bytes]]]:
    file, folder = a_place(tmp_path), tmp_path / "mosquitto"
    assert meetnet("broker", "users", "-c", file, "-o", folder).exit_code == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\n"
        f"password_file {folder}/passwd\nacl_file {folder}/acl\n"
        + ("user root\n" if os.geteuid() == 0 else "")  # or it gives up the right to read them
    )
    for name in ("passwd", "acl"):
        assert (folder / name).stat().st_mode & 0o777 == 0o640
    process = subprocess.Popen([str(MOSQUITTO), "-c", str(config)], stderr=subprocess.DEVNULL)  # noqa: ASYNC220
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            break
        except OSError:
            await asyncio.sleep(0.05)
    yield file, folder, port, process
    process.terminate()
    process.wait(10)


async def login(port: int, user: str, password: str) -> tuple[Client, str]:
    client = Client(f"test-{user}", user, password)
    try:
        return client, await client.connect(port)
    except TimeoutError:
        return client, "no answer"


@needs_mosquitto
async def test_each_device_speaks_and_listens_under_its_own_topics_only(place: Any) -> None:
    _, _, port, _ = place
    one, answer = await login(port, ONE, SECRETS[ONE])
    assert answer == "Success"
    other, _ = await login(port, OTHER, SECRETS[OTHER])
    gateway, answer = await login(port, "meetnet", GATEWAY)
    assert answer == "Success"
    gateway.paho.subscribe([("meetnet/v1/+/+", 1)])
    await gateway.granted.get()
    for client, name in ((one, ONE), (other, OTHER)):
        client.paho.subscribe([(f"meetnet/v1/{name}/down/+", 1), (f"meetnet/v1/{ONE}/down/+", 1), ("#", 1)])
        await client.granted.get()
    await one.acknowledgement(await one.publish(f"meetnet/v1/{ONE}/1", b"own"))
    await one.publish(f"meetnet/v1/{OTHER}/1", b"another's")
    await one.publish(f"meetnet/v1/{OTHER}/down/3", b"a command for another")
    await one.publish("anything", b"else")
    await other.acknowledgement(await other.publish(f"meetnet/v1/{OTHER}/1", b"own too"))
    await gateway.acknowledgement(await gateway.publish(f"meetnet/v1/{ONE}/down/3", b"command"))
    heard = [await asyncio.wait_for(gateway.messages.get(), 30) for _ in range(2)]
    assert heard == [(f"meetnet/v1/{ONE}/1", b"own"), (f"meetnet/v1/{OTHER}/1", b"own too")]
    assert (await asyncio.wait_for(one.messages.get(), 30))[1] == b"command"
    await asyncio.sleep(0.3)
    assert gateway.messages.empty()
    assert other.messages.empty()
    for client in (one, other, gateway):
        await client.close()


@needs_mosquitto
async def test_a_new_token_holds_after_the_files_are_written_and_the_old_one_ends(place: Any) -> None:
    file, folder, port, process = place
    token = meetnet("device", "token", ONE, "-c", file).stdout.strip()
    assert meetnet("device", "token", OTHER, "--revoke", "-c", file).exit_code == 0
    result = meetnet("broker", "users", "-c", file, "-o", folder, "--reload", str(process.pid))
    assert result.exit_code == 4  # the one that was revoked has none
    for _ in range(100):
        client, answer = await login(port, ONE, token)
        await client.close()
        if answer == "Success":
            break
        await asyncio.sleep(0.05)
    assert answer == "Success"
    for user, password in ((ONE, SECRETS[ONE]), (OTHER, SECRETS[OTHER])):
        client, answer = await login(port, user, password)
        assert answer != "Success"
        await client.close()
    accounts = Accounts(file.parent / "data")
    acts = [entry.action for entry in accounts.audit()]
    accounts.close()
    assert acts == [
        "broker.users_written", "device.secret_revoked", "device.secret_changed", "broker.users_written",
    ]  # fmt: skip


def test_the_files_hold_hashes_as_documented_and_no_password(tmp_path: Path) -> None:
    file = a_place(tmp_path)
    written = json.loads(meetnet("broker", "users", "-c", file, "-o", tmp_path / "m", "--json").stdout)
    assert written == {"files": ["acl", "passwd"], "users": 3, "without": []}
    assert meetnet("broker", "users", "--format", "emqx", "-c", file, "-o", tmp_path / "e").exit_code == 0
    # mosquitto: $7$iterations$salt$hash in Base64, PBKDF2-HMAC-SHA512 of 64 bytes
    line = (tmp_path / "m" / "passwd").read_text().splitlines()[0]
    name, kind, iterations, salt, found = line.replace(":", "", 1).split("$")
    wanted = hashlib.pbkdf2_hmac(
        "sha512", SECRETS[name].encode(), base64.b64decode(salt), int(iterations), 64
    )
    assert (kind, base64.b64decode(found)) == ("7", wanted)
    # EMQX: the salt as text, the hash in hex
    user, hashed, salt, _ = (tmp_path / "e" / "users.csv").read_text().splitlines()[1].split(",")
    assert hashed == hashlib.pbkdf2_hmac("sha512", SECRETS[user].encode(), salt.encode(), 5000, 64).hex()
    everything = "".join(path.read_text() for name in "me" for path in (tmp_path / name).iterdir())
    assert not any(secret in everything for secret in (*SECRETS.values(), GATEWAY))
    (tmp_path / "password").write_text("")
    assert meetnet("broker", "users", "-c", file, "-o", tmp_path / "m").exit_code == 1
