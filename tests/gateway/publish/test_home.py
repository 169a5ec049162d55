"""Home Assistant, plain MQTT (through a real broker) and Prometheus (judged by promtool)."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.counters import Counters
from gateway.publish import FileSideList, Follower
from gateway.publish.base import Publisher
from gateway.publish.home_assistant import HomeAssistantPublisher, HomeAssistantSettings
from gateway.publish.home_assistant.components import COMPONENTS
from gateway.publish.mqtt import MqttPublisher, MqttPublisherSettings
from gateway.publish.prometheus import MetricsServer, PrometheusSettings
from tests.gateway.memory_reader import NOW_MS, FixedClock, MemoryReader, street
from tests.gateway.publish.conftest import MemoryPositions

MOSQUITTO = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
PROMTOOL = shutil.which("promtool")


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[int]:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed here")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = await asyncio.create_subprocess_exec(MOSQUITTO, "-c", str(config), stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            break
        except OSError:
            await asyncio.sleep(0.02)
    yield port
    process.terminate()
    await process.wait()


def retained(port: int, topic: str) -> dict[str, bytes]:
    """Return what a client that comes later finds, by paho's own thread."""
    import time

    found: dict[str, bytes] = {}
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _c, _d, message: found.__setitem__(message.topic, message.payload)
    client.on_connect = lambda *_: client.subscribe(topic, 1)
    client.connect("127.0.0.1", port)
    client.loop_start()
    time.sleep(0.5)
    client.disconnect()
    client.loop_stop()
    return found


async def seen(port: int, topic: str) -> dict[str, Any]:
    found = await asyncio.get_running_loop().run_in_executor(None, retained, port, topic)
    return {
        name: json.loads(text) if text.startswith(b"{") else text.decode() for name, text in found.items()
    }


async def follow(publisher: Publisher, reader: MemoryReader, path: Path, close: bool = True) -> FileSideList:
    side = FileSideList(path / "side")
    one = Follower(publisher, reader, MemoryPositions(), side, Counters())
    while await one.step():
        pass
    if close:
        await publisher.close()
    return side


async def test_a_later_client_finds_the_newest_of_each_series(broker: int, tmp_path: Path) -> None:
    reader = street()
    reader.add("lucht-1", "pm10", "ug/m3", 99.0, NOW_MS - 3_600_000)  # late: it may not replace the newest
    reader.add("lucht-1", "pm1", "ug/m3", float("nan"))
    side = await follow(MqttPublisher(MqttPublisherSettings(port=broker), Counters()), reader, tmp_path)
    found = await seen(broker, "meetnet/sites/#")
    newest = {
        f"meetnet/sites/{row.site_id}/{row.quantity}": row for row in reader.latest() if row.quantity != "pm1"
    }
    assert found.keys() == newest.keys()
    for topic, content in found.items():
        assert (content["value"], content["raw_value"]) == (newest[topic].value, newest[topic].raw_value)
        assert content["licence"] == "CC-BY-4.0"
    assert found["meetnet/sites/tuin-1/temperature"]["value"] is None
    assert [one.row.quantity for one in side.read("mqtt")] == ["pm1"]


async def test_a_broker_that_is_away_is_a_wait_and_nothing_is_lost(broker: int, tmp_path: Path) -> None:
    reader = street()
    publisher = MqttPublisher(MqttPublisherSettings(port=1, timeout_s=1), Counters())
    (parcel, *_) = publisher.pack(reader.rows[:3], reader).parcels
    outcome = await publisher.send(parcel, 0)
    assert outcome.remaining is parcel
    assert "broker 127.0.0.1:1" in outcome.reason
    await publisher.close()


async def test_home_assistant_finds_devices_states_and_availability(broker: int, tmp_path: Path) -> None:
    reader = street()
    reader.add("lucht-1", "pm1", "ug/m3", float("nan"))
    publisher = HomeAssistantPublisher(HomeAssistantSettings(port=broker), Counters())
    await follow(publisher, reader, tmp_path, close=False)
    configs = await seen(broker, "homeassistant/device/+/config")
    states = await seen(broker, "meetnet/home/#")
    assert states["meetnet/home/status"] == "online"
    await publisher.close()
    assert (await seen(broker, "meetnet/home/status"))["meetnet/home/status"] == "offline"
    assert len(configs) == 5  # a site without a value is no device yet
    unique: set[str] = set()
    for topic, document in configs.items():
        assert topic.split("/")[2].replace("_", "").replace("-", "").isalnum()
        assert document["o"]["name"]
        assert document["dev"]["identifiers"]
        state = states[document["state_topic"]]
        for quantity, one in document["cmps"].items():
            assert one["p"] == "sensor"
            assert quantity in state
            unique.add(one["unique_id"])
    assert len(unique) == sum(len(document["cmps"]) for document in configs.values())
    air = states["meetnet/home/lucht-1/state"]
    assert air["pm1"] is None
    assert air["relative_humidity"] == 0.0
    assert states["meetnet/home/tuin-1/state"]["temperature"] is None


def test_classes_and_units_are_those_of_home_assistant(shared: Any) -> None:
    table = json.loads(shared("vectors/platforms/ha/device-class-units.json").read_text())
    allowed = {name.split(" ")[0]: units for name, units in table.items() if isinstance(units, list)}
    for component in COMPONENTS.values():
        assert "\u03bc" not in (component.unit or "")  # Greek mu is refused from 2025.7 on
        if component.device_class:
            assert component.unit in allowed[component.device_class]


def test_the_metrics_pass_promtool_and_leave_out_what_is_old() -> None:
    reader = street()
    reader.add_site("oud", "air", 'a "b"\\')
    reader.add("oud", "pm4", "ug/m3", 1.0, NOW_MS - 86_400_000)
    reader.add("lucht-2", "pressure", "hPa", 1013.25)
    reader.add("lucht-2", "co2", "ppm", 415.0)
    reader.add("bak-1", "filling_level", "%", 75.0)
    reader.add("tuin-1", "precipitation", "mm", 0.2)
    reader.add("tuin-1", "battery", "mV", 3600.0)
    server = MetricsServer(reader, FixedClock(), PrometheusSettings())
    text = server.text({"counters": {"lns.mic_mismatch": 3}, "uptime_s": 5, "position": 77})
    assert "pm4" not in text
    assert 'meetnet_pm2_5_ugm3{site="lucht-1",kind="air",quality="good",method="koehler"}' in text
    assert 'meetnet_pressure_pascals{site="lucht-2",kind="air",quality="good",method="none"} 101325\n' in text
    assert 'meetnet_filling_level_ratio{site="bak-1",kind="bin",quality="good",method="none"} 0.75\n' in text
    assert 'meetnet_events_total{event="lns.mic_mismatch"} 3\n' in text
    if PROMTOOL is None:
        pytest.skip("promtool (Debian package prometheus) is not installed here")
    done = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


async def test_a_connection_that_ended_does_not_keep_the_next_one_waiting(broker: int) -> None:
    reader = street()
    for _ in range(3):
        publisher = HomeAssistantPublisher(HomeAssistantSettings(port=broker, timeout_s=2), Counters())
        for parcel in publisher.pack(reader.rows[:50], reader).parcels:
            assert (await publisher.send(parcel, 0)).reason == ""
        await publisher.close()
