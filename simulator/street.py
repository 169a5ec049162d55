"""A street: nodes with their sensors in the city's weather, radios in the air, a LoRa gateway on a roof.

    async with Street(StreetConfig(folder=..., semtech_udp=("127.0.0.1", 1700))) as street:
        await street.run(until_us)

Runs on a `VirtualLoop`; the Meetnet gateway may run on the same one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator import boards
from simulator.channel.forwarder import Forwarder
from simulator.channel.frame import Channel, Frame
from simulator.channel.ideal import IdealChannel
from simulator.channel.model import RadioModel
from simulator.channel.radio import RadioChannel
from simulator.chips.base import Source
from simulator.city import CityAt
from simulator.interfaces import City, Tally
from simulator.ledger import Ledger
from simulator.net import Wifi
from simulator.node import NodeSettings, SimNode
from simulator.nodeproc import HEAP_BYTES
from simulator.places import Place, Places
from simulator.plan import MM_PER_TIP, PlannedNode, config_json, plan, write_provisioning
from simulator.replay import Recording
from simulator.world import World

_COUNTED = {"air": "pm2_5_ug_m3", "noise": "sound_level", "bin": "distance_mm", "garden": "temperature_c"}
BROKER_PORT = 1883
BROKER = f"gateway:{BROKER_PORT}"
_STAGGER_US = 137_000
# What an ESP32-S3 leaves a program, some 250 KB (estimate), in the unix port: words twice as wide, and the
# 150 KB of bytecode that a chip has in its flash.
_S3_HEAP_BYTES = 640 * 1024
_PROGRESS_STEPS = 200
_JOIN_REQUEST = 0
_ROOF = Place("gateway", 0.0, 0.0, 25.0)
_WANTS = {
    "air": {"pm2_5", "temperature"},
    "noise": {"sound_level"},
    "bin": {"distance"},
    "garden": {"temperature", "relative_humidity"},
}


@dataclass
class StreetConfig:
    """What the street is like.

    semtech_udp: where the LoRa gateway forwards to. mqtt: the broker of the Wi-Fi nodes. Without an
    address those nodes find nobody. overrides: keys of config.json for all nodes.
    patience_s: real seconds that virtual time waits for servers outside this process.
    city: what there is to measure; without one the built-in street. radio: the air with its losses, between
    the nodes' places and the gateways', one forwarder each; without it everybody hears everybody.
    """

    folder: Path
    nodes: int = 12
    seed: int = 1
    interval_s: int = 300
    semtech_udp: tuple[str, int] | None = None
    mqtt: tuple[str, int] | None = None
    replay: Recording | None = None
    patience_s: float = 0.0
    city: City | None = None
    radio: RadioModel | None = None
    gateways: tuple[Place, ...] = (_ROOF,)
    overrides: dict[str, Any] = field(default_factory=dict[str, Any])
    planned: list[PlannedNode] | None = None
    """Who lives there; None is the street of twelve kinds, `nodes` long."""
    forwarder: Callable[..., Forwarder] = Forwarder
    around: Callable[[str, Source], Source] = lambda _site, source: source
    """What to put between what there is to measure at a site and its sensors."""
    power_on: bool = True


class _Both:
    """The recording where it knows a quantity, else the built-in city."""

    def __init__(self, first: Source, second: Source) -> None:
        self._first, self._second = first, second

    def __call__(self, quantity: str, now_us: int) -> float:
        try:
            return self._first(quantity, now_us)
        except KeyError:
            return self._second(quantity, now_us)


class Street:
    """A running street. `ledgers` holds, by site id, what the sensors saw."""

    def __init__(
        self, config: StreetConfig, *, on_event: Callable[[int, str, str, str], None] | None = None
    ) -> None:
        self.config = config
        self.planned = plan(config.nodes, config.seed) if config.planned is None else config.planned
        self.world = World(config.folder, on_event=on_event)
        self.radio = (
            RadioChannel(config.radio, Places.of(config.gateways)) if config.radio is not None else None
        )
        self.channel = IdealChannel() if self.radio is None else self.radio
        self._tally = Tally(nodes=len(self.planned))
        self.channel.subscribe(self._on_air)
        self.wifi = Wifi(patience_s=config.patience_s)
        self.ledgers: dict[str, Ledger] = {}
        self.nodes: dict[str, SimNode] = {}
        self.forwarders: list[Forwarder] = []
        self.start_us = self.world.loop.now_us()
        write_provisioning(self.provisioning, self.planned)

    @property
    def provisioning(self) -> Path:
        """The file that the gateway's `device add --from` reads."""
        return self.config.folder / "street.json"

    async def __aenter__(self) -> Street:
        await self.world.__aenter__()
        if self.config.mqtt is not None:
            # Nodes are told the usual port: which one is free here must not show in their configuration.
            self.wifi.hosts["gateway"] = (self.config.mqtt[0], None)
            self.wifi.hosts[BROKER] = self.config.mqtt
        if self.config.semtech_udp is not None:
            for k in range(len(self.config.gateways) if self.radio is not None else 1):
                air = self.channel if isinstance(self.channel, IdealChannel) else self.channel.gateway(k)
                eui = bytes.fromhex("0000e2fffe000001")[:-2] + (k + 1).to_bytes(2, "big")
                forwarder = self.config.forwarder(
                    air, self.config.semtech_udp, self.world.loop.now_us, eui=eui
                )
                self.forwarders.append(forwarder)
                await forwarder.start()
        for node in self.planned:
            added = self._add(node)
            if self.config.power_on:
                added.power_on(self.start_us + node.index * _STAGGER_US)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.world.__aexit__(*exc)
        for forwarder in self.forwarders:
            await forwarder.stop()

    async def run(self, until_us: int, progress: Callable[[float], None] | None = None) -> None:
        """Let the street live until a time (microseconds UTC). progress is told the part done, 0 to 1.

        Raises NodeCrashedError with the traceback of a node whose program broke.
        """
        begin_us = self.world.loop.now_us()
        steps = _PROGRESS_STEPS if progress is not None else 1
        for step in range(1, steps + 1):
            await self.world.run_until(begin_us + (until_us - begin_us) * step // steps)
            if progress is not None:
                progress(step / steps)

    def transactions(self) -> int:
        """Return how many requests the nodes have made so far."""
        return sum(node.transactions for node in self.nodes.values())

    def tally(self) -> Tally:
        """Return what was done so far: records as the chip models were asked for them."""
        tally = self._tally
        tally.records = sum(
            len(self.ledgers[node.site_id].acquisitions(_COUNTED[node.kind])) for node in self.planned
        )
        return tally

    def _on_air(self, frame: Frame) -> None:
        """Count a frame that a node sends."""
        if frame.inverted:
            return
        tally = self._tally
        tally.air_us += frame.end_us - frame.start_us
        if frame.payload[0] >> 5 == _JOIN_REQUEST:
            tally.joins += 1
        else:
            tally.frames += 1

    def _air(self, planned: PlannedNode) -> Channel | None:
        """Return the air as a node has it."""
        if planned.transport != "lorawan":
            return None
        if isinstance(self.channel, IdealChannel):
            return self.channel
        return self.channel.at(planned.place)

    def _add(self, planned: PlannedNode) -> SimNode:
        ledger = self.ledgers[planned.site_id] = Ledger(
            self.config.around(planned.site_id, self._source(planned))
        )
        number = int(hashlib.sha256(planned.dev_eui.encode()).hexdigest()[:8], 16)
        board = boards.build(planned.board, ledger, self._air(planned), seed=number, mm_per_tip=MM_PER_TIP)
        settings = NodeSettings(
            name=planned.name,
            board=board,
            config=self._config_json(planned),
            seed=self.config.seed,
            wifi=self.wifi,
            heap_bytes=_S3_HEAP_BYTES if planned.kind == "noise" else HEAP_BYTES,
        )
        node = self.nodes[planned.site_id] = self.world.add_node(settings)
        return node

    def _source(self, planned: PlannedNode) -> Source:
        city: Source = (
            CityAt(self.config.seed, planned.site_id, self.start_us)
            if self.config.city is None
            else self.config.city.source(planned.place, self.start_us)
        )
        recording = self.config.replay
        if recording is None:
            return city
        recorded = recording.node_with(_WANTS[planned.kind], planned.index)
        if recorded is None:
            return city
        shift_s = self.start_us / 1e6 - recording.start_s
        return _Both(
            recording.source(recorded, shift_s, (planned.interval_s or self.config.interval_s) / 2), city
        )

    def _config_json(self, planned: PlannedNode) -> dict[str, Any]:
        config = config_json(planned, self.config.interval_s)
        if planned.transport != "lorawan":
            config["wifi"] = {"ssid": self.wifi.ssid, "password": self.wifi.password}
            config["mqtt"] = {
                "host": "gateway",
                "port": BROKER_PORT,
                "user": planned.dev_eui,
                "password": planned.mqtt_password,
            }
        return config | dict(planned.config) | self.config.overrides
