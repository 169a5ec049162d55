"""The SHT4x model by itself: data sheet formula, timing, faults."""

import json

import pytest

from simulator.chips.base import Constants, Nak
from simulator.chips.sht4x import SHT4x

MS = 1000


def measure(model: SHT4x, now_us: int = 0, wait_us: int = 10 * MS) -> bytes:
    model.write(b"\xfd", now_us)
    return model.read(6, now_us + wait_us)


def test_vector_bytes_at_25_degrees(shared):
    for case in json.loads(shared("vectors/sensors.json").read_text())["sht4x"]:
        model = SHT4x(Constants(temperature_c=case["t_c"], relative_humidity_pct=case["rh_pct"]))
        assert measure(model).hex() == case["frame"]


def test_reads_before_the_conversion_ends_are_not_acknowledged():
    model = SHT4x()
    with pytest.raises(Nak):
        measure(model, wait_us=8 * MS)
    assert len(model.read(6, 9 * MS)) == 6


def test_an_answer_is_given_once():
    model = SHT4x()
    measure(model)
    with pytest.raises(Nak):
        model.read(6, 20 * MS)


def test_low_repeatability_is_faster():
    model = SHT4x()
    model.write(b"\xe0", 0)
    assert len(model.read(6, 2 * MS)) == 6


@pytest.mark.parametrize("fault", ["nak", "brown_out", "slow"])
def test_faults_that_give_no_data(fault):
    model = SHT4x()
    model.faults.add(fault)
    with pytest.raises(Nak):
        measure(model)


def test_stuck_repeats_and_condensation_saturates():
    source = Constants(temperature_c=25.0, relative_humidity_pct=56.5)
    model = SHT4x(source)
    first = measure(model)
    model.faults.add("stuck")
    source.set(temperature_c=-10.0)
    assert measure(model, 100 * MS) == first
    model.faults = {"condensation"}
    assert measure(model, 200 * MS)[3:5] == b"\xff\xff"


def test_unknown_command_is_refused():
    with pytest.raises(Nak):
        SHT4x().write(b"\x00", 0)
