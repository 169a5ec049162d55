"""Who lives in the simulated street: kinds, places, keys. All of it follows from seed and number of nodes.

The street is fictitious, and so are its keys: whoever knows the seed knows them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from simulator.nodeproc import SimulatorError
from simulator.places import Place, from_degrees

# Twelve nodes: 4 air, 3 noise, 3 bin, 2 garden; one air and one garden node go over Wi-Fi. Mixed, so
# that the first few already show every kind.
_TWELVE = (
    ("air", "lorawan"),
    ("noise", "lorawan"),
    ("bin", "lorawan"),
    ("garden", "lorawan"),
    ("air", "mqtt"),
    ("garden", "mqtt"),
    ("noise", "lorawan"),
    ("bin", "lorawan"),
    ("air", "lorawan"),
    ("noise", "lorawan"),
    ("bin", "lorawan"),
    ("air", "lorawan"),
)
_STREET = "Proefstraat"
ORIGIN = _LONGITUDE, _LATITUDE = 3.7203, 51.0498
_STEP_LONGITUDE, _STEP_LATITUDE = 0.00033, 0.00009  # about 25 m along the street
_BLOCK_LATITUDE = 0.0004  # between the streets of a scenario, about 45 m
_SIDE_LATITUDE = 0.00012  # the even side
_PRECISION_M = {"air": 50, "noise": 50, "bin": 10, "garden": 50}
MM_PER_TIP = 0.2794
BIN_EMPTY_MM, BIN_FULL_MM = 1350, 250


@dataclass(frozen=True)
class PlannedNode:
    """One node of the street. Its repr shows no key."""

    index: int
    kind: str
    transport: str
    site_id: str
    site_name: str
    longitude: float
    latitude: float
    dev_eui: str
    join_eui: str
    _seed: int
    own_board: str = ""
    interval_s: int = 0  # 0: the street's
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def name(self) -> str:
        """Name of the node's folder and log."""
        return self.site_id

    @property
    def place(self) -> Place:
        """Where it stands, in metres from the head of the street."""
        x_m, y_m = from_degrees(self.longitude, self.latitude, _LONGITUDE, _LATITUDE)
        return Place(self.site_id, x_m, y_m, greenery=0.6 if self.kind == "garden" else 0.2)

    @property
    def board(self) -> str:
        """Name of the board's module."""
        return self.own_board or "sim_" + self.kind

    @property
    def app_key(self) -> str:
        """LoRaWAN root key, 32 hex digits."""
        return _derived(self._seed, self.index, "app_key", 16)

    @property
    def mqtt_password(self) -> str:
        """Password of a Wi-Fi node at the broker."""
        return _derived(self._seed, self.index, "mqtt", 12)

    def provisioning(self) -> dict[str, Any]:
        """Return this node's row of street.json."""
        site: dict[str, Any] = {
            "id": self.site_id,
            "name": self.site_name,
            "longitude": self.longitude,
            "latitude": self.latitude,
            "precision_m": _PRECISION_M[self.kind],
            "licence": "CC-BY-4.0",
        }
        if self.kind == "bin":
            site["bin"] = {"empty_mm": BIN_EMPTY_MM, "full_mm": BIN_FULL_MM}
        if self.kind == "garden":
            site["rain_mm_per_tip"] = MM_PER_TIP
        row: dict[str, Any] = {
            "dev_eui": self.dev_eui,
            "kind": self.kind,
            "transport": self.transport,
            "site": site,
        }
        if self.transport == "lorawan":
            row |= {"join_eui": self.join_eui, "app_key": self.app_key}
        else:
            row["mqtt_password"] = self.mqtt_password
        return row


class Group(Protocol):
    """Like nodes, as a scenario describes them."""

    kind: Any
    count: int
    transport: Any
    board: str
    interval_s: int
    name: str
    config: dict[str, Any]


def _derived(seed: int, index: int, what: str, n: int) -> str:
    return hashlib.sha256(f"meetnet simulation/{seed}/{index}/{what}".encode()).hexdigest()[: 2 * n]


def identity(seed: int, index: int) -> tuple[str, str]:
    """Return (DevEUI, JoinEUI) of a node: locally administered, no maker's."""
    return "02" + _derived(seed, index, "dev_eui", 7), "02" + _derived(seed, 0, "join_eui", 7)


def _site_name(kind: str, number: int, street: str = _STREET) -> str:
    names = {
        "air": f"{street} {number}, voorgevel",
        "noise": f"{street} {number}, straatkant",
        "bin": f"Afvalbak {street} ter hoogte van {number}",
        "garden": f"Tuin {street} {number}",
    }
    return names[kind]


def plan(nodes: int = 12, seed: int = 1) -> list[PlannedNode]:
    """Return the nodes of a street; SimulatorError when nodes is not 1..5000."""
    if not 1 <= nodes <= 5000:
        raise SimulatorError(f"nodes: {nodes}; give 1 to 5000")
    planned: list[PlannedNode] = []
    for index in range(nodes):
        kind, transport = _TWELVE[index % len(_TWELVE)]
        number = index + 1
        dev_eui, join_eui = identity(seed, index)
        side = _SIDE_LATITUDE if number % 2 == 0 else 0.0
        planned.append(
            PlannedNode(
                index=index,
                kind=kind,
                transport=transport,
                site_id=f"proefstraat-{number:02d}-{kind}",
                site_name=_site_name(kind, number),
                longitude=round(_LONGITUDE + index * _STEP_LONGITUDE, 6),
                latitude=round(_LATITUDE + index * _STEP_LATITUDE + side, 6),
                dev_eui=dev_eui,
                join_eui=join_eui,
                _seed=seed,
            )
        )
    return planned


def plan_groups(groups: Sequence[Group], seed: int = 1) -> list[PlannedNode]:
    """Return the nodes of a scenario's groups, on a square of streets. Site ids are unique."""
    planned: list[PlannedNode] = []
    numbers: dict[str, int] = {}
    side = max(1, math.isqrt(sum(group.count for group in groups)))
    for group in groups:
        for _ in range(group.count):
            index = len(planned)
            number = numbers[group.name] = numbers.get(group.name, 0) + 1
            row, column = divmod(index, side)
            planned.append(
                PlannedNode(
                    index=index,
                    kind=group.kind,
                    transport=group.transport,
                    site_id=f"{group.name}-{number:02d}-{group.kind}",
                    site_name=_site_name(group.kind, number, group.name.replace("-", " ").capitalize()),
                    longitude=round(_LONGITUDE + column * _STEP_LONGITUDE, 6),
                    latitude=round(_LATITUDE + row * _BLOCK_LATITUDE, 6),
                    dev_eui="02" + _derived(seed, index, "dev_eui", 7),
                    join_eui="02" + _derived(seed, 0, "join_eui", 7),
                    _seed=seed,
                    own_board=group.board,
                    interval_s=group.interval_s,
                    config=dict(group.config),
                )
            )
    return planned


def config_json(planned: PlannedNode, interval_s: int) -> dict[str, Any]:
    """Return a node's config.json but for its Wi-Fi. interval_s: where its group says nothing."""
    config: dict[str, Any] = {
        "schema": 1,
        "kind": planned.kind,
        "board": planned.board,
        "interval_s": planned.interval_s or interval_s,
        "radio": planned.transport,
        "dev_eui": planned.dev_eui,
        "ntp": "ntp",
    }
    if planned.kind in ("bin", "garden"):
        config["battery_low_mv"] = 3300
    if planned.kind == "noise":
        config["noise_s"] = 1  # to listen all the time would be most of a simulated day's work
    if planned.transport == "lorawan":
        config |= {"join_eui": planned.join_eui, "app_key": planned.app_key}
    return config


def write_provisioning(path: Path, nodes: list[PlannedNode]) -> None:
    """Write street.json: what the gateway must know of each node. It holds keys: its owner alone reads it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(
        json.dumps({"devices": [node.provisioning() for node in nodes]}, indent=1), encoding="utf-8"
    )
