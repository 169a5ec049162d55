"""The SX1276 driver against the chip model; expected values from its datasheet rev 7 and errata.

Where PyPI `pamoja-radios` is installed, its SX127x tables are a second opinion.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from radio.classa import ClassA
from radio.errors import RadioError, RadioFault
from radio.sx127x import Sx127x
from simulator.channel.ideal import IdealChannel
from simulator.chips.sx1276 import Sx1276
from tests.firmware.radio.rig import Downlink, Network, VirtualClock, Wires

FREQ = 868_100_000


class Rig76:
    """One node with an SX1276, in virtual time without a world."""

    def __init__(self, ppm: int = 0, board: dict[str, Any] | None = None, **chip: Any) -> None:
        self.clock = VirtualClock(ppm=ppm)
        self.channel = IdealChannel()
        self.network = Network(self.channel)
        self.chip = Sx1276(self.channel, **chip)
        self.wires: Wires = Wires(self.chip, self.clock)  # pyright: ignore
        w = self.wires
        pins = [w.pin(name) for name in ("nss", "reset", "dio0", "dio1")]
        self.phy = Sx127x(w, *pins, self.clock, **(board or {}))

    def written(self, address: int) -> list[bytes]:
        return [mosi[1:] for mosi in self.wires.log if mosi[0] == 0x80 | address]


@pytest.fixture
def rig() -> Rig76:
    rig = Rig76()
    rig.phy.start()
    rig.wires.log.clear()
    return rig


def transmit(rig: Rig76, payload: bytes = b"hello", sf: int = 7, power_dbm: int = 16) -> int:
    return rig.phy.transmit(FREQ, sf, 125, power_dbm, payload)


def window(rig: Rig76, end: int, sf: int = 7, delay_us: int = 1_000_000, length_us: int = 50_000):
    opens = rig.clock.ticks_add(end, delay_us - 10_000)
    return rig.phy.receive(FREQ, sf, 125, opens, length_us)


def test_an_uplink_has_the_lorawan_parameters_on_the_air(rig: Rig76):
    transmit(rig)
    (frame,) = rig.network.heard
    assert abs(frame.freq_hz - FREQ) <= 31  # steps of 61 Hz
    assert (frame.sf, frame.bw_khz, frame.payload) == (7, 125, b"hello")
    assert (frame.inverted, frame.crc, frame.preamble, frame.coding_rate) == (False, True, 8, 1)
    assert frame.sync_word == 0x3444
    assert frame.power_dbm == 13  # floor(16 - 2.15)


@pytest.mark.parametrize("sf", [7, 12])
def test_end_of_transmission_is_stamped_within_half_a_millisecond(rig: Rig76, sf: int):
    end = transmit(rig, bytes(20), sf)
    assert 0 <= end - (rig.network.heard[-1].end_us & (1 << 30) - 1) <= 500


@pytest.mark.parametrize("sf", range(7, 13))
def test_low_data_rate_optimisation_is_on_from_16_ms_symbols(rig: Rig76, sf: int):
    transmit(rig, sf=sf)
    assert rig.network.heard[0].ldro == (sf >= 11)


@pytest.mark.parametrize("sf", range(7, 13))
def test_a_downlink_in_the_window_is_received(rig: Rig76, sf: int):
    rig.network.answer = lambda _: [Downlink(b"\x60downlink")]
    end = transmit(rig, sf=sf)
    assert window(rig, end, sf, length_us=max(50_000, 64 << sf)) == (b"\x60downlink", -80, 36)


def test_a_negative_snr_is_signed_and_lowers_the_rssi(rig: Rig76):
    """Datasheet 5.5.5: RSSI = -157 + PacketRssi + PacketSnr / 4 below the noise."""
    rig.channel.snr_db, rig.channel.rssi_dbm = -7.5, -120
    rig.network.answer = lambda _: [Downlink(b"\x60")]
    payload, rssi, snr_x4 = window(rig, transmit(rig))
    assert (payload, snr_x4) == (b"\x60", -30)
    assert abs(rssi + 120) <= 1


def test_both_iq_registers_follow_the_direction(rig: Rig76):
    """Datasheet table 41 and errata: 0x27 with 0x1D, 0x67 with 0x19."""
    window(rig, transmit(rig))
    assert rig.written(0x33) == [b"\x27", b"\x67"]
    assert rig.written(0x3B) == [b"\x1d", b"\x19"]


@pytest.mark.parametrize(
    "wrong",
    [{"inverted": False}, {"sync_word": 0x1424}, {"freq_hz": FREQ + 200_000}, {"sf": 8}],
    ids=["iq", "sync word", "frequency", "spreading factor"],
)
def test_a_frame_that_does_not_match_is_not_received(rig: Rig76, wrong: dict[str, Any]):
    rig.network.answer = lambda _: [Downlink(b"\x60", **wrong)]
    assert window(rig, transmit(rig)) is None


def test_a_damaged_frame_with_crc_is_not_handed_over(rig: Rig76):
    rig.network.answer = lambda _: [Downlink(b"\x60abc", crc=True, damaged=True)]
    assert window(rig, transmit(rig)) is None


def test_an_empty_window_ends_by_its_symbol_timeout(rig: Rig76):
    end = transmit(rig)
    assert window(rig, end, length_us=50_000) is None
    assert 1_040_000 <= rig.clock.now_us - end <= 1_050_000


def test_windows_open_on_time(rig: Rig76):
    window(rig, transmit(rig))
    assert 0 <= rig.phy.window_late_us <= 200


def test_the_chip_sleeps_outside_transmission_and_window(rig: Rig76):
    end = transmit(rig)
    assert rig.chip.mode == 0
    window(rig, end)
    assert rig.chip.mode == 0


def test_sleep_empties_the_fifo_of_the_model(rig: Rig76):
    transmit(rig, b"secret")
    assert not any(rig.chip.fifo)


def test_the_errata_of_reception_are_applied(rig: Rig76):
    window(rig, transmit(rig))
    assert rig.chip.spurious_receptions == 0
    assert rig.written(0x2F)[-1] == b"\x40"
    rig.phy.receive(FREQ, 7, 500, rig.clock.ticks_add(rig.clock.ticks_us(), 50_000), 20_000)
    assert (rig.written(0x36)[-1], rig.written(0x3A)[-1]) == (b"\x02", b"\x64")


def test_start_calibrates_the_image_at_868_mhz(rig: Rig76):
    assert rig.chip.calibrated_hz == 868_000_000


@pytest.mark.parametrize(
    ("board", "power_dbm", "conducted_dbm"),
    [
        ({}, 16, 13),
        ({}, 2, 2),  # the amplifier's lowest step
        ({"antenna_gain_cdb": 0}, 16, 16),
        ({"antenna_gain_cdb": -400}, 27, 17),
        ({"pa_boost": False}, 16, 13),
        ({"pa_boost": False}, 2, 0),
    ],
)
def test_power_is_never_above_what_was_asked_except_by_the_lowest_step(
    board: dict[str, Any], power_dbm: int, conducted_dbm: int
):
    rig = Rig76(board=board, pa_boost=board.get("pa_boost", True))
    transmit(rig, power_dbm=power_dbm)
    assert rig.network.heard[0].power_dbm == pytest.approx(conducted_dbm, abs=0.05)


def test_the_wrong_amplifier_is_heard_by_nobody():
    rig = Rig76(pa_boost=False)
    transmit(rig)
    assert rig.network.heard == []


@pytest.mark.parametrize(
    ("fault", "part"),
    [
        ("miso stuck 0", "spi"),
        ("miso stuck 1", "spi"),
        ("reset cut", "reset"),
        ("dio0 stuck 0", "dio0"),
        ("dio0 stuck 1", "dio0"),
        ("dio1 stuck 0", "dio1"),
        ("dio1 stuck 1", "dio1"),
    ],
)
def test_the_self_check_names_the_wire(fault: str, part: str):
    rig = Rig76()
    rig.phy.start()
    rig.wires.faults.add(fault)
    with pytest.raises(RadioFault) as caught:
        rig.phy.start()
    assert caught.value.part == part


def test_a_board_whose_oscillator_is_not_described_is_told():
    with pytest.raises(RadioFault, match="oscillator"):
        Rig76(needs_tcxo=True).phy.start()
    Rig76(needs_tcxo=True, board={"tcxo": True}).phy.start()


def test_a_transmission_that_does_not_end_is_an_error_and_the_next_use_starts_afresh(rig: Rig76):
    rig.wires.faults.add("dio0 stuck 0")
    with pytest.raises(RadioError, match="DIO0"):
        transmit(rig)
    rig.wires.faults.clear()
    transmit(rig)
    assert rig.network.heard[-1].payload == b"hello"


def test_a_dip_of_the_supply_between_two_uses_costs_nothing(rig: Rig76):
    transmit(rig)
    rig.chip._power_on(rig.clock.now_us)
    rig.clock.sleep_ms(20)
    transmit(rig, b"after")
    assert rig.network.heard[-1].payload == b"after"
    rig.network.answer = lambda _: [Downlink(b"\x60")]
    assert window(rig, transmit(rig)) is not None


@pytest.mark.parametrize("sf", range(7, 13))
def test_registers_are_those_of_an_independent_table(rig: Rig76, sf: int):
    raw = pytest.importorskip("pamoja.raw", reason="pamoja-radios is not installed")
    transmit(rig, sf=sf)
    link = raw.LoraLink(sf, 125_000)
    modem = raw.sx127x_modem(link, FREQ, 0)
    assert rig.written(0x1D)[0][0] == modem.modem_config_1
    assert rig.written(0x1E)[0][0] == modem.modem_config_2
    assert rig.written(0x26)[0][0] & 0x08 == modem.modem_config_3 & 0x08
    assert rig.written(0x31)[0][0] & 7 == modem.detection_optimize
    assert rig.written(0x37)[0][0] == modem.detection_threshold
    word = b"".join(rig.written(address)[0] for address in (0x06, 0x07, 0x08))
    assert int.from_bytes(word, "big") == raw.sx127x_frequency_word(FREQ)
    assert rig.written(0x09)[0][0] & 0x8F == raw.sx127x_tx_power("PaBoost", 13).pa_config & 0x8F
    assert rig.written(0x33)[0][0] == raw.sx127x_invert_iq(False, False)
    assert rig.written(0x3B)[0][0] == raw.sx127x_invert_iq_2(False)
    window(rig, rig.clock.ticks_us(), sf)
    assert rig.written(0x33)[-1][0] == raw.sx127x_invert_iq(True, False)
    assert rig.written(0x3B)[-1][0] == raw.sx127x_invert_iq_2(True)
    erratum = raw.sx127x_spurious_reception(link)
    assert (rig.written(0x31)[-1][0] >= 0x80, rig.written(0x2F)[-1][0]) == (
        erratum.automatic_if,
        erratum.if_freq_2,
    )


def test_the_register_addresses_are_those_of_an_independent_table():
    raw = pytest.importorskip("pamoja.raw", reason="pamoja-radios is not installed")
    theirs = raw.sx127x_registers()
    ours = {
        "opMode": 0x01, "frfMsb": 0x06, "paConfig": 0x09, "lna": 0x0C,
        "fifoAddrPtr": 0x0D, "fifoTxBaseAddr": 0x0E, "fifoRxBaseAddr": 0x0F, "fifoRxCurrentAddr": 0x10,
        "irqFlagsMask": 0x11, "irqFlags": 0x12, "rxNbBytes": 0x13, "pktSnrValue": 0x19,
        "pktRssiValue": 0x1A, "modemConfig1": 0x1D, "modemConfig2": 0x1E, "symbTimeoutLsb": 0x1F,
        "preambleMsb": 0x20, "payloadLength": 0x22, "maxPayloadLength": 0x23, "modemConfig3": 0x26,
        "ifFreq2": 0x2F, "detectOptimize": 0x31, "invertIq": 0x33, "highBwOptimize1": 0x36,
        "detectionThreshold": 0x37, "syncWord": 0x39, "highBwOptimize2": 0x3A, "invertIq2": 0x3B,
        "imageCal": 0x3B, "dioMapping1": 0x40, "version": 0x42, "tcxo": 0x4B,
        "paDac": 0x4D,
    }  # fmt: skip
    assert {name: theirs[name] for name in ours} == ours


def test_the_mac_joins_over_this_radio(rig: Rig76):
    """The 35 behaviours run over both radios in tests/system/test_lorawan_dut.py; this is the quick one."""
    from tests.firmware.radio.rig import Aes, FlashStore
    from tests.firmware.radio.server import APP_KEY, DEV_EUI, JOIN_EUI, Bench

    bench = Bench(join=False)
    rig.network.answer = bench._hear
    mac = ClassA(
        rig.phy, Aes, Random(1), rig.clock, FlashStore(), DEV_EUI, JOIN_EUI, APP_KEY, duty_cycle=False
    )
    assert mac.join()
    bench.answer_once(lambda: bench.down(9, b"hello"))
    assert mac.send(1, b"x").downlinks == [(9, b"hello")]
