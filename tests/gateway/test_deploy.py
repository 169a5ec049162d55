"""Units, container and compose files: parsed, held against each other, the settings and the command line."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from gateway.cli import main
from gateway.cli.run import as_worker
from gateway.config import Config, load
from gateway.errors import ConfigError
from gateway.registry.secrets import BROKER_ITERATIONS
from tests.conftest import ROOT

DEPLOY = ROOT / "gateway" / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
CONTAINER = DEPLOY / "container"
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="no systemd-analyze: apt-get install systemd")
HARDENED = {
    "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes",
    "CapabilityBoundingSet": "", "RestrictNamespaces": "yes", "SystemCallArchitectures": "native",
    "UMask": "0077",
    "PrivateDevices": "yes", "ProtectKernelModules": "yes", "User": "meetnet", "Restart": "always",
}  # fmt: skip


def lines_of(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def check_command(words: list[str]) -> None:
    """Fail when a command line of ours names a command or an option that is not there."""
    command: click.Command = main
    rest = list(words)
    while isinstance(command, click.Group) and rest:
        found = command.get_command(click.Context(command), rest.pop(0))
        assert found is not None, words
        command = found
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in rest if word.startswith("-")} <= known, words


def test_the_shipped_configurations_are_right_and_say_what_they_are_for() -> None:
    gateway = load(DEPLOY / "systemd" / "meetnet.toml")
    assert gateway.text("data.directory") == "/var/lib/meetnet"
    worker = load(DEPLOY / "systemd" / "worker.toml")
    assert worker.text("chirpstack.group")
    assert not any(worker.flag(f"{name}.enabled") for name in ("web", "broker", "semtech_udp", "alerts"))
    one, other = as_worker(worker, "1"), as_worker(worker, "2")
    for key in ("data.directory", "data.worker", "chirpstack.client_id"):
        assert one.text(key) != other.text(key)
    assert one.text("data.registry") == gateway.text("data.directory")
    with pytest.raises(ConfigError):
        as_worker(Config(), "../1")


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_are_hardened_and_start_what_there_is(unit: Path) -> None:
    found = lines_of(unit)
    for name, value in HARDENED.items():
        assert found[name] == [value], name
    for line in (*found["ExecStart"], *found["ExecStartPre"]):
        words = shlex.split(line)
        assert words[0] == "/opt/meetnet/bin/meetnet"
        check_command(words[1:])
        configuration = Path(words[words.index("-c") + 1])
        assert (DEPLOY / "systemd" / configuration.name).exists()
        assert (
            load(DEPLOY / "systemd" / configuration.name)
            .text("data.directory")
            .startswith("/var/lib/meetnet")
        )
    assert found["ExecReload"] == ["/bin/kill -HUP $MAINPID"]


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_understands_the_units_and_rates_them_well(unit: Path, tmp_path: Path) -> None:
    program = tmp_path / "meetnet"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/meetnet/bin/meetnet", str(program)))
    done = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "meetnet" in line]
    assert (done.returncode, ours) == (0, []), done.stderr
    rated = subprocess.run(
        [str(ANALYZE), "security", "--offline=true", "--threshold=20", str(copy)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert rated.returncode == 0, rated.stdout[-400:]


def compose(*names: str) -> dict[str, Any]:
    """Return compose files put over one another, as far as these need it."""
    found: dict[str, Any] = {}
    for name in names:
        for part, table in yaml.safe_load((CONTAINER / name).read_text()).items():
            if isinstance(table, dict):
                for key, value in table.items():
                    old = found.setdefault(part, {}).get(key)
                    both = isinstance(old, dict) and isinstance(value, dict)
                    found[part][key] = {**old, **value} if both else value
            else:
                found[part] = table
    return found


@pytest.mark.parametrize("name", ["compose.yaml", "compose.emqx.yaml", "compose.nats.yaml"])
def test_compose_files_are_as_the_compose_specification_has_them(name: str) -> None:
    judge = pytest.importorskip("compose_spec", reason="no compose-spec: pip install compose-spec")
    text = (CONTAINER / name).read_text()
    found = judge.PyCompose.from_yaml(text)
    assert found.service_names
    if name == "compose.yaml":  # the others are put over it
        found.validate()
    with pytest.raises(ValueError, match="no_such_key"):
        judge.PyCompose.from_yaml(re.sub(r"^    image:", "    no_such_key: x\n    image:", text, flags=re.M))


@pytest.mark.parametrize(
    "names", [("compose.yaml",), ("compose.yaml", "compose.emqx.yaml"), ("compose.yaml", "compose.nats.yaml")]
)
def test_compose_files_name_files_secrets_volumes_and_hosts_that_there_are(names: tuple[str, ...]) -> None:
    found = compose(*names)
    config = load(CONTAINER / "meetnet.toml")
    services = found["services"]
    for service in services.values():
        for volume in service.get("volumes", ()):
            source, target = volume.split(":")[:2]
            assert target.startswith("/")
            if source.startswith("./"):
                assert source == "./users" or (CONTAINER / source).exists(), source  # users are written later
            else:
                assert source in found["volumes"]
        assert set(service.get("secrets", ())) <= set(found["secrets"])
        assert set(service.get("depends_on", ())) <= set(services)
    gateway = services["gateway"]
    assert config.text("mqtt.host") in services
    assert re.search(r"@(\w+)/", config.text("data.postgres"))[1] in services  # type: ignore[index]
    for key in ("mqtt.password_file",):
        assert config.text(key).removeprefix("/run/secrets/") in gateway["secrets"]
    published = {int(port.split(":")[0].split("/")[0]) for port in gateway["ports"]}
    assert published == {config.whole(f"{name}.port") for name in ("web", "push", "semtech_udp")}
    for name in ("web", "push", "semtech_udp"):
        assert config.text(f"{name}.host") == "0.0.0.0"
    assert not config.flag("broker.enabled")  # the broker has its port
    assert (CONTAINER / gateway["build"]["context"] / gateway["build"]["dockerfile"]).resolve().exists()
    assert gateway["read_only"] is True


def test_the_container_installs_runs_and_asks_what_there_is() -> None:
    text = (CONTAINER / "Containerfile").read_text().replace("\\\n", " ")
    extras = re.search(r'"\.\[([a-z,]+)\]"', text)
    assert extras is not None
    import tomllib

    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras[1].split(",")) <= set(known)
    check_command(["gateway", "run", "-c", "/etc/meetnet/meetnet.toml"])
    for found in re.findall(r"CMD \[(.*?)\]", text):
        words = [word.strip().strip('"') for word in found.split(",")]
        check_command(words[1:] if words[0].endswith("/meetnet") else words)
    assert re.search(r"^USER \d+$", text, re.M)
    config = load(CONTAINER / "meetnet.toml")
    exposed = set(re.findall(r"(\d+)/(?:tcp|udp)", text))
    assert {str(config.whole(f"{name}.port")) for name in ("web", "push", "semtech_udp")} <= exposed


def test_brokers_are_told_to_keep_what_they_acknowledge() -> None:
    mosquitto = dict(
        line.split(" ", 1)
        for line in (CONTAINER / "mosquitto.conf").read_text().splitlines()
        if " " in line and line[0] != "#"
    )
    assert (mosquitto["max_queued_messages"], mosquitto["persistence"]) == ("0", "true")
    assert mosquitto["allow_anonymous"] == "false"
    emqx = (CONTAINER / "emqx.conf").read_text()
    for text in ("max_mqueue_len = infinity", "session_expiry_interval = infinity", "no_match = deny"):
        assert text in emqx
    assert f"iterations = {BROKER_ITERATIONS}, dk_length = 64" in emqx
    assert "sync_interval: always" in (CONTAINER / "nats.conf").read_text()
