"""Commands and status block of a noise node: exact bytes from the layout in the module's head, and fuzz."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wire import measurements, sound
from wire.errors import WireError


def test_the_bytes_are_those_of_the_layout() -> None:
    assert sound.pack_calibrate(7, 9400, 5, "B&K") == bytes.fromhex("3007 24b8 05") + b"B&K"
    assert sound.unpack_calibrate(bytes.fromhex("300724b805") + b"B&K") == (7, 9400, 5, "B&K")
    answer = bytes.fromhex("31 07 02 24b8 ffb0 6ab13c80") + b"B&K"
    assert sound.pack_calibrated(7, sound.NOT_1KHZ, 9400, -80, 0x6AB13C80, "B&K") == answer
    assert sound.unpack_calibrated(answer) == (7, 2, 9400, -80, 0x6AB13C80, "B&K")
    assert sound.pack_send_seconds(0x6AB13C80, 0x6AB13C8F) == bytes.fromhex("32 6ab13c80 6ab13c8f")
    assert sound.unpack_seconds(bytes.fromhex("33 6ab13c80 6ab13c8f 0010")) == (0x6AB13C80, 0x6AB13C8F, 16)


def test_a_meter_tells_what_it_is() -> None:
    block = sound.pack_meter(["wind", "gap"], -2600, -80, 0x6AB13C80, 3, 2900, "ics43434", 10)
    assert block == bytes.fromhex("009000 f5d8 ffb0 6ab13c80 03 0b54 01 0a 00")
    told = sound.unpack_meter(block)
    assert told["notes"] == ["gap", "wind"]
    assert (told["sensitivity"], told["correction"], told["self_noise"]) == (-2600, -80, 2900)
    assert (told["time_s"], told["number"], told["response"], told["octaves"]) == (
        0x6AB13C80,
        3,
        "ics43434",
        10,
    )


@pytest.mark.parametrize(
    ("pack", "arguments", "field"),
    [
        (sound.pack_calibrate, (0, 7000, 5, ""), "level"),
        (sound.pack_calibrate, (0, 9400, 2, ""), "seconds"),
        (sound.pack_calibrate, (0, 9400, 5, "x" * 25), "instrument"),
        (sound.pack_calibrate, (256, 9400, 5, "x"), "token"),
        (sound.pack_send_seconds, (1000, 1900), "to"),
        (sound.pack_send_seconds, (1000, 999), "to"),
    ],
)
def test_what_cannot_be_sent_names_its_field(
    pack: Callable[..., Any], arguments: tuple[Any, ...], field: str
) -> None:
    with pytest.raises(WireError) as caught:
        pack(*arguments)
    assert caught.value.field == field


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([0x30, 0x31, 0x32, 0x33, 0]), st.binary(max_size=40))
def test_any_bytes_are_a_command_or_an_error(first: int, rest: bytes) -> None:
    for unpack in (
        sound.unpack_calibrate,
        sound.unpack_calibrated,
        sound.unpack_send_seconds,
        sound.unpack_seconds,
        sound.unpack_meter,
    ):
        try:
            unpack(bytes([first]) + rest)
        except WireError as error:
            assert error.field


def test_third_octaves_have_rows_of_their_own() -> None:
    """Thirty-three bands of IEC 61260-1, 12.5 Hz to 20 kHz, by id and by name."""
    assert len(measurements.band_hz()) == measurements.BANDS == 33
    for i, name in ((0, "lzeq_12_5hz"), (4, "lzeq_31_5hz"), (19, "lzeq_1000hz"), (32, "lzeq_20000hz")):
        row = measurements.by_id(measurements.BAND_FIRST + i)
        assert row == measurements.by_name(name)
        assert row is not None
        assert row[:3] == (64 + i, name, "dB")
    assert measurements.by_id(97) is None
    assert measurements.by_name("lzeq_1001hz") is None
