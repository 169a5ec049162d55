"""ThingsBoard's IoT gateway as a peer: installed from PyPI into an environment of its own, and what it needs.

It subscribes at QoS 1 with a persistent session, takes the device's name and seven fields out of each uplink
(it decodes no frame), keeps them in SQLite (`sqlite`; its default is memory) and sends them over MQTT to a
platform, for which another Mosquitto stands with a subscriber behind it. Its rate limits are off.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.gateway import load, parts

PACKAGE = "thingsboard-gateway==3.8.5"
LIMITS = {"maxPayloadSize": 65536, "maxInflightMessages": 0, "rateLimits": {}, "gatewayRateLimits": {}}
_FIELDS = {
    "fCnt": "integer", "data": "string", "dr": "integer", "devAddr": "string", "fPort": "integer",
    "deduplicationId": "string", "time": "string",
}  # fmt: skip
_TELEMETRY = "v1/gateway/telemetry"
_ASKS, _ANSWERS = "v1/devices/me/rpc/request/", "v1/devices/me/rpc/response/"
_RATES = (
    "rateLimits", "dpRateLimits", "messagesRateLimits", "deviceMessagesRateLimits", "deviceRateLimits",
    "deviceDpRateLimits",
)  # fmt: skip
_LOGS = ("database", "service", "connector", "converter", "tb_connection", "storage", "extension")


def install(home: Path) -> Path:
    """Install it where it is not yet; return its Python."""
    python = home / "thingsboard" / "bin" / "python"
    if not python.exists():
        venv.create(home / "thingsboard", with_pip=True)
    if subprocess.run(
        [python, "-c", "import thingsboard_gateway"], check=False, capture_output=True
    ).returncode:
        subprocess.run([python, "-m", "pip", "install", "--quiet", PACKAGE], check=True)
    return python


def configure(folder: Path, broker: int, platform: int, storage: str) -> None:
    """Write its configuration into a folder."""
    config = folder / "config"
    config.mkdir()
    (folder / "store").mkdir()
    limits = dict.fromkeys(_RATES, "0:0,")
    own: dict[str, Any] = {
        "thingsboard": {
            "host": "127.0.0.1", "port": platform, "remoteShell": False, "remoteConfiguration": False,
            "statistics": {"enable": False}, "deviceFiltering": {"enable": False},
            "maxPayloadSizeBytes": 65536, "minPackSendDelayMS": 50, "minPackSizeToSend": 500,
            "handleDeviceRenaming": False, "security": {"type": "accessToken", "accessToken": "bench"},
            "qos": 1, "reportStrategy": {"type": "ON_RECEIVED"},
            "checkingDeviceActivity": {"checkDeviceInactivity": False}, **limits,
        },
        "storage": {
            "type": storage, "read_records_count": 1000, "max_records_count": 100_000,
            "data_file_path": f"{folder}/store/", "data_folder_path": f"{folder}/store/",
            "max_read_records_count": 1000, "messages_ttl_in_days": 7, "messages_ttl_check_in_hours": 1,
        },
        "grpc": {"enabled": False},
        "connectors": [{"type": "mqtt", "name": "chirpstack", "configuration": "mqtt.json"}],
    }  # fmt: skip
    connector: dict[str, Any] = {
        "broker": {
            "host": "127.0.0.1", "port": broker, "clientId": "thingsboard", "version": 5,
            "cleanSession": False, "cleanStart": False, "sessionExpiryInterval": 3600,
            "maxMessageNumberPerWorker": 10, "maxNumberOfWorkers": 100, "security": {"type": "anonymous"},
        },
        "mapping": [{
            "topicFilter": "application/+/device/+/event/up", "subscriptionQos": 1,
            "converter": {
                "type": "json",
                "deviceInfo": {
                    "deviceNameExpressionSource": "message",
                    "deviceNameExpression": "${deviceInfo.deviceName}",
                    "deviceProfileExpressionSource": "constant", "deviceProfileExpression": "air",
                },
                "timeout": 600_000, "attributes": [],
                "timeseries": [
                    {"type": kind, "key": name, "value": f"${{{name}}}"} for name, kind in _FIELDS.items()
                ],
            },
        }],
    }  # fmt: skip
    console = {"class": "logging.StreamHandler", "level": "ERROR"}
    logs: dict[str, Any] = {
        "version": 1, "disable_existing_loggers": False, "handlers": {"consoleHandler": console},
        "root": {"level": "ERROR", "handlers": ["consoleHandler"]},
        "loggers": {
            name: {"level": "ERROR", "handlers": ["consoleHandler"], "propagate": False}
            for name in _LOGS
        },
    }  # fmt: skip
    for name, found in (("tb_gateway", own), ("mqtt", connector), ("logs", logs)):
        (config / f"{name}.json").write_text(json.dumps(found))
    (config / "connected_devices.json").write_text("{}")


@contextmanager
def running(python: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run it."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [python, "-m", "thingsboard_gateway.tb_gateway"], cwd=folder, stdout=log, stderr=log,
            env=os.environ | {"TB_GW_CONFIG_DIR": str(folder / "config"), "PYTHONPATH": ""},
        )  # fmt: skip
        try:
            yield process
        finally:
            parts.end(process)


def platform(ledger: str, messages: int, devices: int, port: int, pipe: Any) -> None:
    """Subscribe to what it sends to its platform; note each message once; say that there are no limits."""
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    book = load.Ledger(messages, ledger)

    def note(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        if message.topic.startswith(_ASKS):
            client.publish(_ANSWERS + message.topic.removeprefix(_ASKS), json.dumps(LIMITS), 1)
            return
        now = time.perf_counter()
        for name, entries in json.loads(message.payload).items():
            for entry in entries:
                values = entry.get("values", entry)
                if "fCnt" not in values:  # it cuts what it sends as it likes
                    continue
                n = int(values["fCnt"]) * devices + int(name[1:])
                if not book.times[n]:
                    book.seen_s[n] = now
                    book.totals[1] += 1
                book.times[n] += 1

    client = mqtt.Client(CallbackAPIVersion.VERSION2, "platform")
    client.on_message = note
    client.on_subscribe = lambda *_: pipe.send(True)
    client.connect("127.0.0.1", port)
    client.subscribe([(_TELEMETRY, 1), (f"{_ASKS}+", 1)])
    client.loop_forever()


def wait_until_it_passes(
    book: load.Ledger, packet: bytes, port: int, log: Path, seconds: float = 90.0
) -> None:
    """Publish the first message until the platform has seen it: then everything is connected."""
    end = time.monotonic() + seconds
    with load.connect(port, b"first") as sock:
        while not book.times[0]:
            if time.monotonic() > end:
                raise SystemExit(f"nothing passed ThingsBoard's gateway: {log.read_text()[-1500:]}")
            sock.sendall(packet)
            time.sleep(0.5)
