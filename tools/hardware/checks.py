"""What can be wrong with a board and its kit before anybody solders: one function a rule.

A pin that a rule objects to may be allowed in the board's [allow], with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from simulator.hardware import NodeHardware, parts, supply_factor

_BOOST_LIMIT_MA = 500


def _pins(chip: dict[str, Any], key: str) -> set[int]:
    """Return a list of pins; pairs are inclusive ranges."""
    found: set[int] = set()
    for entry in chip[key]:
        first, last = entry if isinstance(entry, list) else (entry, entry)  # pyright: ignore[reportUnknownVariableType]
        found |= set(range(int(first), int(last) + 1))  # pyright: ignore[reportUnknownArgumentType]
    return found


def _allowed(node: NodeHardware, pin: int) -> bool:
    return bool(node.board.get("allow", {}).get(str(pin), ""))


def clashes(node: NodeHardware) -> Iterator[str]:
    """Two things on one pin, or one that the board itself uses."""
    seen: dict[int, str] = {
        int(pin): f"the board's {what}" for pin, what in node.board.get("own", {}).items()
    }
    for use in node.uses:
        if use.pin in seen:
            yield f"pin {use.pin}: {use.what} clashes with {seen[use.pin]}: give one of them another pin"
        seen[use.pin] = use.what


def exist(node: NodeHardware) -> Iterator[str]:
    """Pins that the chip lacks, or that lead to its flash."""
    for use in node.uses:
        if use.pin in _pins(node.chip, "flash"):
            yield f"pin {use.pin}: {use.what}: belongs to the flash or PSRAM of the {node.chip['name']}"
        elif use.pin not in _pins(node.chip, "pins"):
            yield f"pin {use.pin}: {use.what}: the {node.chip['name']} has no such pin"


def strapping(node: NodeHardware) -> Iterator[str]:
    """Pins whose level at reset chooses how the chip starts."""
    for use in node.uses:
        if use.pin in node.chip["strapping"] and not _allowed(node, use.pin):
            yield f"pin {use.pin}: {use.what}: a strapping pin, read at reset; say in [allow] why it is safe"


def console(node: NodeHardware) -> Iterator[str]:
    """Pins of the console and of USB."""
    for use in node.uses:
        if use.pin in node.chip["usb"]:
            yield f"pin {use.pin}: {use.what}: is a line of USB, which flashes and provisions the node"
        if use.pin in node.chip["console"] and not _allowed(node, use.pin):
            yield f"pin {use.pin}: {use.what}: the ROM prints here; say in [allow] why that is harmless"


def input_only(node: NodeHardware) -> Iterator[str]:
    """Pins that cannot drive, nor pull up."""
    for use in node.uses:
        if use.pin in node.chip["input_only"] and use.way in ("out", "both"):
            yield f"pin {use.pin}: {use.what}: can only be an input"


def adc(node: NodeHardware) -> Iterator[str]:
    """Voltages need a pin of ADC1: ADC2 is taken by Wi-Fi."""
    for use in node.uses:
        if use.way != "adc" or use.pin in node.chip["adc1"]:
            continue
        if use.pin in node.chip["adc2"]:
            yield f"pin {use.pin}: {use.what}: on ADC2, which does not work beside Wi-Fi: take a pin of ADC1"
        else:
            yield f"pin {use.pin}: {use.what}: has no ADC"


def counters(node: NodeHardware) -> Iterator[str]:
    """A counter in the chip itself: only where it has one, and only for nodes that never sleep."""
    for use in node.uses:
        if use.way != "counter":
            continue
        if not node.chip["counter"]:
            yield f"pin {use.pin}: {use.what}: the {node.chip['name']} has no counter: take an outside one"
        elif node.kit["power"] == "cell":
            yield f"pin {use.pin}: {use.what}: the chip's counter stops while it sleeps: take an outside one"


def coprocessor(node: NodeHardware) -> Iterator[str]:
    """What the coprocessor counts needs a chip that has one, and a pin that it sees."""
    for use in node.uses:
        if use.way != "ulp":
            continue
        if not node.chip["ulp"]:
            yield f"pin {use.pin}: {use.what}: no coprocessor in the {node.chip['name']}: take a counter chip"
        elif str(use.pin) not in node.chip["ulp_pins"]:
            known = ", ".join(node.chip["ulp_pins"])
            yield f"pin {use.pin}: {use.what}: the coprocessor does not see it: take one of {known}"


def addresses(node: NodeHardware) -> Iterator[str]:
    """Two chips on one bus with one address."""
    seen: dict[int, str] = {}
    for key in node.parts:
        part = parts()[key]
        if part["bus"] != "i2c":
            continue
        if part["address"] in seen:
            yield f"i2c 0x{part['address']:02x}: {key} and {seen[part['address']]} have the same address"
        seen[part["address"]] = key
    for bus in ("uart", "i2s"):
        on_bus = [key for key in node.parts if parts()[key]["bus"] == bus]
        if len(on_bus) > 1:
            yield f"{bus}: {' and '.join(on_bus)} want the same port"


def peak_ma(node: NodeHardware) -> tuple[int, int]:
    """Return (of the 3.3 V regulator, of the 5 V supply): everything at its most at once, Wi-Fi included."""
    low, high = int(node.chip["wifi_peak_ma"]), 0
    for key in node.parts:
        part = parts()[key]
        if part["supply"] == "5v":
            high += part["peak_ma"]
        else:
            low += part["peak_ma"]
    return low, high


def currents(node: NodeHardware) -> Iterator[str]:
    """More current than the regulator gives."""
    low, high = peak_ma(node)
    limit = node.board["power"]["limit_ma"]
    if low > limit:
        yield f"3.3 V: up to {low} mA, the regulator gives {limit} mA: fewer sensors or another regulator"
    if high > _BOOST_LIMIT_MA:
        yield f"5 V: up to {high} mA, the supply gives {_BOOST_LIMIT_MA} mA"
    for key in node.parts:
        factor = supply_factor(node, parts()[key])
        if factor != 1.0 and "power" not in _options(node, key):
            yield f"{key}: is on a boost converter that nothing switches off"


def _options(node: NodeHardware, key: str) -> dict[str, Any]:
    driver = parts()[key]["driver"]
    rows = [row for row in node.description["sensors"] if row["driver"] == driver]
    return rows[0].get("options", {}) if rows else {}


RULES: tuple[Callable[[NodeHardware], Iterator[str]], ...] = (
    clashes,
    exist,
    strapping,
    console,
    input_only,
    adc,
    counters,
    coprocessor,
    addresses,
    currents,
)


def faults(node: NodeHardware) -> list[str]:
    """Return everything that is wrong with a node; empty when it can be built."""
    return [f"{node.name}: {text}" for rule in RULES for text in rule(node)]
