"""The SGP41 driver and its model: the data sheet's bytes, conditioning, self-test, faults."""

from __future__ import annotations

import pytest

from drivers.errors import DriverError
from drivers.sgp41 import SGP41, humidity_word, temperature_word
from simulator.chips import sgp41 as model_of
from simulator.chips.base import Constants
from tests.firmware.drivers.bus import FakeClock, ModelI2C
from wire.measurements import SRAW_NOX, SRAW_VOC
from wire.record import CHECKSUM, FAULT, NO_ANSWER, NOT_READY, OK, TIMEOUT, WARMUP


def wired(**values: float) -> tuple[SGP41, model_of.SGP41, FakeClock]:
    clock = FakeClock()
    model = model_of.SGP41(Constants(**({"sraw_voc": 29876.0, "sraw_nox": 15432.0} | values)))
    return SGP41(ModelI2C(clock, model), clock), model, clock


class _Wire:
    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def writeto(self, _address: int, buf: bytes) -> None:
        self.sent.append(bytes(buf))

    def readfrom_into(self, _address: int, _buf: bytearray) -> None:
        raise OSError(19)


def test_the_default_measurement_is_the_bytes_of_the_data_sheet() -> None:
    wire, clock = _Wire(), FakeClock()
    driver = SGP41(wire, clock)
    driver.start()
    driver.fetch()
    # SGP41 data sheet, "Measure raw signals": without compensation 0x8000 and 0x6666
    assert wire.sent[0].hex() == "26128000a2666693"
    assert wire.sent[1].hex() == "26198000a2666693"


def test_compensation_words_are_those_of_the_formula() -> None:
    # RH * 65535 / 100 and (T + 45) * 65535 / 175
    assert humidity_word(500) == 0x8000
    assert temperature_word(2500) == 0x6666
    assert (humidity_word(0), humidity_word(1000)) == (0, 65535)
    assert (temperature_word(-4500), temperature_word(13000)) == (0, 65535)
    driver, model, clock = wired()
    driver.compensate(800, 1000)
    driver.start()
    clock.sleep_ms(100)
    driver.fetch()
    assert model.arguments == (round(0.8 * 65535), round(55 * 65535 / 175))


def test_ticks_are_warm_up_until_conditioned_and_the_pixel_is_not_ruined() -> None:
    driver, model, clock = wired()
    assert driver.fetch() == [(SRAW_VOC, 0, NOT_READY), (SRAW_NOX, 0, NOT_READY)]
    driver.start()
    clock.sleep_ms(3000)
    assert driver.fetch() == [(SRAW_VOC, 29876, WARMUP), (SRAW_NOX, 15432, WARMUP)]
    clock.sleep_ms(7000)
    assert driver.fetch() == [(SRAW_VOC, 29876, OK), (SRAW_NOX, 15432, OK)]
    driver.stop()
    assert not model.heating
    assert not model.damaged


def test_a_node_that_keeps_to_settle_ms_never_conditions_too_long() -> None:
    driver, model, clock = wired()
    for _ in range(3):
        driver.start()
        clock.sleep_ms(driver.settle_ms)
        driver.fetch()
        driver.stop()
        clock.sleep_ms(60_000)
    assert not model.damaged


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("nak", NO_ANSWER),
        ("brown_out", NO_ANSWER),
        ("bad_crc", CHECKSUM),
        ("slow", TIMEOUT),
        ("gas_fail", FAULT),
    ],
)
def test_each_fault_is_its_state(fault: str, state: int) -> None:
    driver, model, clock = wired()
    driver.start()
    clock.sleep_ms(10_000)
    model.faults.add(fault)
    assert [row[2] for row in driver.fetch()] == [state, state]


def test_the_probe_names_a_missing_chip_and_a_broken_pixel() -> None:
    driver, model, _ = wired()
    assert driver.probe() == model.serial
    model.faults.add("gas_fail")
    with pytest.raises(DriverError, match="a pixel is broken"):
        driver.probe()
    model.faults = {"nak"}
    with pytest.raises(DriverError, match="SGP41 at 0x59"):
        driver.probe()
