"""The SX1262 model against the SX1261/2 datasheet rev 2.1 (sections and tables named at each test)."""

from __future__ import annotations

import pytest

from simulator.channel.frame import Frame
from simulator.channel.ideal import IdealChannel
from simulator.chips.base import SpiChip
from simulator.chips.sx1262 import Mode, Sx1262

READY = 10_000  # microseconds after power-on


class Host:
    """Sends commands one after the other, waiting on BUSY."""

    def __init__(self, **chip) -> None:
        self.channel = IdealChannel()
        self.chip = Sx1262(self.channel, **chip)
        self.now = READY

    def __call__(self, *data: int) -> bytes:
        while self.chip.pin("busy", self.now):
            self.now = self.chip.next_change_us("busy", self.now) or self.now + 100
        return self.chip.transfer(bytes(data), self.now)

    def prepare(self, *, inverted: bool = False, sf: int = 7, length: int = 4, crc: int = 1) -> None:
        self(0x80, 0)
        self(0x97, 2, 0, 1, 64)  # TCXO 1.8 V, 5 ms
        self(0x9D, 1)
        self(0x80, 1)
        self(0x8A, 1)
        self(0x86, 0x36, 0x41, 0x99, 0x9A)  # 868.1 MHz
        self(0x8B, sf, 4, 1, 1 if sf > 10 else 0)
        self(0x8C, 0, 8, 0, length, crc, int(inverted))
        self(0x0D, 0x07, 0x36, 0x09 if inverted else 0x0D)
        self(0x0D, 0x07, 0x40, 0x34, 0x44)
        self(0x8F, 0, 0)
        self(0x08, 0x03, 0xFF, 0x03, 0xFF, 0, 0, 0, 0)
        self(0x95, 4, 7, 0, 1)
        self(0x8E, 14, 4)
        self(0x02, 0x03, 0xFF)

    def irq(self) -> int:
        got = self(0x12, 0, 0, 0)
        return got[2] << 8 | got[3]

    def downlink(self, start_us: int, **more) -> Frame:
        keywords = {"inverted": True, "crc": False, "payload": b"\x60abc"} | more
        frame = Frame(start_us=start_us, freq_hz=868_100_000, sf=7, bw_khz=125, **keywords)
        self.channel.transmit(frame)
        return frame


@pytest.fixture
def host() -> Host:
    return Host()


def test_it_is_a_chip_on_spi(host: Host):
    assert isinstance(host.chip, SpiChip)


def test_after_reset_busy_is_high_until_the_chip_is_up():  # 8.1, table 8-4
    chip = Sx1262(IdealChannel())
    chip.set_pin("reset", 0, 1000)
    assert chip.pin("busy", 1100) == 1
    chip.set_pin("reset", 1, 1200)
    assert chip.pin("busy", 1300) == 1
    assert chip.next_change_us("busy", 1300) == 1200 + 3500
    assert chip.pin("busy", 4700) == 0


def test_status_says_the_mode(host: Host):  # table 13-76
    assert host(0xC0, 0)[1] >> 4 & 7 == Mode.STANDBY_RC
    host.prepare()
    assert host(0xC0, 0)[1] >> 4 & 7 == Mode.STANDBY_XOSC


def test_a_command_while_busy_is_lost(host: Host):  # 8.3.1
    host.prepare()
    host(0x98, 0xD7, 0xDB)
    host.chip.transfer(bytes([0x8A, 0]), host.now + 100)
    assert host.chip.lost_commands == 1
    assert host(0x11, 0, 0)[2] == 1


def test_registers_read_back(host: Host):  # 11.2.2, table 12-1
    assert host(0x1D, 0x07, 0x40, 0, 0, 0)[4:] == b"\x14\x24"
    host(0x0D, 0x07, 0x40, 0x34, 0x44)
    assert host(0x1D, 0x07, 0x40, 0, 0, 0)[4:] == b"\x34\x44"


def test_the_buffer_wraps_at_256(host: Host):  # 6.2
    host(0x0E, 0xFE, 1, 2, 3, 4)
    assert host(0x1E, 0xFE, 0, 0, 0, 0, 0)[3:] == bytes([1, 2, 3, 4])
    assert host(0x1E, 0x00, 0, 0, 0)[3:] == bytes([3, 4])


def test_transmission_takes_its_time_on_air_and_raises_dio1(host: Host):
    host.prepare(length=13)
    host(0x0E, 0, *range(13))
    host(0x83, 0, 0, 0)
    while host.chip.pin("busy", host.now):
        host.now += 10
    begin = host.now
    end = host.chip.next_change_us("dio1", host.now)
    assert end is not None
    assert abs(end - begin - 46_336) <= 20  # SF7, 13 bytes: LoRaWAN reference, four implementations
    assert host.chip.pin("dio1", end - 1) == 0
    assert host.chip.pin("dio1", end) == 1
    host.now = end
    assert host.irq() == 0x0001
    host(0x02, 0x00, 0x01)
    assert host.chip.pin("dio1", host.now) == 0
    frame = host.channel._frames[0]
    assert (frame.payload, frame.freq_hz, frame.power_dbm) == (bytes(range(13)), 868_100_000, 14)


@pytest.mark.parametrize(
    ("pa", "value", "dbm"),
    # table 13-21: settings for +22, +20, +17 and +14 dBm, all with TxParams at 22
    [((4, 7), 22, 22), ((3, 5), 22, 20), ((2, 3), 22, 17), ((2, 2), 22, 14), ((4, 7), 13, 13)],
)
def test_output_power(host: Host, pa: tuple[int, int], value: int, dbm: int):
    host.prepare()
    host(0x95, *pa, 0, 1)
    host(0x8E, value, 4)
    host(0x83, 0, 0, 0)
    assert host.channel._frames[0].power_dbm == dbm


def test_reception_of_a_downlink(host: Host):
    host.prepare(inverted=True, length=255, crc=0)
    frame = host.downlink(host.now + 5000)
    host(0xA0, 24)
    host(0x82, 0, 0, 0)
    assert host.chip.next_change_us("dio1", host.now) == frame.end_us
    host.now = frame.header_us
    assert host.irq() & 0x0014 == 0x0014  # preamble, header
    host.now = frame.end_us
    assert host.irq() & 0x0202 == 0x0002
    assert host(0x13, 0, 0, 0)[2:] == bytes([4, 0])
    assert host(0x1E, 0, 0, 0, 0, 0, 0)[3:] == b"\x60abc"
    packet = host(0x14, 0, 0, 0, 0)
    assert (packet[2], packet[3]) == (160, 36)  # -rssi/2, snr/4 (table 13-72)


def test_symbol_timeout(host: Host):  # 13.4.9
    host.prepare(inverted=True)
    host(0xA0, 24)
    host(0x82, 0, 0, 0)
    opened = host.chip._rx
    assert opened is not None
    end = opened.open_us + 24 * 1024
    assert host.chip.next_change_us("dio1", host.now) == end
    assert host.chip.pin("dio1", end - 1) == 0
    assert host.chip.pin("dio1", end) == 1
    host.now = end
    assert host.irq() == 0x0200


def test_the_receive_timer_counts_in_15_625_us(host: Host):  # 13.1.5
    host.prepare(inverted=True)
    host(0x82, 0, 0x19, 0x00)  # 6400 steps are 100 ms
    opened = host.chip._rx
    assert opened is not None
    assert host.chip.next_change_us("dio1", host.now) == opened.open_us + 100_000


def test_a_preamble_that_begins_too_late_for_the_window_is_not_seen(host: Host):
    host.prepare(inverted=True)
    host(0xA0, 8)
    host.downlink(host.now + 6 * 1024)
    host(0x82, 0, 0, 0)
    host.now += 100_000
    assert host.irq() == 0x0200


def test_a_receiver_that_opens_after_most_of_the_preamble_hears_nothing(host: Host):
    host.prepare(inverted=True)
    host(0xA0, 24)
    host.downlink(host.now - 5 * 1024)
    host(0x82, 0, 0, 0)
    host.now += 100_000
    assert host.irq() == 0x0200


def test_crc_error_comes_with_rx_done(host: Host):  # 13.3.1, micropython-lib 1112
    host.prepare(inverted=True)
    frame = host.downlink(host.now + 1000, crc=True, damaged=True)
    host(0xA0, 24)
    host(0x82, 0, 0, 0)
    host.now = frame.end_us
    assert host.irq() & 0x0242 == 0x0042


def test_a_damaged_frame_without_crc_looks_well(host: Host):
    host.prepare(inverted=True)
    frame = host.downlink(host.now + 1000, damaged=True)
    host(0xA0, 24)
    host(0x82, 0, 0, 0)
    host.now = frame.end_us
    assert host.irq() & 0x0242 == 0x0002
    assert host(0x1E, 0, 0, 0, 0, 0, 0)[3:] != b"\x60abc"


@pytest.mark.parametrize(("inverted", "register"), [(True, 0x0D), (False, 0x09)])
def test_iq_needs_packet_parameter_and_register_to_agree(inverted: bool, register: int):  # 15.4
    host = Host()
    host.prepare(inverted=inverted)
    host(0x0D, 0x07, 0x36, register)
    host(0xA0, 24)
    frame = host.downlink(host.now + 1000, inverted=inverted)
    host(0x82, 0, 0, 0)
    host.now = frame.end_us + 1
    assert host.irq() == 0x0200


@pytest.mark.parametrize("what", ["sync", "sf", "freq", "ldro"])
def test_what_does_not_match_is_not_heard(host: Host, what: str):
    host.prepare(inverted=True)
    host(0xA0, 24)
    if what == "sync":
        host(0x0D, 0x07, 0x40, 0x14, 0x24)
    elif what == "sf":
        host(0x8B, 8, 4, 1, 0)
    elif what == "ldro":
        host(0x8B, 7, 4, 1, 1)
    else:
        host(0x86, 0x36, 0x44, 0xCC, 0xCD)
    frame = host.downlink(host.now + 1000)
    host(0x82, 0, 0, 0)
    host.now = frame.end_us + 100_000
    assert host.irq() == 0x0200


def test_busy_is_high_in_sleep_and_nss_wakes(host: Host):  # 8.3.1, table 8-4
    host(0x84, 0x04)
    assert host.chip.pin("busy", host.now + 1_000_000) == 1
    host.now += 1_000_000
    host.chip.transfer(b"\xc0", host.now)
    assert host.chip.pin("busy", host.now + 300) == 1
    assert host.chip.pin("busy", host.now + 340) == 0


@pytest.mark.parametrize("kept", [True, False])
def test_sleep_forgets(kept: bool):  # 9.3, 9.6, 15.2; RadioLib 1806, lora-rs 479
    host = Host(warm_keeps_configuration=kept)
    host.prepare(inverted=True)
    host(0x0D, 0x08, 0xAC, 0x96)
    host(0x0E, 0, 1, 2, 3)
    host(0x84, 0x04)
    host.chip.transfer(b"\xc0", host.now + 1000)
    host.now += 2000
    assert host(0x1D, 0x08, 0xAC, 0, 0)[4] == 0x94
    assert host(0x1D, 0x07, 0x36, 0, 0)[4] == 0x0D
    assert host(0x1E, 0, 0, 0, 0, 0)[3:] == bytes(3)
    assert host.chip.config.tcxo_delay_us is None
    assert not host.chip.config.dio2_rf_switch
    assert (host(0x1D, 0x07, 0x40, 0, 0)[4] == 0x34) is kept
    assert (host(0x11, 0, 0)[2] == 1) is kept


def test_a_cold_sleep_needs_everything_again(host: Host):
    host.prepare()
    host(0x98, 0xD7, 0xDB)
    assert host.chip.calibrated_image
    host(0x84, 0x00)
    host.chip.transfer(b"\xc0", host.now + 1000)
    host.now += 10_000
    assert not host.chip.calibrated_image
    assert host(0x17, 0, 0, 0)[3] == 0x20  # the TCXO was off when it woke: XOSC_START_ERR (13.3.6)


def test_without_tcxo_nothing_is_sent_and_the_error_is_shown(host: Host):
    host.prepare()
    host(0x07, 0, 0)
    host(0x80, 0)
    host.chip.config.tcxo_delay_us = None
    host(0x83, 0, 0, 0)
    assert host.channel.frames_sent == 0
    assert host(0x17, 0, 0, 0)[3] & 0x20


def test_reset_in_the_middle_of_a_transmission_cuts_the_frame(host: Host):
    host.prepare()
    host(0x83, 0, 0, 0)
    (frame,) = host.channel._frames
    host.chip.set_pin("reset", 0, frame.start_us + 5000)
    assert frame.damaged
    assert frame.end_us == frame.start_us + 5000


def test_dio1_shows_only_what_it_is_mapped_to(host: Host):  # 13.3.1
    host.prepare()
    host(0x08, 0x03, 0xFF, 0x02, 0x00, 0, 0, 0, 0)
    host(0x83, 0, 0, 0)
    host.now += 100_000
    assert host.chip.pin("dio1", host.now) == 0
    assert host.irq() == 0x0001


def test_interrupts_that_are_not_enabled_are_not_recorded_on_dio1(host: Host):
    host.prepare()
    host(0x08, 0x00, 0x00, 0x03, 0xFF, 0, 0, 0, 0)
    host(0x83, 0, 0, 0)
    host.now += 100_000
    assert host.chip.pin("dio1", host.now) == 0


@pytest.mark.parametrize("data", [(0x44, 0), (0x8B, 7), (0x8B, 13, 4, 1, 0), (0x8B, 7, 9, 1, 0)])
def test_a_command_that_makes_no_sense_is_a_processing_error(host: Host, data: tuple[int, ...]):
    host(*data)  # unknown opcode, too few parameters, no such SF, no such bandwidth
    assert host.chip.rejected_commands == 1
    assert host(0xC0, 0)[1] >> 1 & 7 == 4  # table 13-76


def test_two_nodes_do_not_hear_one_another():
    """Uplinks have normal IQ, receivers of nodes are set to inverted."""
    channel = IdealChannel()
    hosts = [Host(), Host()]
    for host in hosts:
        host.channel = host.chip.channel = channel
        host.prepare(inverted=host is hosts[1])
    hosts[1](0xA0, 248)
    hosts[1](0x82, 0, 0, 0)
    hosts[0](0x83, 0, 0, 0)
    hosts[1].now += 1_000_000
    assert hosts[1].irq() == 0x0200
