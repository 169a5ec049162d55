"""From hardware/*.toml to one description a node: board x kit, with pins, sensors, parts and currents.

The one truth behind firmware/boards, the simulator's boards, bills of materials, wiring and the energy model.
A file of hardware/boards either describes a whole node (`sensors`, as those of the simulator), or a board
that can take `kits`; then every kit of it is a node, named <board>_<kit>.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from simulator.nodeproc import SimulatorError
from simulator.where import HARDWARE as ROOT

BUSES = ("i2c", "spi", "uart", "i2s")
_CELL_MV = {"cell_lithium": 3700, "cell_2aa": 3000}
_CELL_MAH = {"cell_lithium": 3400, "cell_2aa": 3000}
_BOOST_EFFICIENCY_PCT = 85
_DRIVEN = {"sck", "mosi", "nss", "reset", "tx", "ws", "power", "switch"}
_BOTH_WAYS = {"sda", "scl", "one_wire"}


@dataclass(frozen=True)
class Use:
    """One pin of a node: what for, and which way ("out", "in", "both", "adc", "counter")."""

    pin: int
    what: str
    way: str


@dataclass(frozen=True)
class NodeHardware:
    """A board with a kit. `description` has the form of a whole node's file in hardware/boards."""

    name: str
    kit_name: str
    board: dict[str, Any]
    kit: dict[str, Any]
    chip: dict[str, Any]
    description: dict[str, Any]
    parts: list[str] = field(default_factory=list[str])  # sensors, in order
    others: list[str] = field(default_factory=list[str])  # all else that is bought
    uses: list[Use] = field(default_factory=list[Use])
    roles: dict[str, int] = field(default_factory=dict[str, int])


def read(path: Path) -> dict[str, Any]:
    """Return a TOML file."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


@cache
def _catalogue(root: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    return read(root / "parts.toml"), read(root / "chips.toml")


def parts(root: Path = ROOT) -> dict[str, Any]:
    """Return the parts by key."""
    return _catalogue(root)[0]


def chips(root: Path = ROOT) -> dict[str, Any]:
    """Return chips by key, and radios under "radios"."""
    return _catalogue(root)[1]


def nodes(root: Path = ROOT) -> dict[str, NodeHardware]:
    """Return every board with each of its kits, by module name."""
    found: dict[str, NodeHardware] = {}
    for path in sorted((root / "boards").glob("*.toml")):
        board = read(path)
        for kit_name in board.get("kits", []):
            node = combine(path.stem, board, kit_name, read(root / "kits" / f"{kit_name}.toml"), root)
            found[node.name] = node
    return found


def describe(name: str, root: Path = ROOT) -> dict[str, Any]:
    """Return the description of a node by its module name (sim_air, t3s3_bin); SimulatorError without one."""
    path = root / "boards" / (name.replace("_", "-") + ".toml")
    if path.exists():
        description = read(path)
        if "sensors" in description:
            return description
    known = nodes(root)
    if name not in known:
        whole = [p.stem.replace("-", "_") for p in (root / "boards").glob("*.toml") if "kits" not in read(p)]
        raise SimulatorError(f"board: there is no {name}; known are {', '.join(sorted([*whole, *known]))}")
    return known[name].description


def combine(
    board_name: str, board: dict[str, Any], kit_name: str, kit: dict[str, Any], root: Path = ROOT
) -> NodeHardware:
    """Return a board with a kit. SimulatorError names a part or a role that is missing."""
    name = f"{board_name}_{kit_name}".replace("-", "_")
    catalogue, chip = parts(root), chips(root)[board["chip"]]
    replace: dict[str, str] = board.get("replace", {})
    keys = [replace.get(key, key) for key in kit["parts"]]
    roles: dict[str, int] = board.get("roles", {}) | board.get("roles_of", {}).get(kit_name, {})
    node = NodeHardware(name, kit_name, board, kit, chip, {}, [key for key in keys if key], roles=roles)
    for key in node.parts:
        if key not in catalogue:
            raise SimulatorError(f"{name}: parts: there is no {key} in parts.toml")
    description = node.description
    description["summary"] = kit["summary"]
    description["board"] = board["name"]
    for bus in ("spi", "i2c"):
        if bus in board and (bus == "spi" or any(catalogue[key].get("bus") == "i2c" for key in node.parts)):
            description[bus] = board[bus]
    _radio_uses(node, root)
    description["radio"] = board["radio"]
    description["sensors"] = []
    for key in node.parts:
        _add_part(node, key, catalogue[key])
    description["energy"] = energy(node, root)
    _others(node, catalogue)
    return node


def _role(node: NodeHardware, role: str, of: str) -> int:
    if role not in node.roles:
        raise SimulatorError(f"{node.name}: {of} needs the role {role}: give it a pin in the board's [roles]")
    return node.roles[role]


def _use(node: NodeHardware, pin: int, what: str, way: str) -> None:
    if not any(use.pin == pin and use.what == what for use in node.uses):
        node.uses.append(Use(pin, what, way))


def _radio_uses(node: NodeHardware, root: Path) -> None:
    radio = node.board["radio"]
    kind = chips(root)["radios"][radio["chip"]]
    for wire in ("sck", "mosi", "miso"):
        pin = node.board["spi"][str(radio["spi"])][wire]
        _use(node, pin, f"radio {wire}", "out" if wire in _DRIVEN else "in")
    for way, wires in (("out", kind["outputs"]), ("in", kind["inputs"])):
        for wire in wires:
            _use(node, radio[wire], f"radio {wire}", way)


def _add_part(node: NodeHardware, key: str, part: dict[str, Any]) -> None:
    """Add the sensor's row, its bus where it is the first on it, and the pins that it uses."""
    row: dict[str, Any] = {"driver": part["driver"]}
    options: dict[str, Any] = {**part.get("options", {}), **node.kit.get("options", {}).get(key, {})}
    bus = part["bus"]
    description = node.description
    if bus == "i2c":
        row["bus"] = 0
        for wire in ("scl", "sda"):
            _use(node, description["i2c"]["0"][wire], f"i2c {wire}", "both")
    elif bus == "uart":
        row["bus"] = 1
        pins = {wire: _role(node, f"uart_{wire}", key) for wire in ("tx", "rx")}
        description["uart"] = {"1": {**pins, "baudrate": part.get("baudrate", 9600)}}
        _use(node, pins["tx"], "uart tx", "out")
        _use(node, pins["rx"], "uart rx", "in")
    elif bus == "i2s":
        row["bus"] = 0
        pins = {wire: _role(node, f"i2s_{wire}", key) for wire in ("sck", "ws", "sd")}
        description["i2s"] = {"0": pins | node.kit.get("i2s", {})}
        for wire, pin in pins.items():
            _use(node, pin, f"i2s {wire}", "out" if wire in _DRIVEN else "in")
    for option, role in part.get("roles", {}).items():
        options[option] = _role(node, role, key)
        way = {"adc": "adc", "counter": "counter", "one_wire": "both", "ulp": "ulp"}.get(bus, "in")
        _use(node, options[option], role.replace("_", " "), "out" if option in _DRIVEN else way)
    if options.get("counter") == "ulp":
        options["chip"] = node.board["chip"]
    if key == "battery":
        power = node.board["power"]
        options["ratio"] = power["battery_ratio"]
        if "battery_switch" in power:
            options["switch"] = _role(node, power["battery_switch"], key)
            _use(node, options["switch"], "battery switch", "out")
    if part.get("switched") or (part["supply"] == "5v" and node.kit["power"] == "cell"):
        options["power"] = _role(node, "sensor_power", key)
        _use(node, options["power"], "sensor power", "out")
    if options:
        row["options"] = options
    description["sensors"].append(row)


def supply_factor(node: NodeHardware, part: dict[str, Any]) -> float:
    """Return what a part's current becomes at the cell: more behind a boost converter."""
    if part["supply"] != "5v" or node.kit["power"] != "cell":
        return 1.0
    cell_mv = _CELL_MV[node.board["power"]["cells"]]
    return 5000 / cell_mv * 100 / _BOOST_EFFICIENCY_PCT


def energy(node: NodeHardware, root: Path = ROOT) -> dict[str, Any]:
    """Return the currents of the energy model in microamperes; sensors: {driver: [measuring, waiting]}."""
    catalogue = parts(root)
    radio = chips(root)["radios"][node.board["radio"]["chip"]]
    sensors: dict[str, list[int]] = {}
    waiting_ua = 0
    for key in node.parts:
        part = catalogue[key]
        factor = supply_factor(node, part)
        asleep = 0 if part.get("switched") or factor != 1.0 else part["sleep_ua"]
        waiting_ua += asleep
        sensors[part["driver"]] = [round(part["active_ua"] * factor), asleep]
    cell = node.board["power"]["cells"] if node.kit["power"] == "cell" else ""
    return {
        "battery_mah": _CELL_MAH.get(cell, 0),
        "sleep_ua": node.chip["light_sleep_ua"]
        + node.board["power"]["extra_sleep_ua"]
        + radio["sleep_ua"]
        + waiting_ua,
        "cpu_ua": node.chip["cpu_ma"] * 1000,
        "tx_ua": radio["tx_ma"] * 1000,
        "rx_ua": radio["rx_ma"] * 1000,
        "sensors": sensors,
    }


def _others(node: NodeHardware, catalogue: dict[str, Any]) -> None:
    """Collect what is bought beside sensors: supply, switch, boost converter, small parts."""
    cell = node.kit["power"] == "cell"
    if cell:
        node.others.append(node.board["power"]["cells"])
    if cell and any(catalogue[key]["supply"] == "5v" for key in node.parts):
        node.others.append("boost_5v")
    if any(catalogue[key].get("switched") for key in node.parts):  # a probe of some mA hangs on a pin itself
        node.others.append("load_switch")
    for key in node.parts:
        node.others.extend(catalogue[key].get("needs", []))
    node.others.extend(node.kit.get("others", []))
