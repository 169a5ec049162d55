"""The LIS3DH model by itself."""

from simulator.chips.base import Constants
from simulator.chips.lis3dh import LIS3DH

S = 1_000_000


def read(model, register, n, now_us):
    model.write(bytes([register]), now_us)
    return model.read(n, now_us)


def axes(raw):
    return [int.from_bytes(raw[i : i + 2], "little", signed=True) >> 4 for i in (0, 2, 4)]


def test_identity():
    assert read(LIS3DH(), 0x0F, 1, 0) == b"\x33"  # firmware reference 3.4


def test_gravity_in_a_tilted_housing():
    model = LIS3DH(Constants(tilt_deg=90.0))
    model.write(b"\x23\x88", 0)
    model.write(b"\x20\x27", 0)
    assert axes(read(model, 0x28 | 0x80, 6, 2 * S)) == [0, 1000, 0]


def test_without_the_high_bit_one_register_is_read_again_and_again():
    model = LIS3DH(Constants(tilt_deg=0.0))
    model.write(b"\x23\x88", 0)
    model.write(b"\x20\x27", 0)
    raw = read(model, 0x28, 6, 2 * S)
    assert len(set(raw)) == 1


def test_samples_come_at_the_data_rate():
    model = LIS3DH()
    assert read(model, 0x27, 1, 5 * S) == b"\x00"  # off after power-up
    model.write(b"\x20\x27", 5 * S)
    assert read(model, 0x27, 1, 5 * S + 90_000) == b"\x00"
    assert read(model, 0x27, 1, 5 * S + 100_000) == b"\x0f"
    read(model, 0x28 | 0x80, 6, 5 * S + 110_000)
    assert read(model, 0x27, 1, 5 * S + 120_000) == b"\x00"
