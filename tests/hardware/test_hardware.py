"""hardware/: every rule finds a planted fault and nothing in what is there; files follow from it."""

from __future__ import annotations

import copy
import csv
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest

from simulator import hardware
from simulator.nodeproc import SimulatorError
from tools.hardware import bom, checks, wiring
from tools.hardware.__main__ import main

Fault = Callable[[dict[str, Any], dict[str, Any]], None]


def node(
    board_name: str = "t3s3", kit_name: str = "garden", plant: Fault | None = None
) -> hardware.NodeHardware:
    board = copy.deepcopy(hardware.read(hardware.ROOT / "boards" / f"{board_name}.toml"))
    kit = copy.deepcopy(hardware.read(hardware.ROOT / "kits" / f"{kit_name}.toml"))
    if plant is not None:
        plant(board, kit)
    return hardware.combine(board_name, board, kit_name, kit)


def test_what_is_there_is_right_and_up_to_date() -> None:
    assert main(["--check"]) == 0


def test_each_of_the_four_boards_makes_every_kind_of_node() -> None:
    kinds: dict[str, set[str]] = {}
    for name, found in hardware.nodes().items():
        kinds.setdefault(name.split("_")[0], set()).add(found.kit["kind"])
    assert kinds == {
        board: {"air", "noise", "bin", "garden"} for board in ("t3s3", "lora32", "heltec3", "c3")
    }


@pytest.mark.parametrize("key", ["roles"])
@pytest.mark.parametrize(
    ("board", "kit", "role", "pin", "words"),
    [
        ("t3s3", "bin", "uart_tx", 5, "pin 5: .*clashes with radio sck"),
        ("t3s3", "bin", "uart_tx", 37, "pin 37: .*clashes with the board's LED"),
        ("t3s3", "bin", "uart_rx", 46, "pin 46: .*strapping pin"),
        ("t3s3", "bin", "uart_rx", 28, "pin 28: .*flash or PSRAM of the ESP32-S3"),
        ("lora32", "bin", "uart_rx", 24, "pin 24: .*the ESP32 has no such pin"),
        ("t3s3", "bin", "uart_rx", 20, "pin 20: .*line of USB"),
        ("lora32", "bin", "uart_tx", 34, "pin 34: .*can only be an input"),
        ("lora32", "garden", "soil_adc", 26, "pin 26: .*ADC2, which does not work beside Wi-Fi"),
        ("t3s3", "garden", "soil_adc", 38, "pin 38: .*has no ADC"),
        ("heltec3", "bin", "uart_rx", 44, "pin 44: .*ROM prints here"),
    ],
)
def test_a_pin_that_cannot_be_is_found(
    board: str, kit: str, role: str, pin: int, words: str, key: str
) -> None:
    def plant(description: dict[str, Any], _kit: dict[str, Any]) -> None:
        description[key][role] = pin

    found = checks.faults(node(board, kit, plant))
    assert any(re.search(words, text) for text in found), found


def test_two_chips_with_one_address_and_two_on_one_port_are_found() -> None:
    def addresses(_board: dict[str, Any], kit: dict[str, Any]) -> None:
        kit["parts"] = ["rain_gauge", "passage"]

    assert any("0x51" in text for text in checks.faults(node("c3", plant=addresses)))

    def ports(_board: dict[str, Any], kit: dict[str, Any]) -> None:
        kit["parts"] = ["a02yyuw", "a02yyuw"]

    assert any("same port" in text for text in checks.faults(node(kit_name="bin", plant=ports)))


def test_more_current_than_the_regulator_gives_is_found() -> None:
    def plant(board: dict[str, Any], _kit: dict[str, Any]) -> None:
        board["power"]["limit_ma"] = 345

    assert any("the regulator gives 345 mA" in text for text in checks.faults(node(plant=plant)))


def test_a_counter_that_stops_asleep_and_one_that_the_chip_lacks_are_found() -> None:
    for board, words in (("t3s3", "stops while it sleeps"), ("c3", "ESP32-C3 has no counter")):
        found = node(board)
        found.uses.append(hardware.Use(39 if board == "t3s3" else 19, "rain", "counter"))
        assert any(words in text for text in checks.faults(found))


def test_a_coprocessor_that_the_chip_lacks_and_a_pin_that_it_does_not_see_are_found() -> None:
    def plant(board: dict[str, Any], _kit: dict[str, Any]) -> None:
        board["roles"]["rain"] = 38

    assert any("pin 38: rain: the coprocessor does not see it" in t for t in checks.faults(node(plant=plant)))

    def without(board: dict[str, Any], _kit: dict[str, Any]) -> None:
        board["replace"] = {"rain_gauge": "rain_gauge_ulp"}
        board["roles"]["rain"] = 3

    found = checks.faults(node("c3", plant=without))
    assert any("no coprocessor in the ESP32-C3: take a counter chip" in text for text in found)


def test_a_boost_converter_that_nothing_switches_off_is_found() -> None:
    found = node(kit_name="bin-air")
    for row in found.description["sensors"]:
        if row["driver"] == "sps30":
            row["options"] = {}
    assert any("sps30: is on a boost converter" in text for text in checks.faults(found))


def test_an_unknown_part_and_a_missing_role_name_the_remedy() -> None:
    def part(_board: dict[str, Any], kit: dict[str, Any]) -> None:
        kit["parts"] = ["submarine"]

    with pytest.raises(SimulatorError, match=r"there is no submarine in parts\.toml"):
        node(plant=part)

    def role(board: dict[str, Any], _kit: dict[str, Any]) -> None:
        del board["roles"]["one_wire"]

    with pytest.raises(SimulatorError, match=r"needs the role one_wire: give it a pin"):
        node(plant=role)


@pytest.mark.parametrize("name", sorted(hardware.nodes()))
def test_the_bill_has_every_part_once_and_its_total_is_the_sum(name: str) -> None:
    found = hardware.nodes()[name]
    rows = list(csv.DictReader(io.StringIO(bom.bom(found))))
    *items, total = rows
    assert total["part"] == "total"
    assert sum(int(row["peak_ma"] or 0) for row in items) == int(total["peak_ma"])
    assert sum(float(row["measuring_ma"] or 0) for row in items) == pytest.approx(
        float(total["measuring_ma"]), abs=0.05
    )
    assert all(row["quantity"] != "" and row["unit_price_eur"] == "" for row in items)
    bought = [key for key in found.parts if not hardware.parts()[key].get("on_board")]
    assert len(items) == 1 + len(bought) + len(set(found.others))
    assert all(row["order_code"] for row in items)


@pytest.mark.parametrize("name", sorted(hardware.nodes()))
def test_the_drawing_is_xml_with_a_line_for_every_wire_inside_the_picture(name: str) -> None:
    found = hardware.nodes()[name]
    wires = wiring.wires(found)
    assert {wire.part for wire in wires} >= {
        key for key in found.parts if not hardware.parts()[key].get("on_board")
    }
    root = ET.fromstring(wiring.svg(found))
    width, height = (float(v) for v in root.attrib["viewBox"].split()[2:])
    paths = [element.attrib["d"] for element in root.iter() if element.tag.endswith("path")]
    assert len(paths) == len(wires)
    for path in paths:
        kinds, numbers = re.findall("[MHV]", path), re.findall(r"\d+", path)
        xs = [numbers[0]] + [n for k, n in zip(kinds[1:], numbers[2:], strict=True) if k == "H"]
        ys = [numbers[1]] + [n for k, n in zip(kinds[1:], numbers[2:], strict=True) if k == "V"]
        assert all(0 < float(x) < width for x in xs)
        assert all(0 < float(y) < height for y in ys)


def test_the_wires_of_a_sensor_lead_to_the_pins_of_the_firmwares_table() -> None:
    found = hardware.nodes()["heltec3_bin"]
    by_pin = {(wire.part, wire.pin): wire.pad for wire in wiring.wires(found)}
    assert by_pin["a02yyuw", "4 TX"] == f"GPIO{found.description['uart']['1']['rx']}"
    assert by_pin["a02yyuw", "3 RX"] == f"GPIO{found.description['uart']['1']['tx']}"
    assert by_pin["vl53l1x", "SDA"] == f"GPIO{found.description['i2c']['0']['sda']}"


def test_the_wireviz_file_is_yaml_whose_connections_have_their_connectors() -> None:
    yaml = pytest.importorskip("yaml", reason="needs a YAML reader")
    for found in hardware.nodes().values():
        document = yaml.safe_load(wiring.wireviz(found))
        for start, cable, end in document["connections"]:
            for side in (start, end):
                ((name, pins),) = side.items()
                assert set(pins) <= set(document["connectors"][name]["pinlabels"])
            ((name, numbers),) = cable.items()
            assert len(numbers) == document["cables"][name]["wirecount"]
