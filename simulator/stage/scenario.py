"""A scenario file: who lives where, for how long, what goes wrong. TOML in, checked values out.

Each field says in its `Meta` what it is and what it may be; an error names the field by its path and repeats
that sentence. `schema()` gives the same as JSON Schema, for editors.
"""

from __future__ import annotations

import datetime
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from simulator.nodeproc import SimulatorError
from simulator.stage.events import KINDS as KINDS_OF_EVENTS
from simulator.stage.faults import KINDS, Fault, read
from simulator.stage.units import duration_us

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"
_PATH = re.compile(r"^(.*?) - at `\$\.?(.*?)`$", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `(.*?)`")
_MISSING = re.compile(r"missing required field `(.*?)`")
_KIND_TEXT = "kind of node: air, noise, bin or garden"


class Nodes(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A group of like nodes."""

    kind: Annotated[Literal["air", "noise", "bin", "garden"], Meta(description=_KIND_TEXT)]
    count: Annotated[int, Meta(ge=1, le=5000, description="how many nodes, 1 to 5000")] = 1
    transport: Annotated[
        Literal["lorawan", "mqtt"], Meta(description="how they send: lorawan or mqtt (over Wi-Fi)")
    ] = "lorawan"
    board: Annotated[
        str, Meta(description="a board of hardware/, such as t3s3_air; empty: the simulator's own")
    ] = ""
    interval_s: Annotated[
        int, Meta(ge=10, le=86400, description="seconds from record to record, 10 to 86400")
    ] = 300
    name: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9][a-z0-9-]{0,30}$",
            description="start of their site ids: small letters, digits and -, at most 31",
        ),
    ] = "proefstraat"
    config: Annotated[dict[str, Any], Meta(description="further keys of the nodes' config.json")] = (
        msgspec.field(default_factory=dict)
    )


class Fleet(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Very many LoRaWAN nodes on a square with gateways: the firmware's bytes, without its processes."""

    count: Annotated[int, Meta(ge=1, le=200_000, description="how many nodes, 1 to 200000")]
    size_km: Annotated[float, Meta(ge=0.1, le=200, description="side of the square, 0.1 to 200 km")] = 4.0
    gateways: Annotated[int, Meta(ge=1, le=2000, description="LoRa gateways on a grid, 1 to 2000")] = 4
    interval_s: Annotated[
        int, Meta(ge=60, le=86400, description="seconds from record to record, 60 to 86400")
    ] = 900
    batch: Annotated[int, Meta(ge=1, le=48, description="records that share a frame, 1 to 48")] = 1
    power_on: Annotated[str, Meta(description="within this time all are switched on, such as 1h")] = "10m"


class Gateway(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the nodes send to."""

    house: Annotated[
        str,
        Meta(
            pattern=r"^([\w.]+:\w+)?$",
            description="module:class of what runs behind the radio and the broker; empty: nothing of ours, "
            "give semtech_udp and mqtt",
        ),
    ] = "gateway.simulated:House"
    settings: Annotated[
        dict[str, Any],
        Meta(description='settings of the gateway by their names, such as "data.raw_days" = 7'),
    ] = msgspec.field(default_factory=dict)
    publish: Annotated[
        dict[str, dict[str, Any]],
        Meta(description="tables of the gateway's publishers, such as publish.webhook"),
    ] = msgspec.field(default_factory=dict)
    broker: Annotated[
        Literal["", "mosquitto"],
        Meta(
            description="a broker in a process of its own, which faults may kill: mosquitto of Debian; "
            "empty: the gateway's own"
        ),
    ] = ""
    semtech_udp: Annotated[
        str, Meta(pattern=r"^(.+:\d+)?$", description="host:port of a LoRaWAN server of yours")
    ] = ""
    mqtt: Annotated[str, Meta(pattern=r"^(.+:\d+)?$", description="host:port of an MQTT broker of yours")] = (
        ""
    )


class Radio(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The air between LoRaWAN nodes and the gateway."""

    model: Annotated[
        Literal["ideal", "city"],
        Meta(description="ideal: everybody is heard; city: distances, shadows, collisions, busy gateways"),
    ] = "ideal"
    rssi_dbm: Annotated[
        float, Meta(ge=-140, le=0, description="signal at the gateway, -140 to 0 dBm")
    ] = -80.0
    snr_db: Annotated[float, Meta(ge=-30, le=30, description="signal to noise, -30 to 30 dB")] = 9.0
    loss_percent: Annotated[
        float, Meta(ge=0, lt=100, description="frames that nobody hears, 0 to below 100 percent")
    ] = 0.0


class Scenario(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A whole scenario."""

    title: Annotated[str, Meta(min_length=1, description="one line that says what this is")]
    nodes: Annotated[list[Nodes], Meta(description="at least one group of nodes, or a fleet")] = (
        msgspec.field(default_factory=list)
    )
    fleet: Fleet | None = None
    start: Annotated[
        datetime.datetime,
        Meta(tz=True, description="when it begins, with its time zone: 2026-06-01T06:00:00Z"),
    ] = datetime.datetime(2026, 9, 21, 12, 0, tzinfo=datetime.UTC)
    until: Annotated[str, Meta(description="how long: 90m, 24h or 7d")] = "24h"
    seed: Annotated[int, Meta(ge=0, description="0 or above; another seed is another city")] = 1
    settle: Annotated[
        str, Meta(description="how long at the end, within `until`, no new fault begins: time to catch up")
    ] = "0s"
    events: Annotated[
        list[Literal["sensor", "node", "radio", "gateway", "store", "fault"]],
        Meta(description="kinds of events that are written: sensor, node, radio, gateway, store, fault"),
    ] = msgspec.field(default_factory=lambda: list(KINDS_OF_EVENTS))
    slack: Annotated[
        str,
        Meta(
            description="how late the minute's work of gateway and packet forwarder may be, such as 1h: for "
            "scenarios of years; 0s: as in life"
        ),
    ] = "0s"
    platform: Annotated[
        Literal["", "ngsi_ld", "ngsi_v2"],
        Meta(description="a platform to publish to, which takes everything: ngsi_ld, ngsi_v2, or nothing"),
    ] = ""
    city: Annotated[
        Literal["street", "town"],
        Meta(description="what there is to measure: street (one street's), or town (fitted to recordings)"),
    ] = "street"
    hosts: Annotated[
        bool,
        Meta(
            description="true: hosts of nodes on Wi-Fi switch their routers off, as people of the town do; "
            "false: nobody does"
        ),
    ] = False
    gateway: Gateway = msgspec.field(default_factory=Gateway)
    radio: Radio = msgspec.field(default_factory=Radio)
    faults: Annotated[list[dict[str, Any]], Meta(description="what goes wrong, one row each")] = (
        msgspec.field(default_factory=list)
    )

    @property
    def scripts(self) -> list[Fault]:
        """The faults, read."""
        return [read(row) for row in self.faults]

    @property
    def overrides(self) -> dict[str, Any]:
        """What faults want in the config.json of every node."""
        found: dict[str, Any] = {}
        for fault in self.scripts:
            found |= fault.provisions(self.seed)
        return found

    @property
    def start_us(self) -> int:
        """When it begins, in microseconds since 1970."""
        return int(self.start.timestamp()) * 1_000_000

    @property
    def until_us(self) -> int:
        """How long it lasts, in microseconds."""
        return duration_us(self.until, "until")

    @property
    def slack_us(self) -> int:
        """How late timers of a while may be, in microseconds."""
        return duration_us(self.slack, "slack", 0)

    @property
    def count(self) -> int:
        """How many nodes there are."""
        return sum(group.count for group in self.nodes) + (self.fleet.count if self.fleet else 0)


class ScenarioError(SimulatorError):
    """A scenario file that cannot be played; the text names file, field and remedy."""


def names() -> list[str]:
    """Return the scenarios that come with the simulator."""
    return sorted(path.stem for path in SCENARIOS.glob("*.toml"))


def find(name: str) -> Path:
    """Return the file of a scenario by path, or by the name of one that comes with the simulator."""
    path = Path(name)
    if path.suffix == ".toml" or path.exists():
        return path
    if name in names():
        return SCENARIOS / f"{name}.toml"
    raise ScenarioError(f"{name}: no such file or scenario; those that come along are {', '.join(names())}")


def load(path: Path) -> Scenario:
    """Read a scenario file; ScenarioError names the field that is wrong and what it may be."""
    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: is not TOML: {error}") from error
    return parse(document, str(path))


def parse(document: dict[str, Any], source: str = "scenario") -> Scenario:
    """Return a checked scenario; ScenarioError as of `load`."""
    try:
        found = msgspec.convert(document, Scenario)
        whole_us = found.until_us
        rest_us = duration_us(found.settle, "settle", 0)
        _ = found.slack_us
        _whole(found)
        if rest_us >= whole_us:
            raise SimulatorError(f"settle: {found.settle} is not shorter than until, {found.until}")
        for at, row in enumerate(found.faults):
            try:
                read(row).check(whole_us - rest_us)
            except SimulatorError as error:
                raise SimulatorError(f"faults[{at}].{error}") from error
            except msgspec.ValidationError as error:
                kind = KINDS[row["do"]]
                raise SimulatorError(f"faults[{at}].{_sentence(str(error), kind)}") from error
    except msgspec.ValidationError as error:
        raise ScenarioError(f"{source}: {_sentence(str(error), Scenario)}") from error
    except SimulatorError as error:
        raise ScenarioError(f"{source}: {error}") from error
    return found


def _whole(scenario: Scenario) -> None:
    """SimulatorError names what does not go together."""
    if bool(scenario.nodes) == (scenario.fleet is not None):
        raise SimulatorError("nodes: give at least one group of nodes, or a fleet, and not both")
    if scenario.fleet is None:
        return
    duration_us(scenario.fleet.power_on, "fleet.power_on")
    if scenario.faults or scenario.platform or not scenario.gateway.house:
        raise SimulatorError("fleet: takes no faults and no platform, and needs a gateway.house")


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario, each kind of fault with its fields."""
    (_, *_), found = msgspec.json.schema_components([Scenario, *KINDS.values()])
    rows = [{"$ref": f"#/$defs/{kind.__name__}"} for kind in KINDS.values()]
    found["Scenario"]["properties"]["faults"]["items"] = {"anyOf": rows}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": "#/$defs/Scenario",
        "$defs": found,
    }


def _sentence(text: str, struct: type[msgspec.Struct]) -> str:
    """Turn the library's message around: the field first, then what it must be."""
    found = _PATH.match(text)
    problem, path = (found[1], found[2]) if found else (text, "")
    inner = _INNER.get(path.split(".")[0].split("[")[0], struct) if struct is Scenario else struct
    unknown = _UNKNOWN.search(problem)
    missing = _MISSING.search(problem)
    if unknown:
        known = ", ".join(field.encode_name for field in msgspec.structs.fields(inner))
        return f"{_join(path, unknown[1])}: there is no such field; known here are {known}"
    if missing:
        return f"{_join(path, missing[1])}: is missing: give {_hint(missing[1], inner)}"
    name = path.rpartition(".")[2].split("[")[0]
    hint = _hint(name, inner) or _hint(name, struct)
    return f"{path or 'scenario'}: {problem[0].lower() + problem[1:]}{': ' + hint if hint else ''}"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _hint(name: str, struct: type[msgspec.Struct]) -> str:
    for field in msgspec.structs.fields(struct):
        if field.encode_name == name:
            for info in getattr(field.type, "__metadata__", ()):
                if isinstance(info, Meta) and info.description:
                    return info.description
    return ""


_INNER: dict[str, type[msgspec.Struct]] = {
    "nodes": Nodes,
    "fleet": Fleet,
    "gateway": Gateway,
    "radio": Radio,
}
