"""The PMS5003T by a captured frame (avaldebe/PyPMS, tests/captured_data)."""

from __future__ import annotations

from drivers.pms5003 import PMS5003T
from wire import measurements as m
from wire.record import DEGRADED, OK

FRAME = bytes.fromhex("424D001C00170027002900160023002910 0804A9011600 0C00D400E09A0004AA".replace(" ", ""))


def test_the_captured_frame_has_its_published_values() -> None:
    driver = PMS5003T(None, None, atmospheric=True)
    assert driver._fits(FRAME, 32)
    readings = driver._readings(FRAME, OK)
    values = {measurement: raw for measurement, raw, _ in readings}
    assert values == {m.PM1: 220, m.PM2_5: 350, m.PM10: 410, m.TEMPERATURE: 2120, m.RELATIVE_HUMIDITY: 224}


def test_frost_is_negative() -> None:
    frame = bytearray(FRAME)
    frame[24:26] = (65536 - 53).to_bytes(2, "big")
    readings = PMS5003T(None, None)._readings(bytes(frame), OK)
    assert (m.TEMPERATURE, -530) in [row[:2] for row in readings]
    assert {row[2] for row in readings} <= {OK, DEGRADED}
