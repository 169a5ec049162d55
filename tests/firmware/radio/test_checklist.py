"""The 35 basic behaviours of a Class A device, one test a row, over the simulated SX1262.

Rows and numbers follow the checklist of the project's LoRaWAN reference (section 4), which follows
TS001-1.0.4 and EU868. Frames are judged and made by liblora (see server.py).
"""

from __future__ import annotations

import pytest

from tests.firmware.radio.rig import Downlink
from tests.firmware.radio.server import (
    ACK,
    ADR,
    APP_KEY,
    DEV_EUI,
    JOIN_EUI,
    RX2_HZ,
    Bench,
    JoinTerms,
    Up,
)

DEFAULT_CHANNELS = {868_100_000, 868_300_000, 868_500_000}
CFLIST = bytes.fromhex("184f84e85684b85e84886684586e8400")
CFLIST_HZ = {867_100_000, 867_300_000, 867_500_000, 867_700_000, 867_900_000}
HOUR_US = 3_600_000_000


@pytest.fixture
def bench() -> Bench:
    return Bench(duty_cycle=False)


def silent_join() -> Bench:
    bench = Bench(join=False, duty_cycle=False)
    bench.terms = JoinTerms(window=0)
    assert not bench.mac.join()
    return bench


def worst_hour_us(frames: list, low_hz: int, high_hz: int) -> int:
    """Return the most air time that any sliding hour holds in a band: a window that ends with each frame."""
    spans = [(f.start_us, f.end_us) for f in frames if low_hz <= f.freq_hz < high_hz]
    worst = 0
    for _, end in spans:
        begin = end - HOUR_US
        worst = max(worst, sum(max(min(e, end) - max(s, begin), 0) for s, e in spans))
    return worst


def test_row_01_join_request_layout_and_modulation():
    bench = silent_join()
    nonce, frame = bench.join_requests[0]
    assert frame.payload[:17] == b"\x00" + JOIN_EUI[::-1] + DEV_EUI[::-1]
    assert nonce == 0
    assert frame.freq_hz in DEFAULT_CHANNELS
    assert (frame.crc, frame.inverted, frame.preamble) == (True, False, 8)


def test_row_02_join_windows_open_at_5_and_6_seconds():
    bench = Bench(join=False, duty_cycle=False)
    bench.terms = JoinTerms(window=0)
    opened: list[tuple[int, int, int, bool]] = []
    original = bench.rig.chip._set_rx

    def spy(mosi: bytes, miso: bytearray, now_us: int) -> None:
        original(mosi, miso, now_us)
        reception = bench.rig.chip._rx
        if reception is not None and reception.tuning is not None:
            t = reception.tuning
            opened.append((reception.open_us, t.freq_hz, t.sf, bool(t.inverted)))

    bench.rig.chip._commands[0x82] = (3, spy)
    bench.rig.phy.start()
    opened.clear()
    bench.mac.join()
    (_, frame), (rx1, rx2) = bench.join_requests[0], opened
    assert rx1[1:] == (frame.freq_hz, frame.sf, True)
    assert rx2[1:] == (RX2_HZ, 12, True)
    # the window has to be open before the preamble's last five symbols
    assert frame.end_us + 5_000_000 - 25_000 <= rx1[0] <= frame.end_us + 5_000_000 + 3 * 1024
    assert frame.end_us + 6_000_000 - 25_000 <= rx2[0] <= frame.end_us + 6_000_000 + 3 * 32768


def test_row_03_dev_nonce_rises_by_one_and_survives_a_power_cycle():
    bench = silent_join()
    bench.mac.join()
    bench.mac = bench.make_mac()
    bench.mac.join()
    assert [nonce for nonce, _ in bench.join_requests] == [0, 1, 2]


def test_row_04_join_accept_in_rx1():
    bench = Bench(join=False)
    assert bench.mac.join()
    assert [w[0] for w in bench.windows()] == ["tx", "rx"]


def test_row_05_join_accept_in_rx2():
    bench = Bench(join=False)
    bench.terms = JoinTerms(window=2)
    assert bench.mac.join()


def test_row_06_join_accept_with_a_wrong_mic_is_refused():
    bench = Bench(join=False)
    bench.terms = JoinTerms(app_key=bytes(16))
    assert not bench.mac.join()
    assert not bench.mac.joined


def test_row_07_after_a_wrong_join_accept_in_rx1_rx2_is_opened():
    bench = Bench(join=False, duty_cycle=False)
    hear = bench.rig.network.answer

    def both(frame):
        bench.terms = JoinTerms(window=2)
        (good,) = hear(frame)
        bad = Downlink(good.payload[:-1] + bytes([good.payload[-1] ^ 1]), 5_000_000)
        return [bad, good]

    bench.rig.network.answer = both
    assert bench.mac.join()


def test_row_08_a_join_nonce_used_before_is_refused():
    bench = Bench(join=False, duty_cycle=False)
    bench.terms = JoinTerms(join_nonce=5)
    assert bench.mac.join()
    first = bench.mac.session
    for used in (5, 4):
        bench.terms = JoinTerms(join_nonce=used)
        assert not bench.mac.join()
        assert bench.mac.session is first
    bench.mac = bench.make_mac()
    assert not bench.mac.join()
    bench.terms = JoinTerms(join_nonce=6)
    assert bench.mac.join()


def test_row_09_dl_settings_and_rx_delay_are_applied():
    bench = Bench(join=False, duty_cycle=False)
    bench.terms = JoinTerms(dl_settings=0x23, rx_delay=3)
    assert bench.mac.join()
    mark = len(bench.rig.wires.log)
    bench.mac.send(1, b"x")
    tx, rx1, rx2 = bench.windows(mark)
    uplink = bench.ups[0].frame
    assert rx1 == ("rx", tx[1], uplink.sf + 2)
    assert rx2 == ("rx", RX2_HZ, 9)
    bench.answer_once(lambda: bench.down(5, b"on time", sf=uplink.sf + 2))
    assert bench.mac.send(1, b"x").downlinks == [(5, b"on time")]
    assert bench.rx_delay_s == 3


def test_row_10_cflist_type_0_adds_five_channels():
    bench = Bench(join=False, duty_cycle=False)
    bench.terms = JoinTerms(cflist=CFLIST)
    assert bench.mac.join()
    for _ in range(60):
        bench.mac.send(1, b"x")
    assert {up.frame.freq_hz for up in bench.ups} == DEFAULT_CHANNELS | CFLIST_HZ


def test_row_11_fcnt_up_starts_at_0_and_rises_by_one(bench: Bench):
    for _ in range(3):
        bench.mac.send(1, b"x")
    assert [up.fcnt for up in bench.ups] == [0, 1, 2]


def test_row_12_an_unconfirmed_uplink(bench: Bench):
    assert bench.mac.send(7, b"payload").sent
    (up,) = bench.ups
    assert up.frame.payload[0] == 0x40
    assert (up.confirmed, up.fctrl & 0xF0, up.port, up.payload) == (False, ADR, 7, b"payload")


def test_row_13_a_confirmed_uplink_without_answer_is_repeated_unchanged(bench: Bench):
    result = bench.mac.send(1, b"x", confirmed=True)
    assert (result.sent, result.acked) == (True, False)
    assert len(bench.ups) == 4
    assert len({up.frame.payload for up in bench.ups}) == 1
    for before, after in zip(bench.ups, bench.ups[1:], strict=False):
        pause = after.frame.start_us - before.frame.end_us
        assert 3_000_000 <= pause <= 5_500_000  # RX2 at 2 s, its window, then 1 to 3 s


def test_row_14_a_confirmed_uplink_acknowledged_in_rx1_is_not_repeated(bench: Bench):
    bench.answer_once(lambda: bench.down(fctrl=ACK))
    assert bench.mac.send(1, b"x", confirmed=True).acked
    assert len(bench.ups) == 1


def test_row_15_nb_trans_3_repeats_on_other_channels_until_a_downlink(bench: Bench):
    bench.answer_once(lambda: bench.down(fopts=bytes.fromhex("0350070003")))
    bench.mac.send(1, b"x")
    bench.ups.clear()
    bench.mac.send(1, b"y")
    assert len(bench.ups) == 3
    assert len({up.frame.payload for up in bench.ups}) == 1
    hops = [up.frame.freq_hz for up in bench.ups]
    assert hops[0] != hops[1] != hops[2]
    bench.ups.clear()

    def second(_up: Up) -> list[Downlink]:
        return [bench.down()] if len(bench.ups) == 2 else []

    bench.reply = second
    bench.mac.send(1, b"z")
    assert len(bench.ups) == 2


@pytest.mark.parametrize(("dr", "limit"), [(0, 51), (1, 51), (2, 51), (3, 115), (4, 242), (5, 242)])
def test_row_16_a_payload_too_long_for_the_data_rate_is_refused(bench: Bench, dr: int, limit: int):
    bench.mac.session.dr = dr
    assert bench.mac.max_payload() == limit
    result = bench.mac.send(1, bytes(limit + 1))
    assert (result.sent, bench.ups) == (False, [])
    assert "max_payload" in result.reason
    assert bench.mac.send(1, bytes(limit)).sent


def test_row_17_greedy_sf12_uplinks_stay_within_36_seconds_of_every_hour():
    bench = Bench()
    bench.mac.adr = False
    bench.mac.session.dr = 0
    sent = 0
    while bench.rig.clock.now_us < 4 * HOUR_US:
        bench.sleep_until_ready()
        sent += bench.mac.send(1, bytes(51)).sent
    frames = bench.rig.network.heard
    assert sent == len(bench.ups) > 30  # it does send: 12 of 2.8 s fit in an hour
    assert worst_hour_us(frames, 868_000_000, 868_600_000) <= 36_000_000


def test_row_18_join_retries_stay_within_36_seconds_in_the_first_hour():
    bench = Bench(join=False)
    bench.terms = JoinTerms(window=0)
    while bench.rig.clock.now_us < 14 * HOUR_US:
        bench.sleep_until_ready()
        bench.mac.join()
    frames = [frame for _, frame in bench.join_requests]
    start = frames[0].start_us

    def spent(begin_h: float, end_h: float) -> int:
        return sum(
            f.end_us - f.start_us for f in frames if begin_h * HOUR_US <= f.start_us - start < end_h * HOUR_US
        )

    assert 5_000_000 < spent(0, 1) <= 36_000_000
    assert 5_000_000 < spent(1, 11) <= 36_000_000
    assert spent(11, 35) <= 8_700_000
    assert len({f.freq_hz for f in frames}) == 3
    assert {f.sf for f in frames} == {7, 8, 9, 10, 11, 12}
    assert worst_hour_us(frames, 868_000_000, 868_600_000) <= 36_000_000


def test_row_19_uplinks_spread_over_the_channels(bench: Bench):
    for _ in range(90):
        bench.mac.send(1, b"x")
    counts = {f: [up.frame.freq_hz for up in bench.ups].count(f) for f in DEFAULT_CHANNELS}
    assert min(counts.values()) >= 20


def test_row_20_a_downlink_in_rx1_is_delivered(bench: Bench):
    bench.answer_once(lambda: bench.down(9, b"hello"))
    assert bench.mac.send(1, b"x").downlinks == [(9, b"hello")]


def test_row_21_a_downlink_in_rx2_is_delivered(bench: Bench):
    bench.answer_once(lambda: bench.down(9, b"hello", window=2))
    assert bench.mac.send(1, b"x").downlinks == [(9, b"hello")]


def test_row_22_a_downlink_with_a_wrong_mic_is_not_delivered(bench: Bench):
    bench.answer_once(lambda: bench.down(9, b"hello", break_mic=True))
    assert bench.mac.send(1, b"x").downlinks == []
    assert bench.mac.session.fcnt_down == -1


def test_row_23_after_a_wrong_mic_in_rx1_rx2_is_opened(bench: Bench):
    bench.answer_once(
        lambda: bench.down(9, b"bad", fcnt=0, break_mic=True), lambda: bench.down(9, b"good", window=2)
    )
    assert bench.mac.send(1, b"x").downlinks == [(9, b"good")]


def test_row_24_a_downlink_for_another_address_is_not_delivered(bench: Bench):
    bench.answer_once(lambda: bench.down(9, b"hello", dev_addr=0x260B1235))
    assert bench.mac.send(1, b"x").downlinks == []
    assert bench.mac.session.fcnt_down == -1


def test_row_25_after_a_frame_for_another_address_in_rx1_rx2_is_opened(bench: Bench):
    bench.answer_once(
        lambda: bench.down(9, b"theirs", fcnt=0, dev_addr=1), lambda: bench.down(9, b"ours", window=2)
    )
    assert bench.mac.send(1, b"x").downlinks == [(9, b"ours")]


def test_row_26_a_replayed_counter_is_not_delivered(bench: Bench):
    bench.answer_once(lambda: bench.down(9, b"one", fcnt=7))
    assert bench.mac.send(1, b"x").downlinks == [(9, b"one")]
    for fcnt in (7, 6, 0):
        bench.answer_once(lambda fcnt=fcnt: bench.down(9, b"again", fcnt=fcnt))
        assert bench.mac.send(1, b"x").downlinks == []
    bench.mac = bench.make_mac()
    bench.answer_once(lambda: bench.down(9, b"after a restart", fcnt=7))
    assert bench.mac.send(1, b"x").downlinks == []


def test_row_27_first_counter_0_gaps_and_the_16_bit_rollover(bench: Bench):
    for fcnt in (0, 1, 100, 0xFFFF, 0x10000, 0x1FFFF, 0x20005):
        bench.answer_once(lambda fcnt=fcnt: bench.down(9, b"x", fcnt=fcnt))
        assert bench.mac.send(1, b"x").downlinks == [(9, b"x")], hex(fcnt)
        assert bench.mac.session.fcnt_down == fcnt


def test_row_28_a_jump_above_16384_is_accepted(bench: Bench):
    for fcnt in (0, 16385, 60000):
        bench.answer_once(lambda fcnt=fcnt: bench.down(9, b"x", fcnt=fcnt))
        assert bench.mac.send(1, b"x").downlinks == [(9, b"x")]


def test_row_29_a_confirmed_downlink_is_acknowledged_once_in_the_next_uplink(bench: Bench):
    bench.answer_once(lambda: bench.down(9, b"please", confirmed=True))
    assert bench.mac.send(1, b"x").downlinks == [(9, b"please")]
    assert bench.mac.wants_uplink
    bench.mac.poll()
    bench.mac.send(1, b"x")
    assert [up.fctrl & ACK for up in bench.ups] == [0, ACK, 0]
    assert (bench.ups[1].port, bench.ups[1].payload) == (-1, b"")


def test_row_30_a_duplicate_confirmed_downlink_is_acknowledged_again_but_not_delivered_twice(bench: Bench):
    for delivered in (1, 0):
        bench.answer_once(lambda: bench.down(9, b"please", confirmed=True, fcnt=3))
        assert len(bench.mac.send(1, b"x").downlinks) == delivered
    bench.mac.send(1, b"x")
    assert [up.fctrl & ACK for up in bench.ups] == [0, ACK, ACK]


def test_row_31_port_0_together_with_fopts_drops_the_whole_frame(bench: Bench):
    bench.answer_once(lambda: bench.down(0, b"\x06", fopts=b"\x06"))
    bench.mac.send(1, b"x")
    assert bench.mac.session.fcnt_down == -1
    assert not bench.mac.wants_uplink


@pytest.mark.parametrize("mhdr", [0x40, 0x80])
def test_row_32_an_uplink_type_frame_in_a_window_is_not_delivered(bench: Bench, mhdr: int):
    bench.answer_once(lambda: bench.down(9, b"x", mhdr=mhdr))
    assert bench.mac.send(1, b"x").downlinks == []
    assert bench.mac.session.fcnt_down == -1


def test_row_33_after_an_uplink_type_frame_in_rx1_rx2_is_opened(bench: Bench):
    bench.answer_once(
        lambda: bench.down(9, b"x", mhdr=0x40, fcnt=0), lambda: bench.down(9, b"ours", window=2)
    )
    assert bench.mac.send(1, b"x").downlinks == [(9, b"ours")]


@pytest.mark.parametrize("major", [1, 2, 3])
def test_row_34_a_major_version_other_than_0_is_dropped(bench: Bench, major: int):
    bench.answer_once(lambda: bench.down(9, b"x", mhdr=0x60 | major))
    assert bench.mac.send(1, b"x").downlinks == []
    assert bench.mac.session.fcnt_down == -1


def test_row_35_after_a_valid_frame_in_rx1_rx2_is_not_opened(bench: Bench):
    mark = len(bench.rig.wires.log)
    bench.answer_once(lambda: bench.down(9, b"x"))
    bench.mac.send(1, b"x")
    assert [w[0] for w in bench.windows(mark)] == ["tx", "rx"]
    assert bench.windows()[-1][1] == bench.ups[0].frame.freq_hz


def test_the_app_key_shows_in_no_repr(bench: Bench):
    for thing in (bench.mac, bench.mac.session, bench.mac.send(1, b"x")):
        assert APP_KEY.hex() not in repr(thing)
        assert repr(APP_KEY)[2:-1] not in repr(thing)
