"""One description of a board for the firmware and for the simulator."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from simulator import boards as simulated
from simulator.channel.ideal import IdealChannel
from simulator.chips.base import Constants
from simulator.nodeproc import SimulatorError
from tools import boards

_SOURCE = Constants(temperature_c=20.0, relative_humidity_pct=50.0, battery_mv=3900.0, rain_mm=0.0)


def test_the_generated_tables_are_up_to_date() -> None:
    assert boards.main(["--check"]) == 0


@pytest.mark.parametrize("kind", ["air", "noise", "bin", "garden"])
def test_firmware_and_simulator_agree_on_pins_and_sensors(kind: str) -> None:
    module = importlib.import_module("boards.sim_" + kind)
    board = simulated.build("sim_" + kind, _SOURCE, IdealChannel())
    radio = module.RADIO
    assert set(board.spi) == {(radio["spi"], radio["nss"])}
    assert {(wire, pin) for _, wire, pin in board.watched} == {
        ("busy", radio["busy"]),
        ("dio1", radio["dio1"]),
    }
    assert set(board.driven) == {radio["reset"]}
    assert {row[0] for row in module.SENSORS} == set(board.chips) - {"radio"}


def test_a_node_over_wifi_has_no_radio_on_the_air() -> None:
    assert simulated.build("sim_air", _SOURCE).spi == {}


def test_an_unknown_board_names_the_known_ones() -> None:
    with pytest.raises(SimulatorError, match=r"there is no sim_submarine; known are .*sim_air"):
        simulated.build("sim_submarine", _SOURCE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "summary: say in a sentence"),
        ('summary = "x"\ncolour = "red"', "colour: is none of"),
        ('summary = "x"\n[i2c.0]\nscl = 1', r"i2c\.0\.sda: give the pin"),
        ('summary = "x"\n[radio]\nchip = "sx126x"', r"radio\.spi: is missing"),
        ('summary = "x"\n[[sensors]]\ndriver = "sht4x"\nbus = 3', r"sensors\[0\]\.bus: there is no bus 3"),
        ('summary = "x"\n[[sensors]]\nbus = 3', r"sensors\[0\]: has driver"),
        (
            'summary = "x"\n[radio]\nchip="sx126x"\nspi=1\nnss=1\nreset=2\nbusy=3\ndio1=4',
            r"radio\.spi: there is no spi\.1",
        ),
    ],
)
def test_a_bad_description_is_refused_with_its_key(tmp_path: Path, text: str, words: str) -> None:
    source = tmp_path / "x.toml"
    source.write_text(text)
    with pytest.raises(boards.BoardError, match=words):
        boards.module_text(source)
