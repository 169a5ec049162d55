"""The SPS30 driver on its serial side, against its model and against disturbed bytes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import DriverError
from drivers.sps30_uart import SPS30Uart
from simulator.chips import sps30_uart as chips
from simulator.chips.base import Constants
from tests.firmware.drivers.bus import ByteStream, FakeClock, ModelUart
from wire.record import CHECKSUM, DEGRADED, FAULT, NO_ANSWER, NOT_READY, OK, STATE_NAMES, TIMEOUT, WARMUP

AIR = {"pm1_ug_m3": 5.2, "pm2_5_ug_m3": 9.5, "pm4_ug_m3": 12.6, "pm10_ug_m3": 13.3, "n10_per_cm3": 42.5}


def settled(wait_s=31):
    clock = FakeClock()
    model = chips.SPS30Uart(Constants(**AIR))
    driver = SPS30Uart(ModelUart(clock, model), clock)
    driver.start()
    clock.sleep_ms(wait_s * 1000)
    return driver, model, clock


def states(readings):
    return {state for _, _, state in readings}


def test_settled_readings_are_the_air():
    driver, _, _ = settled()
    assert driver.fetch() == [(1, 52, OK), (2, 95, OK), (3, 126, OK), (4, 133, OK)]
    assert driver.numbers[4] == 425
    assert driver.probe() == (2, 2)


def test_warm_up_is_a_state():
    driver, _, _ = settled(17)
    assert states(driver.fetch()) == {WARMUP}


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("nak", NO_ANSWER),
        ("brown_out", NO_ANSWER),
        ("bad_crc", CHECKSUM),
        ("slow", NO_ANSWER),
        ("stuck", TIMEOUT),
        ("dead_fan", FAULT),
        ("worn_fan", DEGRADED),
        ("noise", OK),
    ],
)
def test_faults_become_states(fault, state):
    driver, model, _ = settled()
    driver.fetch()
    model.faults.add(fault)
    assert states(driver.fetch()) == {state}


def test_a_dip_that_nobody_saw_is_noticed_and_repaired():
    driver, model, clock = settled()
    model.engine.power_off()
    seen = []
    for _ in range(4):
        seen.append(states(driver.fetch()))
        clock.sleep_ms(60_000)
    assert seen == [{TIMEOUT}, {TIMEOUT}, {WARMUP}, {OK}]


def test_a_chip_that_kept_measuring_through_a_reset_of_the_node_starts_anew():
    _driver, model, clock = settled()
    again = SPS30Uart(ModelUart(clock, model), clock)
    again.start()
    assert states(again.fetch()) == {WARMUP}


def test_cleaning_and_its_interval():
    driver, model, _clock = settled()
    driver.set_auto_clean(0x7E11137D)  # every byte of it must be escaped
    assert model.engine.auto_clean_s == 0x7E11137D
    assert driver.auto_clean() == 0x7E11137D
    assert driver.clean() == OK
    assert states(driver.fetch()) == {NOT_READY}


def test_sleep_and_start():
    driver, model, _clock = settled()
    driver.sleep()
    assert model.engine.state == "asleep"
    driver.start()
    assert model.engine.state == "measuring"


def test_probe_names_the_select_pin():
    driver, model, _ = settled()
    model.faults.add("nak")
    with pytest.raises(DriverError, match="TX and RX swapped, or SEL"):
        driver.probe()


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_bytes_give_readings(data):
    clock = FakeClock()
    driver = SPS30Uart(ModelUart(clock, ByteStream(data, 115_200, gap_us=300)), clock)
    driver.start()
    driver._running = True
    readings = driver.fetch()
    assert [m for m, _, _ in readings] == list(driver.MEASURES)
    assert states(readings) <= set(STATE_NAMES)


def test_every_single_bit_error_of_a_captured_frame_is_seen(shared):
    class OneAnswer(ByteStream):
        def host_wrote(self, data, now_us):
            self.byte_us = 1
            self.sent = 0

    frame = bytes.fromhex(
        json.loads(shared("vectors/sensors.json").read_text())["sps30"]["shdlc_read"][0]["frame"]
    )

    def answered(data):
        clock = FakeClock(1_000_000)
        stream = OneAnswer(data)
        stream.sent = len(data)  # nothing waits until the request is heard
        return SPS30Uart(ModelUart(clock, stream), clock)._link.new_values()

    assert answered(frame) == OK
    for bit in range(8 * len(frame)):
        spoilt = bytearray(frame)
        spoilt[bit // 8] ^= 1 << bit % 8
        assert answered(bytes(spoilt)) in (CHECKSUM, TIMEOUT)
