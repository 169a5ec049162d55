"""The configuration of a running gateway changes: what does, what needs a restart, and nothing is lost."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.app import Gateway
from gateway.config import load
from gateway.registry import Device

from .cli.test_cli import read_ready
from .house import BIN, T0_MS, SetClock, a_record, an_uplink, fill_registry
from .mqtt_client import Client
from .test_tls import a_certificate

PASSWORD = "a password of the bin"
BASE = """[data]
directory = "data"
segment_mib = 1
[web]
port = 0
[broker]
port = 0
[semtech_udp]
port = 0
"""


class Running:
    """A gateway on a file that a test may change."""

    def __init__(self, path: Path, text: str = "") -> None:
        self.file = path / "meetnet.toml"
        self.file.write_text(BASE + text)
        self.gateway = Gateway(load(self.file), SetClock())
        self.gateway.reread = lambda: load(self.file)

    async def __aenter__(self) -> Running:
        await self.gateway.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.gateway.stop()

    async def change(self, text: str):
        self.file.write_text(text)
        return await self.gateway.reload()

    async def get(self, path: str = "/") -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(f"http://127.0.0.1:{self.gateway.ports['web']}{path}")


async def test_what_can_change_changes_and_what_cannot_is_named(tmp_path: Path) -> None:
    async with Running(tmp_path) as running:
        assert running.gateway.outward.followers == {}
        nothing = await running.change(BASE)
        assert (nothing.ok, nothing.changed, nothing.restarted) == (True, [], [])
        secret = "whsec_" + base64.b64encode(bytes(24)).decode()
        new = BASE.replace("segment_mib = 1", "segment_mib = 2\nraw_days = 7").replace(
            "[web]\n", '[web]\ntitle = "Meten in de wijk"\n'
        )
        new += f'[publish.stad]\ntype = "webhook"\nurl = "http://127.0.0.1:1/"\nsecret = "{secret}"\n'
        found = await running.change(new)
        assert found.ok
        assert set(found.changed) == {"data.segment_mib", "data.raw_days", "web.title", "publish.stad"}
        assert found.restarted == ["publishers", "web"]
        assert found.needs_restart == ["data.segment_mib"]
        assert set(running.gateway.outward.followers) == {"stad"}
        assert "Meten in de wijk" in (await running.get("/nl/")).text
        assert running.gateway.config.whole("data.raw_days") == 7
        assert running.gateway.config.whole("data.segment_mib") == 1  # as it runs
        again = await running.gateway.reload()
        assert (again.restarted, again.needs_restart) == ([], ["data.segment_mib"])
        assert (await running.change(BASE)).restarted == ["publishers", "web"]
        assert running.gateway.outward.followers == {}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[web]\nport = 99999\n", "web.port: 99999 is not allowed"),
        ("[web\n", "is not TOML"),
        ("[wbe]\n", 'did you mean "web"'),
        ('[publish.stad]\nurl = "x"\n', "publish.stad.type"),
        ('[mail]\npassword_file = "nowhere"\n', "mail.password_file"),
        ("[serial]\nenabled = true\n", "serial.ports: is empty"),
    ],
)
async def test_a_wrong_configuration_keeps_the_old_one_and_says_why(
    tmp_path: Path, text: str, why: str
) -> None:
    async with Running(tmp_path) as running:
        port = running.gateway.ports["broker"]
        whole = text if "[web" in text or "[wbe" in text else BASE + text
        found = await running.change(whole)
        assert (found.ok, why in found.error) == (False, True), found.error
        assert found.error.endswith("the configuration before goes on")
        assert (await running.get("/api/status")).status_code == 200
        assert running.gateway.ports["broker"] == port
        assert running.gateway.counters.get("config.refused") == 1


async def test_a_section_that_cannot_start_takes_all_of_them_back(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with Running(tmp_path) as running:
            new = BASE.replace("[web]\n", '[web]\ntitle = "Anders"\n')
            found = await running.change(new + f"[push]\nenabled = true\nport = {taken.getsockname()[1]}\n")
            assert (found.ok, "push.port: cannot listen" in found.error) == (False, True)
            assert "push" not in running.gateway.ports
            assert "Anders" not in (await running.get("/nl/")).text
            assert (await running.change(new + "[push]\nenabled = true\nport = 0\n")).ok
            assert "push" in running.gateway.ports


async def test_a_renewed_certificate_and_a_new_password_file_take_effect(tmp_path: Path) -> None:
    certificate, key = a_certificate(tmp_path, "one")
    token = tmp_path / "token"
    token.write_text("the first webhook token")
    text = f'[push]\nenabled = true\nport = 0\nwebhook_token_file = "{token}"\n'
    text += f'tls_certificate = "{certificate}"\ntls_key = "{key}"\n'
    async with Running(tmp_path, text) as running:

        async def status(secret: str, authority: Path) -> int:
            import ssl

            context = ssl.create_default_context(cafile=str(authority))
            async with httpx.AsyncClient(trust_env=False, verify=context) as client:
                port = running.gateway.ports["push"]
                url = f"https://127.0.0.1:{port}/push/v1/chirpstack?event=join"
                return (await client.post(url, headers={"Authorization": f"Bearer {secret}"})).status_code

        assert await status("the first webhook token", certificate) == 200
        (tmp_path / "new").mkdir()
        renewed, renewed_key = a_certificate(tmp_path / "new", "one")
        shutil.copy(renewed, certificate)
        shutil.copy(renewed_key, key)
        token.write_text("the second webhook token")
        found = await running.gateway.reload()
        assert (found.changed, found.restarted) == ([], ["push"])
        assert await status("the second webhook token", renewed) == 200
        assert await status("the first webhook token", renewed) == 401


def _free_port() -> int:
    """Return a free port that no outgoing connection is given while nobody listens there."""
    while True:
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", random.randrange(20_000, 32_000)))
            return int(free.getsockname()[1])


async def test_no_message_of_a_node_is_lost_while_everything_is_changed(tmp_path: Path) -> None:
    port = _free_port()
    base = BASE.replace("[broker]\nport = 0", f"[broker]\nport = {port}")
    async with Running(tmp_path) as running:
        await running.change(base)
        gateway = running.gateway
        fill_registry(gateway.registry)
        gateway.registry.put_device(Device(BIN, "bin", "mqtt"), mqtt_password=PASSWORD)
        node = Client("node", BIN, PASSWORD, clean=False)
        node.paho.reconnect_delay_set(1, 1)
        assert await node.connect(port) == "Success"
        sent: list[int] = []

        async def measure() -> None:
            for n in range(60):
                payload = an_uplink(a_record(n, T0_MS + n * 60_000, distance=600.0 + n)).payload
                sent.append(await node.publish(f"meetnet/v1/{BIN}/1", payload))
                await asyncio.sleep(0.03)

        task = asyncio.create_task(measure())
        for connections in (100, 200, 300):
            await asyncio.sleep(0.5)
            text = base.replace(f"port = {port}", f"port = {port}\nmax_connections = {connections}")
            assert (await running.change(text)).restarted == ["broker"]
        await task
        for mid in sent:
            await node.acknowledgement(mid, 20)
        await gateway.drained()
        rows = gateway.store.series("bak-7", "distance", 0, 2**60, 1000)
        assert [row.raw for row in rows] == [600.0 + n for n in range(60)]
        await node.close()


def test_the_process_takes_sighup_and_meetnet_reload(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    environment = {"PYTHONPATH": f"{root}:{root / 'firmware'}", "PATH": os.environ["PATH"]}
    file = tmp_path / "meetnet.toml"
    file.write_text(BASE)
    command = [sys.executable, "-m", "gateway"]
    where = ["-c", str(file)]
    process = subprocess.Popen(
        [*command, "gateway", "run", "--json", *where],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip

    def reload() -> subprocess.CompletedProcess[str]:
        words = [*command, "reload", *where, "--json"]
        return subprocess.run(words, capture_output=True, text=True, env=environment, check=False)

    try:
        read_ready(process)
        file.write_text(BASE + '[alerts]\nlanguage = "fr"\n')
        found: dict[str, Any] = json.loads(reload().stdout)
        assert (found["changed"], found["restarted"]) == (["alerts.language"], ["alerts"])
        process.send_signal(signal.SIGHUP)
        file.write_text(BASE + '[alerts]\nlanguage = "de"\n')
        process.send_signal(signal.SIGHUP)
        wrong = subprocess.run(
            [*command, "reload", *where], capture_output=True, text=True, env=environment, check=False
        )
        assert wrong.returncode == 1
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "not reloaded: alerts.language: 'de' is not allowed" in errors
    finally:
        process.kill()
        process.wait()
    assert reload().returncode == 1  # the file is wrong
    file.write_text(BASE)
    assert reload().returncode == 3
