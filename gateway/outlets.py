"""Outlets from the configuration: one table `[publish.<name>]` each; `type` says which kind it is.

A platform has a name of its own, under which its position is kept; without `type` the name is the kind. A
secret may be given as a file: `token_file` beside or instead of `token`.

Each outlet reads through a reader of its own recipient: `recipient = "..."` in its table, else the kind's.
"public" is what the page shows; for any other recipient hosts must have agreed on record (`meetnet consent`).
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import msgspec

from gateway.clock import Clock, SystemClock
from gateway.config import Config
from gateway.counters import Counters
from gateway.errors import ConfigError
from gateway.publish import Publisher
from gateway.publish.catalog import CatalogSettings, catalog_applications
from gateway.publish.catalog.settings import UNSAID
from gateway.publish.files import FilesPublisher, FilesSettings, csv_metadata
from gateway.publish.home_assistant import HomeAssistantPublisher, HomeAssistantSettings
from gateway.publish.influx import InfluxPublisher, InfluxSettings
from gateway.publish.ldes import LdesServer, LdesSettings
from gateway.publish.mqtt import MqttPublisher, MqttPublisherSettings
from gateway.publish.ngsi_ld import NgsiLdPublisher, NgsiLdSettings, context_documents
from gateway.publish.ngsi_v2 import NgsiV2Publisher, NgsiV2Settings
from gateway.publish.opensensemap import OpenSenseMapPublisher, OpenSenseMapSettings
from gateway.publish.prometheus import MetricsServer, PrometheusSettings
from gateway.publish.sensor_community import SensorCommunityPublisher, SensorCommunitySettings
from gateway.publish.sensorthings import SensorThingsPublisher, SensorThingsSettings
from gateway.publish.sensorthings_server import (
    PATH,
    Core,
    SensorThingsMqtt,
    SensorThingsServer,
    SensorThingsServerSettings,
)
from gateway.publish.ts013 import codec_documents
from gateway.publish.webhook import WebhookPublisher, WebhookSettings
from gateway.retention import OBSERVATIONS, in_dutch

PUBLIC = "public"
SERVED = "served"  # among what is shared: paths that are served, for the catalogue, which comes last
OWN_NAME = ""  # as recipient: the outlet's own name


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an outlet gets of the house beside its settings.

    folder: for what it must remember (ids at a platform); exists. status: the public numbers of the gateway.
    reader_of: what a recipient may read. shared: what parts of one outlet have in common, by its name.
    kept: for how many days each class of data is kept (gateway.retention).
    """

    counters: Counters
    folder: Path
    clock: Clock = field(default_factory=SystemClock)
    status: Callable[[], dict[str, Any]] = dict
    reader_of: Callable[[str], Any] | None = None
    shared: dict[str, Any] = field(default_factory=dict[str, Any])
    kept: Callable[[], Mapping[str, int]] = dict


def _nothing(settings: Any) -> dict[str, tuple[str, bytes]]:
    return {}


@dataclass(frozen=True, slots=True)
class _Kind:
    """make, make_in, make_over: a publisher that a follower feeds (the latter holds its recipient's reader).
    serve: an ASGI application by path, over a reader.

    documents: fixed public documents by path. recipient: default; with is_fixed the only one, because the
    platform's terms go beyond what "public" means.
    """

    settings: type[Any]
    make: Callable[[Any, Counters], Publisher] | None = None
    documents: Callable[[Any], dict[str, tuple[str, bytes]]] = _nothing
    make_in: Callable[[Any, Surroundings], Publisher] | None = None
    make_over: Callable[[Any, Any, Surroundings], Publisher | None] | None = None
    serve: Callable[[Any, Any, Surroundings], dict[str, Any]] | None = None
    recipient: str = PUBLIC
    is_fixed: bool = False


@dataclass(frozen=True, slots=True)
class Outlet:
    """One configured table."""

    name: str
    type: str
    kind: _Kind
    settings: Any
    recipient: str

    def publisher(self, surroundings: Surroundings) -> Publisher | None:
        """Return its publisher, None when it only answers requests."""
        if self.kind.make_over is not None:
            reader = surroundings.reader_of(self.recipient) if surroundings.reader_of else None
            return self.kind.make_over(self.settings, reader, surroundings)
        if self.kind.make_in is not None:
            return self.kind.make_in(self.settings, surroundings)
        return self.kind.make(self.settings, surroundings.counters) if self.kind.make else None


def _ldes(settings: LdesSettings, reader: Any, around: Surroundings) -> dict[str, Any]:
    kept = around.kept().get(OBSERVATIONS, 0)
    if kept and not 0 < settings.retention_days <= kept:
        settings = replace(settings, retention_days=kept)  # what is deleted cannot be promised
    return {"/ldes": LdesServer(reader, around.clock, settings, around.folder)} if settings.enabled else {}


def _files(settings: FilesSettings, around: Surroundings) -> Publisher:
    return FilesPublisher(settings, around.clock)


def _catalog(settings: CatalogSettings, reader: Any, around: Surroundings) -> dict[str, Any]:
    if settings.retention == UNSAID and around.kept():
        settings = replace(settings, retention=in_dutch(around.kept()))
    return catalog_applications(settings, reader, around.shared.get(SERVED, ()))


def _sensorthings(settings: SensorThingsServerSettings, reader: Any, around: Surroundings) -> dict[str, Any]:
    if not settings.enabled:
        return {}
    core = _core(settings, reader, around)
    return {PATH: SensorThingsServer(reader, around.clock, settings, around.folder, core=core)}


def _sensorthings_mqtt(
    settings: SensorThingsServerSettings, reader: Any, around: Surroundings
) -> Publisher | None:
    if not settings.enabled or not settings.has_mqtt or reader is None:
        return None
    return SensorThingsMqtt(_core(settings, reader, around), around.counters)


def _core(settings: SensorThingsServerSettings, reader: Any, around: Surroundings) -> Core:
    if settings.name not in around.shared:
        around.shared[settings.name] = Core(reader, around.clock, settings, around.folder)
    return around.shared[settings.name]


KINDS: dict[str, _Kind] = {
    "ngsi_ld": _Kind(NgsiLdSettings, NgsiLdPublisher, context_documents),
    "sensorthings": _Kind(
        SensorThingsSettings,
        make_in=lambda settings, house: SensorThingsPublisher(settings, house.counters, house.folder),
        recipient=OWN_NAME,
    ),
    "sensor_community": _Kind(
        SensorCommunitySettings,
        make_in=lambda settings, house: SensorCommunityPublisher(settings, house.counters, house.clock),
        recipient="sensor.community",
        is_fixed=True,
    ),
    "opensensemap": _Kind(
        OpenSenseMapSettings,
        make_in=lambda settings, house: OpenSenseMapPublisher(settings, house.counters, house.clock),
        recipient="openSenseMap",
        is_fixed=True,
    ),
    "home_assistant": _Kind(HomeAssistantSettings, HomeAssistantPublisher),
    "mqtt": _Kind(MqttPublisherSettings, MqttPublisher),
    "influx": _Kind(InfluxSettings, InfluxPublisher),
    "webhook": _Kind(
        WebhookSettings,
        make_in=lambda settings, house: WebhookPublisher(settings, house.counters, house.clock),
    ),
    "prometheus": _Kind(
        PrometheusSettings,
        serve=lambda settings, reader, house: {
            "/metrics": MetricsServer(reader, house.clock, settings, house.status)
        },
    ),
    "sensorthings_server": _Kind(
        SensorThingsServerSettings, serve=_sensorthings, make_over=_sensorthings_mqtt
    ),
    "ngsi_v2": _Kind(NgsiV2Settings, NgsiV2Publisher),
    "ldes": _Kind(LdesSettings, serve=_ldes),
    "catalog": _Kind(CatalogSettings, serve=_catalog),
    "files": _Kind(FilesSettings, make_in=_files),
}
UNASKED = ("ldes", "catalog", "sensorthings_server")  # open data that is there without a table of its own


def public_documents(config: Config) -> dict[str, tuple[str, bytes]]:
    """Return the documents that platforms fetch from the page: path to (media type, content)."""
    found: dict[str, tuple[str, bytes]] = codec_documents()
    about = json.dumps(csv_metadata("observations.csv", config.text("web.title")), indent=1).encode()
    found["/api/observations.csv-metadata.json"] = ("application/csvm+json", about)
    for outlet in outlets(config):
        found |= outlet.kind.documents(outlet.settings)
    return found


def served(config: Config, reader_of: Callable[[str], Any], surroundings: Surroundings) -> dict[str, Any]:
    """Return the ASGI applications that outlets put beside the page, by path ("/sta/v1.1")."""
    found: dict[str, Any] = {}
    configured = outlets(config)
    taken = {outlet.type for outlet in configured} | set(config.publish)
    unasked = [_outlet(name, {}, config.base) for name in UNASKED if name not in taken]
    configured += [_as_the_page(outlet, config) for outlet in unasked]
    for outlet in sorted(configured, key=lambda one: one.type == "catalog"):
        if outlet.kind.serve is not None:
            surroundings.shared[SERVED] = frozenset(found)
            found |= outlet.kind.serve(outlet.settings, reader_of(outlet.recipient), surroundings)
    return found


def _as_the_page(outlet: Outlet, config: Config) -> Outlet:
    """Return an outlet with what is served as the page has it, where nobody said otherwise.

    Its address above all: behind a proxy a request tells another one, and links would lead nowhere.
    """
    address = config.text("web.url").rstrip("/")
    is_root = address.startswith(("http://", "https://")) and "/" not in address.partition("://")[2]
    told: dict[str, str] = {"base_url": address, "public_url": address} if is_root else {}
    if outlet.type == "catalog":
        contact = config.text("web.contact")
        told |= {
            "title": config.text("web.title"),
            "publisher": config.text("web.owner"),
            "legal_basis": config.text("web.legal_basis"),
            "email": "" if "://" in contact else contact,
            "contact_url": contact if "://" in contact else "",
        }
    given = config.publish.get(outlet.name, {})
    known = {one.name for one in fields(outlet.settings)}
    changes = {key: value for key, value in told.items() if value and key in known and key not in given}
    return replace(outlet, settings=replace(outlet.settings, **changes)) if changes else outlet


def outlets(config: Config) -> list[Outlet]:
    """Return what is configured without connecting to anything; raise ConfigError."""
    found = [_outlet(name, dict(table), config.base) for name, table in config.publish.items()]
    for outlet in found:
        if not outlet.recipient or len(outlet.recipient) > 64:
            raise ConfigError(f"publish.{outlet.name}.recipient", "give 1 to 64 characters")
    return [_as_the_page(outlet, config) for outlet in found]


def check_publishers(config: Config) -> list[tuple[_Kind, Any]]:
    """Return kind and settings of all tables under `publish`; raise ConfigError."""
    return [(outlet.kind, outlet.settings) for outlet in outlets(config)]


def _outlet(name: str, table: dict[str, Any], base: Path) -> Outlet:
    key = f"publish.{name}"
    type_name = table.pop("type", name)
    kind = KINDS.get(type_name) if isinstance(type_name, str) else None
    if kind is None:
        raise ConfigError(f"{key}.type", f"{type_name!r} is no publisher: give {' or '.join(sorted(KINDS))}")
    recipient = table.pop("recipient", kind.recipient or name)
    if not isinstance(recipient, str):
        raise ConfigError(f"{key}.recipient", f"{recipient!r} is not allowed: give a name in quotes")
    if kind.is_fixed and recipient != kind.recipient:
        raise ConfigError(
            f"{key}.recipient",
            f"its terms need their own consent: leave it out (it is {kind.recipient})",
        )
    return Outlet(name, type_name, kind, _settings(key, name, kind, table, base), recipient)


def _settings(key: str, name: str, kind: _Kind, table: dict[str, Any], base: Path) -> Any:
    known = {field.name for field in fields(kind.settings)} - {"name"}
    for entry in [entry for entry in table if entry.endswith("_file") and entry[:-5] in known]:
        table[entry[:-5]] = _secret(f"{key}.{entry}", table.pop(entry), base)
    for entry in table:
        if entry not in known:
            close = difflib.get_close_matches(entry, [*known, "type", "recipient"], 1, 0.6)
            like = f'did you mean "{close[0]}"? ' if close else ""
            raise ConfigError(
                f"{key}.{entry}",
                f"unknown setting; {like}known are {', '.join(sorted(known))}, type, recipient",
            )
    try:
        return msgspec.convert({**table, "name": name}, kind.settings)
    except msgspec.ValidationError as error:
        raise ConfigError(key, f"{error}; correct that setting") from error


def _secret(key: str, value: object, base: Path) -> str:
    if not isinstance(value, str):
        raise ConfigError(key, f"{value!r} is not allowed: give the path of a file")
    try:
        return (base / value).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(key, f"cannot read {value} ({error}): correct the path or its mode") from error
