"""MAC commands of 1.0.4 as the network sends them; bytes as TS001-1.0.4 section 5 lays them out."""

from __future__ import annotations

import pytest

from tests.firmware.radio.server import ACK, ADR, ADR_ACK_REQ, PENDING, RX2_HZ, Bench, JoinTerms

CFLIST = bytes.fromhex("184f84e85684b85e84886684586e8400")
FREQ_869_1 = bytes.fromhex("389d84")  # 8691000 steps of 100 Hz


@pytest.fixture
def bench() -> Bench:
    bench = Bench(join=False, duty_cycle=False)
    bench.terms = JoinTerms(cflist=CFLIST)
    assert bench.mac.join()
    return bench


def order(bench: Bench, commands: str, *, port0: bool = False, **more) -> bytes:
    """Send commands in answer to an uplink; return the FOpts of the uplink after it."""
    data = bytes.fromhex(commands)
    if port0:
        bench.answer_once(lambda: bench.down(0, data, **more))
    else:
        bench.answer_once(lambda: bench.down(fopts=data, **more))
    bench.mac.send(1, b"x")
    bench.mac.send(1, b"y")
    return bench.ups[-1].fopts


def test_link_adr_of_the_reference(bench: Bench):
    assert order(bench, "0352ff0001") == b"\x03\x07"
    s = bench.mac.session
    assert (s.dr, s.tx_power, s.nb_trans, s.channels.mask) == (5, 2, 1, 0xFF)
    assert bench.ups[-1].frame.power_dbm == 9  # floor(12 dBm EIRP - 2.15)


def test_link_adr_is_obeyed_from_port_0_too(bench: Bench):
    assert order(bench, "0352ff0001", port0=True) == b"\x03\x07"
    assert bench.mac.session.tx_power == 2


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("0352000001", 0x06),  # empty mask
        ("03520001ff", 0x06),  # mask control 7 is RFU
        ("0352ffff01", 0x06),  # channels that do not exist
        ("0372ff0001", 0x05),  # DR7 is FSK, which we have not
        ("0362ff0001", 0x05),  # DR6 on channels that end at DR5
        ("0358ff0001", 0x03),  # TXPower 8 is RFU
        ("03b8000021", 0x00),  # all of it
    ],
)
def test_link_adr_refused_changes_nothing(bench: Bench, command: str, answer: int):
    assert order(bench, command) == bytes([3, answer])
    s = bench.mac.session
    assert (s.dr, s.tx_power, s.nb_trans, s.channels.mask) == (5, 0, 1, 0xFF)


def test_link_adr_keeps_what_is_15_and_reads_0_transmissions_as_1(bench: Bench):
    order(bench, "0350070003")
    assert order(bench, "03ff070000") == b"\x03\x07"
    s = bench.mac.session
    assert (s.dr, s.tx_power, s.nb_trans, s.channels.mask) == (5, 0, 1, 7)


def test_mask_control_6_switches_all_channels_on(bench: Bench):
    order(bench, "0350010001")
    assert bench.mac.session.channels.mask == 1
    assert order(bench, "0350000061") == b"\x03\x07"
    assert bench.mac.session.channels.mask == 0xFF


def test_a_block_of_link_adr_is_one_order_with_one_answer_each(bench: Bench):
    assert order(bench, "0350030001" + "0341070002") == b"\x03\x07\x03\x07"
    s = bench.mac.session
    assert (s.dr, s.tx_power, s.nb_trans, s.channels.mask) == (4, 1, 2, 7)


def test_a_block_with_one_fault_changes_nothing(bench: Bench):
    assert order(bench, "0350000071" + "0341070002") == b"\x03\x06\x03\x06"
    s = bench.mac.session
    assert (s.dr, s.tx_power, s.nb_trans, s.channels.mask) == (5, 0, 1, 0xFF)


def test_an_accepted_mask_replaces_the_old_one(bench: Bench):
    order(bench, "0350030001")
    order(bench, "0350040001")
    assert bench.mac.session.channels.mask == 4


def test_link_check(bench: Bench):
    bench.mac.request_link_check()
    bench.answer_once(lambda: bench.down(fopts=bytes.fromhex("020a0f")))
    bench.mac.send(1, b"x")
    assert bench.ups[-1].fopts == b"\x02"
    assert bench.mac.link == (10, 15)


def test_device_time_is_that_of_the_end_of_the_uplink(bench: Bench):
    bench.mac.request_time()
    bench.answer_once(lambda: bench.down(fopts=bytes.fromhex("0d120b9f5580"), window=2))
    bench.mac.send(1, b"x")
    assert bench.ups[-1].fopts == b"\x0d"
    utc_ms, at_ms = bench.mac.network_time
    assert utc_ms == 1752451200_500
    assert abs(at_ms - bench.ups[-1].frame.end_us / 1000) <= 1


@pytest.mark.parametrize(("snr", "margin"), [(9.0, 9), (-7.5, -8 & 0x3F), (-40.0, -32 & 0x3F), (31.9, 31)])
def test_dev_status(bench: Bench, snr: float, margin: int):
    bench.rig.channel.snr_db = snr
    bench.mac.battery = 200
    assert order(bench, "06") in (bytes([6, 200, margin]), bytes([6, 200, margin + 1 & 0x3F]))


def test_battery_is_unknown_until_the_node_tells(bench: Bench):
    assert order(bench, "06")[1] == 255


def test_duty_cycle_request_quiets_all_bands():
    bench = Bench()
    assert order(bench, "0407") == b"\x04"
    assert bench.mac.send(1, b"z").reason == "duty cycle"
    on_air = bench.ups[-1].frame.end_us - bench.ups[-1].frame.start_us
    assert on_air * 127 / 1e3 < bench.mac.wait_ms() + 2500 < on_air * 129 / 1e3 + 2500


def test_rx_param_setup_is_sticky_until_a_downlink(bench: Bench):
    assert order(bench, "0523" + "d2ad84") == b"\x05\x07"
    s = bench.mac.session
    assert (s.rx1_dr_offset, s.rx2_dr, s.rx2_freq_hz) == (2, 3, RX2_HZ)
    for _ in range(3):
        bench.mac.send(1, b"x")
        assert bench.ups[-1].fopts == b"\x05\x07"
    mark = len(bench.rig.wires.log)
    bench.answer_once(lambda: bench.down(sf=9))
    bench.mac.send(1, b"x")
    assert bench.windows(mark)[1][2] == 9  # offset 2 from SF7
    bench.mac.send(1, b"x")
    assert bench.ups[-1].fopts == b""


@pytest.mark.parametrize(
    ("command", "bits"), [("0563d2ad84", 3), ("0527d2ad84", 5), ("052380f07e", 6), ("05000000ff", 6)]
)
def test_rx_param_setup_refused_changes_nothing(bench: Bench, command: str, bits: int):
    assert order(bench, command) == bytes([5, bits])
    s = bench.mac.session
    assert (s.rx1_dr_offset, s.rx2_dr, s.rx2_freq_hz) == (0, 0, RX2_HZ)


def test_new_channel_adds_and_removes(bench: Bench):
    assert order(bench, "0708" + FREQ_869_1.hex() + "50") == b"\x07\x03"
    assert bench.mac.session.channels.slots[8] == [869_100_000, 0, 5, 869_100_000]
    assert bench.mac.session.channels.mask & 0x100
    assert order(bench, "0708" + "000000" + "50") == b"\x07\x03"
    assert bench.mac.session.channels.slots[8] is None
    assert not bench.mac.session.channels.mask & 0x100


@pytest.mark.parametrize(
    ("command", "bits"),
    [
        ("0700" + FREQ_869_1.hex() + "50", 0),  # the three default channels are read-only
        ("0710" + FREQ_869_1.hex() + "50", 0),  # there are sixteen
        ("0703" + "80f07e" + "50", 2),  # 832 MHz
        ("0703" + FREQ_869_1.hex() + "05", 1),  # lowest above highest
        ("0703" + FREQ_869_1.hex() + "70", 1),  # DR7
    ],
)
def test_new_channel_refused(bench: Bench, command: str, bits: int):
    before = [list(s) if s else None for s in bench.mac.session.channels.slots]
    assert order(bench, command) == bytes([7, bits])
    assert bench.mac.session.channels.slots == before


def test_removing_the_last_usable_channel_leaves_the_default_ones(bench: Bench):
    order(bench, "0350080001")
    assert bench.mac.session.channels.mask == 8
    order(bench, "0703" + "000000" + "00")
    assert bench.mac.session.channels.mask == 7
    assert bench.mac.send(1, b"x").sent


def test_rx_timing_setup_moves_the_windows_and_is_sticky(bench: Bench):
    assert order(bench, "0803") == b"\x08"
    bench.rx_delay_s = 3
    bench.answer_once(lambda: bench.down(9, b"late"))
    assert bench.mac.send(1, b"x").downlinks == [(9, b"late")]
    bench.mac.send(1, b"x")
    assert bench.ups[-1].fopts == b""


def test_rx_timing_0_is_one_second(bench: Bench):
    order(bench, "0800")
    assert bench.mac.session.rx1_delay_s == 1


def test_tx_param_setup_gets_no_answer_in_eu868_and_the_next_command_is_read(bench: Bench):
    assert order(bench, "0935" + "06")[:1] == b"\x06"


def test_dl_channel_moves_rx1(bench: Bench):
    order(bench, "0350010001")
    assert order(bench, "0a00" + FREQ_869_1.hex()) == b"\x0a\x03"
    bench.answer_once(lambda: bench.down(9, b"there", freq_hz=869_100_000))
    assert bench.mac.send(1, b"x").downlinks == [(9, b"there")]


@pytest.mark.parametrize(
    ("command", "bits"), [("0a09" + FREQ_869_1.hex(), 1), ("0a0080f07e", 2), ("0aff000000", 0)]
)
def test_dl_channel_refused(bench: Bench, command: str, bits: int):
    assert order(bench, command) == bytes([10, bits])


def test_an_unknown_command_stops_the_reading_but_keeps_the_earlier_ones(bench: Bench):
    assert order(bench, "06" + "f0" + "0352ff0001")[:1] == b"\x06"
    assert bench.mac.session.tx_power == 0


def test_more_than_15_bytes_of_answers_go_out_on_port_0_first(bench: Bench):
    assert order(bench, "06" * 7, port0=True) == b""
    empty, answers, app = bench.ups[-3:]
    assert empty.payload == b"x"
    assert (answers.port, answers.fopts, len(answers.payload)) == (0, b"", 21)
    assert (app.port, app.payload) == (1, b"y")


def test_fopts_take_room_from_the_payload(bench: Bench):
    bench.mac.session.dr = 0
    assert bench.mac.max_payload() == 51
    bench.mac.request_time()
    assert bench.mac.max_payload() == 50
    assert not bench.mac.send(1, bytes(51)).sent
    assert bench.mac.send(1, bytes(50)).sent
    assert len(bench.ups[-1].frame.payload) == 64  # the longest PHYPayload at DR0


def test_f_pending_asks_for_an_uplink(bench: Bench):
    bench.answer_once(lambda: bench.down(9, b"one", fctrl=PENDING))
    bench.mac.send(1, b"x")
    assert bench.mac.wants_uplink
    bench.answer_once(lambda: bench.down(9, b"two"))
    assert bench.mac.poll().downlinks == [(9, b"two")]
    assert not bench.mac.wants_uplink


def test_an_ack_does_not_make_an_unconfirmed_uplink_acknowledged(bench: Bench):
    bench.answer_once(lambda: bench.down(fctrl=ACK))
    assert not bench.mac.send(1, b"x").acked


def test_adr_ladder():
    """ADRACKReq at the 65th uplink without downlink, +32 power, then a data rate each 32 (LoRaMac-node)."""
    bench = Bench(duty_cycle=False)
    s = bench.mac.session
    s.tx_power = 3
    s.nb_trans = 2
    seen: list[tuple[bool, int, int]] = []
    while len(seen) < 64 + 32 * 9:
        bench.mac.send(1, b"x")
        up = bench.ups[-1]
        seen.append((bool(up.fctrl & ADR_ACK_REQ), up.frame.sf, round(up.frame.power_dbm)))
        bench.ups.clear()
    asked = [i + 1 for i, (asks, _, _) in enumerate(seen) if asks]
    assert asked[0] in (64, 65)
    power = next(i for i, (_, _, dbm) in enumerate(seen) if dbm == 13) + 1
    assert power == 64 + 32 + 1
    changes = [i + 1 for i in range(1, len(seen)) if seen[i][1] != seen[i - 1][1]]
    assert changes == [power + 32 * n for n in range(1, 6)]
    assert seen[-1][1] == 12
    assert s.nb_trans == 1
    bench.answer_once(lambda: bench.down())
    bench.mac.send(1, b"x")
    assert s.adr_ack_count == 0
    bench.mac.send(1, b"x")
    assert not bench.ups[-1].fctrl & ADR_ACK_REQ


def test_a_moving_device_sets_no_adr_bit(bench: Bench):
    bench.mac.adr = False
    bench.mac.send(1, b"x")
    assert not bench.ups[-1].fctrl & ADR


@pytest.mark.parametrize("dl_settings", [0x60, 0x70, 0x07, 0x0F])
def test_a_join_accept_with_windows_that_cannot_be_opened_is_refused(dl_settings: int):
    """RP002: RX1DROffset 6 and 7 and RX2 data rates above 6 are not for this device; it stays unjoined."""
    bench = Bench(join=False, duty_cycle=False)
    bench.terms = JoinTerms(dl_settings=dl_settings)
    assert not bench.mac.join()
    assert (bench.mac.joined, bench.mac.dropped) == (False, 1)
    bench.terms = JoinTerms()
    assert bench.mac.join()  # the JoinNonce was not used up


@pytest.mark.parametrize(
    ("mask", "channels"), [(0x0003, {0, 1}), (0x00FF, {0, 1, 2}), (0x00F8, {0, 1, 2}), (0, {0, 1, 2})]
)
def test_a_cflist_of_masks_enables_channels_that_exist(mask: int, channels: set[int]):
    bench = Bench(join=False, duty_cycle=False)
    bench.terms = JoinTerms(cflist=mask.to_bytes(2, "little") + bytes(13) + b"\x01")
    assert bench.mac.join()
    assert set(bench.mac.session.channels.for_dr(0)) == channels


def test_the_silence_after_duty_cycle_req_survives_reset_and_power_cut():
    """DutyCycleReq 10: 1/1024 of the time; a frame of 46 ms wants 47 s of silence."""

    class Rtc:
        value: bytes | None = None

        def load(self, _name: str) -> bytes | None:
            return self.value

        def save(self, _name: str, data: bytes) -> None:
            self.value = data

    bench, rtc = Bench(join=False), Rtc()
    bench.mac = bench.make_mac(retained=rtc)
    assert bench.mac.join()
    bench.answer_once(lambda: bench.down(fopts=b"\x04\x0a"))
    bench.mac.send(1, b"")
    bench.mac.send(1, b"")
    asked = bench.mac._quiet_until_ms - bench.mac._uptime.ms()
    assert 40_000 < asked < 60_000
    bench.mac = bench.make_mac(retained=rtc, slept_ms=10_000)
    assert asked - 10_100 < bench.mac.wait_ms() <= asked - 9_000
    assert bench.mac.send(1, b"").reason == "duty cycle"
    rtc.value = None
    bench.mac = bench.make_mac(retained=rtc)
    assert bench.mac.wait_ms() >= asked  # nobody knows how long the power was off
