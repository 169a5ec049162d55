"""The SPS30 driver against its model (settling, health, cleaning, recovery) and against disturbed bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import DriverError
from drivers.sps30 import SPS30
from simulator.chips import sps30 as chips
from simulator.chips.base import Constants
from tests.firmware.drivers.bus import FakeClock, ModelI2C, NoisyI2C
from wire.record import (
    CHECKSUM,
    DEGRADED,
    FAULT,
    NO_ANSWER,
    NOT_READY,
    OK,
    OUT_OF_RANGE,
    STATE_NAMES,
    TIMEOUT,
    WARMUP,
)

CLEAN_AIR = {"pm1_ug_m3": 5.2, "pm2_5_ug_m3": 9.5, "pm4_ug_m3": 12.6, "pm10_ug_m3": 13.3, "n10_per_cm3": 42.5}
DENSE_AIR = {"pm1_ug_m3": 60.0, "pm2_5_ug_m3": 80.0, "n10_per_cm3": 500.0}


def wired(air=CLEAN_AIR, firmware=(2, 2), start_us=0):
    clock = FakeClock(start_us)
    model = chips.SPS30(Constants(**air), firmware)
    return SPS30(ModelI2C(clock, model), clock), model, clock


def settled(air=CLEAN_AIR, **options):
    driver, model, clock = wired(air, **options)
    driver.start()
    clock.sleep_ms(driver.settle_ms + 1000)
    return driver, model, clock


def states(readings):
    return {state for _, _, state in readings}


def raws(readings):
    return [raw for _, raw, _ in readings]


def test_settled_readings_are_the_air():
    driver, _, _ = settled()
    readings = driver.fetch()
    assert [m for m, _, _ in readings] == list(driver.MEASURES)
    assert raws(readings) == [52, 95, 126, 133]
    assert states(readings) == {OK}
    assert driver.numbers[4] == 425
    assert driver.size_nm == 600


@pytest.mark.parametrize(
    ("air", "after_s", "state"),
    [
        (CLEAN_AIR, 2, WARMUP),
        (CLEAN_AIR, 17, WARMUP),
        (CLEAN_AIR, 29, WARMUP),
        (CLEAN_AIR, 31, OK),
        (DENSE_AIR, 15, WARMUP),
        (DENSE_AIR, 17, OK),
    ],
)
def test_settling_is_a_state(air, after_s, state):
    driver, _, clock = wired(air)
    driver.start()
    clock.sleep_ms(after_s * 1000)
    assert states(driver.fetch()) == {state}


def test_warm_up_does_not_come_back_when_the_tick_counter_wraps():
    driver, model, clock = settled()
    model.auto_clean_s = 0  # the weekly cleaning would fall due meanwhile
    assert states(driver.fetch()) == {OK}
    clock.us += (1 << 30) * 1000 - 5_000_000  # the counter is back just before its value at the start
    assert states(driver.fetch()) == {OK}


def test_every_fetch_waits_for_a_new_value():
    driver, _, clock = settled()
    driver.fetch()
    before = clock.us
    assert states(driver.fetch()) == {OK}
    assert 500_000 < clock.us - before < 1_500_000


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("nak", NO_ANSWER),
        ("brown_out", NO_ANSWER),
        ("bad_crc", CHECKSUM),
        ("stuck", TIMEOUT),
        ("dead_fan", FAULT),
        ("old_laser", FAULT),
        ("worn_fan", DEGRADED),
    ],
)
def test_faults_become_states(fault, state):
    driver, model, _ = settled()
    driver.fetch()
    model.faults.add(fault)
    assert states(driver.fetch()) == {state}


def test_a_worn_fan_keeps_the_number():
    driver, model, _ = settled()
    model.faults.add("worn_fan")
    assert raws(driver.fetch()) == [52, 95, 126, 133]


def test_after_a_brown_out_it_starts_again_and_warms_up():
    driver, model, clock = settled()
    model.faults.add("brown_out")
    driver.fetch()
    clock.sleep_ms(60_000)
    model.faults.clear()
    clock.sleep_ms(60_000)
    assert states(driver.fetch()) == {WARMUP}
    clock.sleep_ms(31_000)
    assert states(driver.fetch()) == {OK}


def test_a_dip_that_nobody_saw_is_noticed_and_repaired():
    driver, model, clock = settled()
    driver.fetch()
    model.power_off()  # the supply dipped between two fetches
    clock.sleep_ms(60_000)
    assert states(driver.fetch()) == {TIMEOUT}
    clock.sleep_ms(60_000)
    assert states(driver.fetch()) == {TIMEOUT}
    clock.sleep_ms(60_000)
    assert states(driver.fetch()) == {WARMUP}


def test_cleaning_is_not_ready_for_its_ten_seconds():
    driver, model, clock = settled()
    driver.fetch()
    assert driver.clean() == OK
    clock.sleep_ms(3000)
    assert states(driver.fetch()) == {NOT_READY}
    clock.sleep_ms(9000)
    assert states(driver.fetch()) == {OK}
    assert model.cleanings == 1


def test_cleaning_needs_a_running_fan():
    driver, model, _ = wired()
    assert driver.clean() == NOT_READY
    assert model.cleanings == 0


def test_the_chips_own_cleaning_costs_readings_but_no_restart():
    driver, model, clock = settled()
    driver.set_auto_clean(40)
    clock.sleep_ms(25)
    assert driver.auto_clean() == 40
    driver.fetch()
    clock.sleep_ms(9_000)
    assert states(driver.fetch()) == {TIMEOUT}
    clock.sleep_ms(11_000)
    assert states(driver.fetch()) == {OK}
    assert model.cleanings == 1


def test_old_firmware_without_a_status_register_still_reads():
    driver, _, _ = settled(firmware=(1, 0))
    assert states(driver.fetch()) == {OK}


def test_before_start_and_after_stop_there_is_no_value():
    driver, model, clock = wired()
    assert states(driver.fetch()) == {NOT_READY}
    driver.start()
    clock.sleep_ms(31_000)
    driver.stop()
    assert model.state == "idle"
    assert states(driver.fetch()) == {NOT_READY}


def test_start_wakes_a_sleeping_chip():
    driver, model, clock = settled()
    driver.sleep()
    assert model.state == "asleep"
    clock.sleep_ms(1000)
    driver.start()
    assert model.state == "measuring"


def test_a_start_that_fails_is_repeated_by_fetch():
    driver, model, clock = wired()
    model.faults.add("nak")
    driver.start()
    assert states(driver.fetch()) == {NO_ANSWER}
    model.faults.clear()
    assert states(driver.fetch()) == {WARMUP}
    clock.sleep_ms(31_000)
    assert states(driver.fetch()) == {OK}


def test_more_dust_than_the_table_allows_is_out_of_range():
    driver, _, _ = settled(DENSE_AIR | {"pm10_ug_m3": 2500.0})
    assert driver.fetch()[3] == (4, 0, OUT_OF_RANGE)


def test_probe_returns_the_firmware_version():
    assert wired()[0].probe() == (2, 2)


def test_probe_wakes_a_sleeping_chip():
    driver, model, _ = wired()
    model.state = "asleep"
    assert driver.probe() == (2, 2)


def test_probe_names_the_select_pin():
    clock = FakeClock()
    with pytest.raises(DriverError, match=r"0x69.*5 V.*SEL") as caught:
        SPS30(ModelI2C(clock), clock).probe()
    assert caught.value.state == NO_ANSWER


@given(st.binary(min_size=1, max_size=80))
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_readings(data):
    driver = SPS30(NoisyI2C(data), FakeClock())
    driver.start()
    for _ in range(3):
        readings = driver.fetch()
        assert [m for m, _, _ in readings] == list(driver.MEASURES)
        assert states(readings) <= set(STATE_NAMES)


def test_every_single_bit_error_of_a_frame_is_seen():
    driver, model, clock = settled()
    driver.fetch()
    clock.sleep_ms(1100)
    model.write(b"\x03\x00", clock.us)
    frame = model.read(60, clock.us)
    for bit in range(480):
        spoilt = bytearray(frame)
        spoilt[bit // 8] ^= 1 << bit % 8
        chip = SPS30(NoisyI2C(bytes(spoilt)), FakeClock())._link._chip
        assert chip.read(0x0300, 20, 1) == CHECKSUM
