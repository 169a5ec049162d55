"""Wiring of a node: a list of wires, and from it a WireViz file, a drawing (SVG), a pin table (Markdown)."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from html import escape

from simulator.hardware import NodeHardware, parts

_SUPPLY = {"3v3": "3V3", "5v": "5V", "gnd": "GND", "switched": "SW", "count": "OSCI"}
_COLOURS = {"3V3": "RD", "5V": "OG", "SW": "PK", "GND": "BK", "SDA": "BU", "SCL": "YE"}
_HEX = {"RD": "#c0392b", "OG": "#e67e22", "PK": "#d35498", "BK": "#222", "BU": "#2463b4", "YE": "#b7950b"}
_SPARE = ("GN", "VT", "BN", "GY", "TQ")
_SPARE_HEX = {"GN": "#2d8a4e", "VT": "#7d3c98", "BN": "#7e5109", "GY": "#707b7c", "TQ": "#148f8f"}


@dataclass(frozen=True)
class Wire:
    """One wire: from a pad of the board (or of a helper part) to a pin of a part."""

    start: str  # "U1", or the key of a helper part
    pad: str
    part: str
    pin: str
    colour: str


def _pad(node: NodeHardware, role: str) -> str:
    if role in _SUPPLY:
        return _SUPPLY[role]
    if role in ("sda", "scl"):
        return f"GPIO{node.description['i2c']['0'][role]}"
    return f"GPIO{node.roles[role]}"


def _colour(role: str, pad: str, used: list[str]) -> str:
    name = {"sda": "SDA", "scl": "SCL"}.get(role, pad)
    if name in _COLOURS:
        return _COLOURS[name]
    if pad not in used:
        used.append(pad)
    return _SPARE[used.index(pad) % len(_SPARE)]


def wires(node: NodeHardware) -> list[Wire]:
    """Return all wires of a node, sensors first, in the order of the kit."""
    found: list[Wire] = []
    used: list[str] = []
    catalogue = parts()
    cell = node.kit["power"] == "cell"
    helpers = [key for key in dict.fromkeys(node.others) if catalogue[key].get("wires")]
    for key in [*node.parts, *helpers]:
        for pin, role in catalogue[key].get("wires", []):
            if (
                role == "contact"
            ):  # a switch that somebody counts: a counter chip, or a pin of the chip itself
                role = "count" if "pcf8593" in node.others else "rain"
            pad, start = _pad(node, role), "U1"
            if role == "count":
                if key == "pcf8593":
                    continue  # drawn from the other end
                start = "pcf8593"
            elif role == "switched":
                start = "load_switch"
            elif role == "5v" and cell:
                start = "boost_5v"
            found.append(Wire(start, pad, key, pin, _colour(role, pad, used)))
    for key in ("load_switch", "boost_5v"):
        if key in node.others:
            control = f"GPIO{node.roles['sensor_power']}"
            supply = "3V3" if key == "load_switch" else "BAT"
            for pin, pad in (("IN", supply), ("ON", control), ("GND", "GND")):
                found.append(Wire("U1", pad, key, pin, _colour("", pad, used)))
    if "resistor_4k7" in node.others:
        pad = f"GPIO{node.roles['one_wire']}"
        found += [Wire("U1", pad, "resistor_4k7", "1", _colour("", pad, used))]
        found += [Wire("U1", "3V3", "resistor_4k7", "2", "RD")]
    return found


def _pins_of(found: list[Wire], name: str) -> list[str]:
    """Return the pins of a part, or the pads that wires begin at."""
    pads = [wire.pad for wire in found if wire.start == name]
    return list(dict.fromkeys([wire.pin for wire in found if wire.part == name] + pads))


def wireviz(node: NodeHardware) -> str:
    """Return a file for WireViz (wireviz.org), one cable a part and start."""
    found = wires(node)
    names = ["U1", *dict.fromkeys(wire.part for wire in found)]
    names += [wire.start for wire in found if wire.start not in names and wire.start != "U1"]
    lines = ["# Generated from hardware/ by python -m tools.hardware.", "connectors:"]
    for name in dict.fromkeys(names):
        title = node.board["name"] if name == "U1" else parts()[name]["name"]
        lines += [f"  {name}:", f'    type: "{title}"', "    pinlabels:"]
        lines += [f'      - "{pin}"' for pin in _pins_of(found, name)]
    groups: dict[tuple[str, str], list[Wire]] = {}
    for wire in found:
        groups.setdefault((wire.start, wire.part), []).append(wire)
    lines.append("cables:")
    for i, group in enumerate(groups.values()):
        colours = ", ".join(wire.colour for wire in group)
        lines += [f"  W{i + 1}:", f"    wirecount: {len(group)}", f"    colors: [{colours}]"]
    lines.append("connections:")
    for i, ((start, part), group) in enumerate(groups.items()):
        ends = [", ".join(f'"{wire.pad}"' for wire in group), ", ".join(f'"{wire.pin}"' for wire in group)]
        numbers = ", ".join(str(n + 1) for n in range(len(group)))
        lines += [f"  - - {start}: [{ends[0]}]", f"    - W{i + 1}: [{numbers}]", f"    - {part}: [{ends[1]}]"]
    return "\n".join(lines) + "\n"


_ROW, _TOP, _WIDTH = 22, 64, 900
_LEFT, _MIDDLE, _RIGHT = 40, 330, 560


def svg(node: NodeHardware) -> str:
    """Return the drawing: pads of the board on the left, parts on the right, a coloured line a wire."""
    found = wires(node)
    pads = list(dict.fromkeys(wire.pad for wire in found if wire.start == "U1"))
    starts = [w.start for w in found if w.start != "U1"]
    blocks: list[tuple[str, list[str]]] = [
        (name, _pins_of(found, name)) for name in dict.fromkeys([wire.part for wire in found] + starts)
    ]
    right: dict[tuple[str, str], int] = {}
    body: list[str] = []
    y = _TOP
    for name, pins in blocks:
        head = _lines(str(parts()[name]["name"]))
        top = 12 + 14 * len(head)
        height = _ROW * len(pins) + top
        body.append(f'<rect x="{_RIGHT}" y="{y}" width="300" height="{height}" rx="6" class="part"/>')
        for i, text in enumerate(head):
            body.append(f'<text x="{_RIGHT + 10}" y="{y + 17 + 14 * i}" class="name">{escape(text)}</text>')
        for i, pin in enumerate(pins):
            right[name, pin] = y + top + 10 + i * _ROW
            body.append(f'<text x="{_RIGHT + 14}" y="{right[name, pin] + 4}">{escape(pin)}</text>')
        y += height + 14
    total = max(y, _TOP + _ROW * len(pads) + 60)
    body.append(
        f'<rect x="{_LEFT}" y="{_TOP}" width="170" height="{_ROW * len(pads) + 30}" rx="6" class="part"/>'
    )
    left = {pad: _TOP + 26 + i * _ROW for i, pad in enumerate(pads)}
    body += [f'<text x="{_LEFT + 80}" y="{at + 4}">{escape(pad)}</text>' for pad, at in left.items()]
    found_right = 0
    for i, wire in enumerate(found):
        x = _MIDDLE + 6 * (i % 30)
        end = right[wire.part, wire.pin]
        colour = (_HEX | _SPARE_HEX)[wire.colour]
        if wire.start == "U1":
            path = f"M {_LEFT + 170} {left[wire.pad]} H {x} V {end} H {_RIGHT}"
        else:
            begin = right[wire.start, wire.pad]
            lane = _RIGHT + 310 + 6 * (found_right % 5)
            found_right += 1
            path = f"M {_RIGHT + 300} {begin} H {lane} V {end} H {_RIGHT + 300}"
        body.append(f'<path d="{path}" stroke="{colour}"/>')
    title = escape(f"{node.board['name']}: {node.kit['summary']}")
    style = "text{font:13px sans-serif}.name{font-weight:bold;font-size:12px}.part{fill:#f6f6f2;stroke:#444}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {total}" role="img" '
        f'aria-label="{title}">\n<style>{style} path{{fill:none;stroke-width:2}}</style>\n'
        '<rect width="100%" height="100%" fill="#fff"/>\n'
        f'<text x="{_LEFT}" y="34" class="name">{title}</text>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _lines(text: str) -> list[str]:
    """Return a name in as many lines as it needs at 38 characters."""
    return textwrap.wrap(text, 38) or [""]


def pin_table(node: NodeHardware) -> str:
    """Return a Markdown table of the pins in use."""
    lines = [
        f"# {node.name}",
        "",
        f"{node.board['name']}. {node.kit['summary']}. Generated by `python -m tools.hardware`.",
        "",
        "| GPIO | for | way | why this pin is safe |",
        "|---|---|---|---|",
    ]
    allow = node.board.get("allow", {})
    for use in sorted(node.uses, key=lambda use: (use.pin, use.what)):
        lines.append(f"| {use.pin} | {use.what} | {use.way} | {allow.get(str(use.pin), '')} |")
    lines += ["", "Taken by the board itself: " + (_own(node) or "nothing") + "."]
    return "\n".join(lines) + "\n"


def _own(node: NodeHardware) -> str:
    return ", ".join(f"{pin} {what}" for pin, what in node.board.get("own", {}).items())
