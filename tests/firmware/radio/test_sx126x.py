"""The SX1262 driver against the chip model; expected bytes from the SX1261/2 datasheet rev 2.1."""

from __future__ import annotations

import pytest

from radio.errors import RadioError, RadioFault
from tests.firmware.radio.rig import Downlink, Rig

FREQ = 868_100_000


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.phy.start()
    return rig


def transmit(rig: Rig, payload: bytes = b"hello", sf: int = 7) -> int:
    return rig.phy.transmit(FREQ, sf, 125, 16, payload)


def window(rig: Rig, end: int, sf: int = 7, delay_us: int = 1_000_000, length_us: int = 50_000):
    opens = rig.clock.ticks_add(end, delay_us - 10_000)
    return rig.phy.receive(FREQ, sf, 125, opens, length_us)


def test_an_uplink_has_the_lorawan_parameters_on_the_air(rig: Rig):
    transmit(rig)
    (frame,) = rig.network.heard
    assert (frame.freq_hz, frame.sf, frame.bw_khz, frame.payload) == (FREQ, 7, 125, b"hello")
    assert (frame.inverted, frame.crc, frame.preamble, frame.coding_rate) == (False, True, 8, 1)
    assert frame.sync_word == 0x3444
    assert frame.power_dbm == 13  # floor(16 - 2.15), as LoRaMac-node asks of the radio


def test_end_of_transmission_is_stamped_within_half_a_millisecond(rig: Rig):
    for sf in (7, 12):
        end = transmit(rig, bytes(20), sf)
        assert 0 <= end - (rig.network.heard[-1].end_us & (1 << 30) - 1) <= 500


@pytest.mark.parametrize("sf", range(7, 13))
def test_low_data_rate_optimisation_is_on_from_16_ms_symbols(rig: Rig, sf: int):
    transmit(rig, sf=sf)
    assert rig.network.heard[0].ldro == (sf >= 11)


@pytest.mark.parametrize("sf", range(7, 13))
def test_a_downlink_in_the_window_is_received(rig: Rig, sf: int):
    rig.network.answer = lambda _: [Downlink(b"\x60downlink")]
    end = transmit(rig, sf=sf)
    symbol = (1 << sf) * 8
    assert window(rig, end, sf, length_us=max(50_000, 8 * symbol)) == (b"\x60downlink", -80, 36)


def test_a_negative_snr_is_signed(rig: Rig):
    rig.channel.snr_db = -7.5
    rig.channel.rssi_dbm = -120
    rig.network.answer = lambda _: [Downlink(b"\x60")]
    assert window(rig, transmit(rig)) == (b"\x60", -120, -30)


def test_iq_register_is_set_for_transmission_and_cleared_for_reception(rig: Rig):
    end = transmit(rig)
    writes = [m for m in rig.wires.log if m[:3] == b"\x0d\x07\x36"]
    assert [w[3] & 4 for w in writes] == [4]
    window(rig, end)
    writes = [m for m in rig.wires.log if m[:3] == b"\x0d\x07\x36"]
    assert [w[3] & 4 for w in writes] == [4, 0]


@pytest.mark.parametrize(
    "wrong",
    [{"inverted": False}, {"sync_word": 0x1424}, {"freq_hz": FREQ + 200_000}, {"sf": 8}],
    ids=["iq", "sync word", "frequency", "spreading factor"],
)
def test_a_frame_that_does_not_match_is_not_received(rig: Rig, wrong: dict):
    rig.network.answer = lambda _: [Downlink(b"\x60", **wrong)]
    assert window(rig, transmit(rig)) is None


def test_a_damaged_frame_with_crc_is_not_handed_over(rig: Rig):
    rig.network.answer = lambda _: [Downlink(b"\x60abc", crc=True, damaged=True)]
    assert window(rig, transmit(rig)) is None


def test_an_empty_window_ends_by_its_symbol_timeout(rig: Rig):
    end = transmit(rig)
    assert window(rig, end, length_us=50_000) is None
    after = rig.clock.now_us - end
    assert 1_040_000 <= after <= 1_050_000


def test_windows_open_on_time(rig: Rig):
    window(rig, transmit(rig))
    assert 0 <= rig.phy.window_late_us <= 200


def test_the_chip_sleeps_outside_transmission_and_window(rig: Rig):
    end = transmit(rig)
    assert rig.chip.mode.name == "SLEEP"
    window(rig, end)
    assert rig.chip.mode.name == "SLEEP"


def test_no_command_is_lost_or_refused(rig: Rig):
    for sf in (7, 10, 12):
        window(rig, transmit(rig, sf=sf), sf)
    assert (rig.chip.lost_commands, rig.chip.rejected_commands) == (0, 0)


def test_start_calibrates_the_image_for_863_to_870_mhz(rig: Rig):
    assert bytes([0x98, 0xD7, 0xDB]) in rig.wires.log
    assert rig.chip.calibrated_image


@pytest.mark.parametrize(
    ("symbols", "register"),
    # mantissa and exponent as LoRaMac-node's SX126xSetLoRaSymbNumTimeout writes them
    [(6, 3 << 3), (24, 12 << 3), (44, 22 << 3), (62, 31 << 3), (102, 13 << 3 | 1), (248, 31 << 3 | 1)],
)
def test_symbol_timeout_register(rig: Rig, symbols: int, register: int):
    rig.phy.receive(FREQ, 7, 125, rig.clock.ticks_add(rig.clock.ticks_us(), 50_000), symbols * 1024)
    (written,) = [m[3] for m in rig.wires.log if m[:3] == b"\x0d\x07\x06"]
    assert written == register


@pytest.mark.parametrize(
    ("fault", "part"),
    [
        ("miso stuck 0", "spi"),
        ("miso stuck 1", "spi"),
        ("busy stuck 1", "busy"),
        ("busy stuck 0", "busy"),
        ("dio1 stuck 0", "dio1"),
        ("dio1 stuck 1", "dio1"),
        ("reset cut", "reset"),
    ],
)
def test_the_self_check_names_the_wire(fault: str, part: str):
    rig = Rig()
    rig.wires.faults.add(fault)
    with pytest.raises(RadioFault) as caught:
        rig.phy.start()
    assert caught.value.part == part


def test_the_self_check_names_a_tcxo_that_does_not_start():
    rig = Rig(tcxo_start_us=8000)
    with pytest.raises(RadioFault) as caught:
        rig.phy.start()
    assert caught.value.part == "tcxo"


def test_a_board_with_crystal_and_own_antenna_switch_works():
    rig = Rig(needs_tcxo=False, needs_rf_switch=False)
    phy = rig.make_phy(tcxo_mv=0, dio2_rf_switch=False)
    phy.transmit(FREQ, 9, 125, 14, b"x")
    assert len(rig.network.heard) == 1


def test_a_transmission_that_never_ends_is_an_error_and_the_next_one_starts_afresh(rig: Rig):
    rig.wires.faults.add("dio1 stuck 0")
    with pytest.raises(RadioError, match="does not end"):
        transmit(rig)
    rig.wires.faults.clear()
    transmit(rig)
    assert len(rig.network.heard) == 2


def test_without_the_antenna_switch_setting_nobody_hears_the_node():
    rig = Rig()
    rig.make_phy(dio2_rf_switch=False).transmit(FREQ, 7, 125, 14, b"x")
    assert rig.network.heard == []


def test_a_payload_that_no_frame_holds_is_refused(rig: Rig):
    for payload in (b"", bytes(256)):
        with pytest.raises(RadioError, match="1 to 255"):
            transmit(rig, payload)
