"""Run Home Assistant itself over discovery documents: `python home_assistant.py HA.json PORT CONFIGDIR`.

See README.md. Prints JSON: its version, each entity with state, device class, state class and unit, and what
its log says of MQTT and sensors. Its frontend is a package of its own that is not needed here: an empty one
stands in for it.
"""

import asyncio
import json
import logging
import shutil
import sys
import types
from pathlib import Path

import paho.mqtt.client as paho

DOCUMENTS, PORT, FOLDER = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
WHEN = "2025-01-01T00:00:00+00:00"
ENTRY = {
    "created_at": WHEN, "data": {"broker": "127.0.0.1", "port": PORT}, "disabled_by": None,
    "discovery_keys": {}, "domain": "mqtt", "entry_id": "a" * 32, "minor_version": 2, "modified_at": WHEN,
    "options": {"discovery": True, "discovery_prefix": "homeassistant"},
    "pref_disable_new_entities": False, "pref_disable_polling": False, "source": "user", "subentries": [],
    "title": "broker", "unique_id": None, "version": 1,
}  # fmt: skip


class Keep(logging.Handler):
    """Keeps warnings of MQTT and sensors."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "mqtt" in record.name or "sensor" in record.name:
            self.lines.append(f"{record.levelname} {record.name}: {record.getMessage()}"[:300])


def prepare() -> None:
    """Write a configuration with nothing but MQTT."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / ".storage").mkdir(parents=True)
    (FOLDER / "configuration.yaml").write_text(
        "homeassistant:\n  time_zone: Europe/Brussels\n"
        "http:\n  server_port: 18123\n  server_host: 127.0.0.1\n"
    )
    entries = {"version": 1, "minor_version": 5, "key": "core.config_entries", "data": {"entries": [ENTRY]}}
    (FOLDER / ".storage/core.config_entries").write_text(json.dumps(entries))
    pages = FOLDER / "frontend"
    pages.mkdir()
    for name in ("index.html", "authorize.html", "onboarding.html", "service_worker.js", "robots.txt",
                 "sw-modern.js", "sw-legacy.js"):  # fmt: skip
        (pages / name).write_text("")
    for name in ("static", "frontend_latest", "frontend_es5"):
        (pages / name).mkdir()
    frontend = types.ModuleType("hass_frontend")
    frontend.where = lambda: pages
    sys.modules["hass_frontend"] = frontend


async def main(documents: list) -> None:
    """Publish the documents, start Home Assistant, and print what it made of them."""
    from homeassistant import bootstrap, runner
    from homeassistant.const import __version__

    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", PORT)
    client.loop_start()
    for pair in documents:
        for topic, content in pair:
            client.publish(topic, content, 1, True).wait_for_publish(5)
    client.publish("meetnet/home/status", "online", 1, True).wait_for_publish(5)
    config = runner.RuntimeConfig(config_dir=str(FOLDER), skip_pip=True, skip_pip_packages=[])
    hass = await bootstrap.async_setup_hass(config)
    keep = Keep()
    logging.getLogger().addHandler(keep)
    await hass.async_start()
    wanted = sum(len(json.loads(pair[0][1])["cmps"]) for pair in documents)
    for _ in range(60):
        await asyncio.sleep(0.5)
        if len(hass.states.async_all("sensor")) >= wanted:
            break
    await asyncio.sleep(2)
    names = ("device_class", "state_class", "unit_of_measurement")
    entities = {
        state.entity_id: [state.state, *(state.attributes.get(name) for name in names)]
        for state in hass.states.async_all("sensor")
        if state.attributes.get("state_class")
    }
    found = {"version": __version__, "wanted": wanted, "entities": entities, "log": keep.lines}
    print(json.dumps(found, ensure_ascii=False, indent=1))
    await hass.async_stop(force=True)


prepare()
asyncio.run(main(json.loads(DOCUMENTS.read_text())))
