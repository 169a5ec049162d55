"""`meetnet broker check` against a real Mosquitto: its defaults drop, and that is found."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.brokercheck import check_broker
from gateway.ingest.mqtt import MqttSettings

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="no Mosquitto: apt-get install mosquitto")


@pytest.fixture
def port(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        found: int = sock.getsockname()[1]
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {found} 127.0.0.1\nallow_anonymous true\n{request.param}\n")
    process = subprocess.Popen([str(MOSQUITTO), "-c", str(config)], stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", found), 0.5).close()
            break
        except OSError:
            time.sleep(0.05)
    yield found
    process.terminate()
    process.wait(10)


@needs_mosquitto
@pytest.mark.parametrize("port", [""], indirect=True)
def test_the_defaults_of_mosquitto_drop_what_they_acknowledged_and_it_is_told(port: int) -> None:
    (found,) = check_broker(MqttSettings(port=port), messages=1600)
    assert found.name == "queue"
    assert "max_queued_messages 0" in found.remedy
    assert int(found.text.split()[0]) < 1600  # man mosquitto.conf: max_queued_messages defaults to 1000


@needs_mosquitto
@pytest.mark.parametrize("port", ["max_queued_messages 0"], indirect=True)
def test_a_broker_that_keeps_everything_passes(port: int) -> None:
    assert check_broker(MqttSettings(port=port), messages=1600) == []


@needs_mosquitto
@pytest.mark.parametrize("port", ["max_qos 0"], indirect=True)
def test_a_broker_that_lowers_qos_is_found(port: int) -> None:
    assert "qos" in {one.name for one in check_broker(MqttSettings(port=port), messages=20)}


def test_a_broker_that_is_not_there_is_told_so() -> None:
    (found,) = check_broker(MqttSettings(port=1), messages=1)
    assert found.name == "unreachable"
