"""The 35 basic behaviours of a Class A device, one test a row, through the line protocol: the unmodified
firmware in the MicroPython unix port on simulated boards, one for each radio chip.

Rows and numbers follow the checklist of the project's LoRaWAN reference (section 4), which follows
TS001-1.0.4 and EU868. liblora reads and makes the frames; at the end of each row every frame of the device
is judged by at least two independent implementations (tests/judges).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.dut import (
    ACK,
    ADR,
    DEV_ADDR,
    DEV_EUI,
    JOIN_EUI,
    RX2_HZ,
    Answer,
    Dut,
    Terms,
    Transmission,
    Up,
    time_on_air_ms,
)

pytestmark = [pytest.mark.mpy, pytest.mark.timeout(300)]

BOARDS = ("sim_bin", "sim_bin_sx1276")
DEFAULT_CHANNELS = {868_100_000, 868_300_000, 868_500_000}
CFLIST = bytes.fromhex("184f84e85684b85e84886684586e8400")
CFLIST_HZ = {867_100_000, 867_300_000, 867_500_000, 867_700_000, 867_900_000}
HOUR_MS = 3_600_000
MINUTE_MS = 60_000

Make = Callable[..., Dut]


@pytest.fixture(params=BOARDS)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Return a function that starts a device; the run's frames are judged afterwards."""
    made: list[Dut] = []

    def start(state: str = "state", **settings: Any) -> Dut:
        made.append(Dut(tmp_path / state, board=request.param, **settings))
        return made[-1]

    yield start
    for dut in made:
        dut.__exit__(None)
        if dut.frames:
            dut.judge()


@pytest.fixture
def dut(make: Make) -> Dut:
    return make()


def not_joined(make: Make, **settings: Any) -> Dut:
    return make(join=False, **settings)


def silent_join(make: Make) -> Dut:
    dut = not_joined(make)
    dut.terms = Terms(window=0)
    dut.join()
    assert not dut.joined
    return dut


def worst_hour_ms(sent: list[Transmission], low_hz: int, high_hz: int) -> float:
    """Return the most air time that any sliding hour holds in a band: a window that ends with each frame."""
    spans = [(tx.t, tx.end_ms) for tx in sent if low_hz <= tx.freq < high_hz]
    worst = 0.0
    for _, end in spans:
        begin = end - HOUR_MS
        worst = max(worst, sum(max(min(e, end) - max(s, begin), 0) for s, e in spans))
    return worst


def opens(tx: Transmission, window: int, delay_ms: int, sf: int) -> None:
    """Assert that a window opens where a downlink's preamble can still be caught: five symbols of eight."""
    late_ms = int(tx.windows[window - 1]["t"]) - (tx.end_ms + delay_ms)
    assert -30 <= late_ms <= 3 * 2**sf / 125, f"window {window} opens {late_ms:.1f} ms off"


def test_row_01_join_request_layout_and_modulation(make: Make):
    dut = silent_join(make)
    nonce, tx = dut.join_requests[0]
    assert tx.phy[:17] == b"\x00" + JOIN_EUI[::-1] + DEV_EUI[::-1]
    assert nonce == 0
    assert tx.freq in DEFAULT_CHANNELS
    assert {key: tx.raw[key] for key in ("bw", "iq", "crc", "pre", "modem")} == {
        "bw": "0",
        "iq": "0",
        "crc": "1",
        "pre": "8",
        "modem": "1",
    }
    assert tx.pwr <= 16


def test_row_02_join_windows_open_at_5_and_6_seconds(make: Make):
    dut = silent_join(make)
    (_, tx), (rx1, rx2) = dut.join_requests[0], dut.sent[0].windows
    assert (int(rx1["freq"]), int(rx1["sf"]), rx1["iq"]) == (tx.freq, tx.sf, "1")
    assert (int(rx2["freq"]), int(rx2["sf"]), rx2["iq"]) == (RX2_HZ, 12, "1")
    opens(tx, 1, 5000, tx.sf)
    opens(tx, 2, 6000, 12)


def test_row_03_dev_nonce_rises_by_one_and_survives_power_cycles(make: Make):
    dut = silent_join(make)
    dut.join()
    dut.reset()
    dut.join()
    dut.kill()
    dut.start()
    dut.join()
    assert [nonce for nonce, _ in dut.join_requests] == [0, 1, 2, 3]


def test_row_04_join_accept_in_rx1(make: Make):
    dut = not_joined(make)
    dut.join()
    assert dut.joined == [DEV_ADDR]
    assert len(dut.sent[0].windows) == 1


def test_row_05_join_accept_in_rx2(make: Make):
    dut = not_joined(make)
    dut.terms = Terms(window=2)
    dut.join()
    assert dut.joined == [DEV_ADDR]


def test_row_06_join_accept_with_a_wrong_mic_is_refused(make: Make):
    dut = not_joined(make)
    dut.terms = Terms(app_key=bytes(16))
    dut.join()
    assert dut.joined == []


def test_row_07_after_a_wrong_join_accept_in_rx1_rx2_is_opened(make: Make):
    dut = not_joined(make)
    hear = dut._answer_join

    def both(tx: Transmission) -> None:
        hear(tx)
        good = dut._answer[1]
        dut._answer = {1: good[:-1] + bytes([good[-1] ^ 1]), 2: good}

    dut._answer_join = both
    dut.join()
    assert dut.joined == [DEV_ADDR]
    assert len(dut.sent[0].windows) == 2


def test_row_08_a_join_nonce_used_before_is_refused(make: Make):
    dut = not_joined(make)
    for nonce, accepted in ((5, 1), (5, 1), (4, 1)):
        dut.terms = Terms(join_nonce=nonce)
        dut.join()
        assert len(dut.joined) == accepted
    dut.reset()
    dut.join()
    assert len(dut.joined) == 1
    dut.terms = Terms(join_nonce=6)
    dut.join()
    assert len(dut.joined) == 2


def test_row_09_dl_settings_and_rx_delay_are_applied(make: Make):
    dut = not_joined(make)
    dut.terms = Terms(dl_settings=0x23, rx_delay=3)
    dut.join()
    (tx,) = dut.send()
    rx1, rx2 = tx.windows
    assert (int(rx1["freq"]), int(rx1["sf"])) == (tx.freq, tx.sf + 2)
    assert (int(rx2["freq"]), int(rx2["sf"])) == (RX2_HZ, 9)
    opens(tx, 1, 3000, tx.sf + 2)
    opens(tx, 2, 4000, 9)
    dut.reset()
    (tx,) = dut.send()
    assert [int(window["sf"]) for window in tx.windows] == [tx.sf + 2, 9]
    opens(tx, 1, 3000, tx.sf + 2)


def test_row_10_cflist_type_0_adds_five_channels(make: Make):
    dut = not_joined(make)
    dut.terms = Terms(cflist=CFLIST)
    dut.join()
    for _ in range(60):
        dut.send()
    assert {up.tx.freq for up in dut.ups} == DEFAULT_CHANNELS | CFLIST_HZ


def test_row_11_fcnt_up_starts_at_0_and_rises_by_one(dut: Dut):
    for _ in range(3):
        dut.send()
    assert [up.fcnt for up in dut.ups] == [0, 1, 2]


def test_row_11_fcnt_up_never_repeats_after_power_cuts(dut: Dut):
    for _ in range(3):
        dut.send()
        dut.reset()
        dut.send()
        dut.kill()
        dut.start()
    counters = [up.fcnt for up in dut.ups]
    assert counters == sorted(set(counters))
    assert dut.joined == [DEV_ADDR]  # a session that survives needs no new join


def test_row_12_an_unconfirmed_uplink(dut: Dut):
    dut.send(b"payload", port=7)
    (up,) = dut.ups
    assert up.tx.phy[0] == 0x40
    assert (up.confirmed, up.fctrl & 0xF0, up.port, up.payload) == (False, ADR, 7, b"payload")


def test_row_13_a_confirmed_uplink_without_answer_is_repeated_unchanged(dut: Dut):
    copies = dut.send(confirmed=True)
    copies += dut.run(5 * MINUTE_MS)
    assert 2 <= len(copies) <= 8
    assert len({tx.phy for tx in copies}) == 1
    for before, after in itertools.pairwise(copies):
        assert after.t - before.end_ms >= 3000  # RX2 at 2 s, then at least 1 s


def test_row_14_a_confirmed_uplink_acknowledged_in_rx1_is_not_repeated(dut: Dut):
    dut.answer_once(lambda _up: {1: dut.down(fctrl=ACK)})
    assert len(dut.send(confirmed=True) + dut.run(MINUTE_MS)) == 1


def test_row_15_nb_trans_3_repeats_on_other_channels_until_a_downlink(dut: Dut):
    dut.answer_once(lambda _up: {1: dut.down(fopts=bytes.fromhex("0350070003"))})
    dut.send()
    dut.run(MINUTE_MS)
    copies = dut.send(b"y")
    assert len(copies) == 3
    assert len({tx.phy for tx in copies}) == 1
    assert copies[0].freq != copies[1].freq != copies[2].freq
    dut.ups.clear()

    def second(_up: Up) -> Answer:
        return {1: dut.down()} if len(dut.ups) == 2 else {}

    dut.reply = second
    assert len(dut.send(b"z")) == 2


@pytest.mark.parametrize(("dr", "limit"), [(0, 51), (1, 51), (2, 51), (3, 115), (4, 242), (5, 242)])
def test_row_16_a_payload_too_long_for_the_data_rate_is_refused(make: Make, dr: int, limit: int):
    dut = make(dr=dr)
    assert dut.send(bytes(limit + 1)) == []
    (tx,) = dut.send(bytes(limit))
    assert tx.sf == 12 - dr
    assert dut.ups[-1].payload == bytes(limit)


def test_row_17_greedy_sf12_uplinks_stay_within_36_seconds_of_every_hour(make: Make):
    dut = make(duty=True, dr=0)
    while dut.now < 3 * HOUR_MS:
        dut.send(bytes(51))
        dut.run(10_000)
    assert len(dut.ups) > 24  # it does send: 12 of 2.8 s fit in an hour
    assert worst_hour_ms(dut.sent, 868_000_000, 868_600_000) <= 36_000


def test_row_18_join_retries_stay_within_36_seconds_in_the_first_hour(make: Make):
    dut = not_joined(make, duty=True)
    dut.terms = Terms(window=0)
    dut.join()
    dut.run(13 * HOUR_MS)
    requests = [tx for _, tx in dut.join_requests]
    start = requests[0].t

    def spent(begin_h: float, end_h: float) -> float:
        return sum(tx.air_ms for tx in requests if begin_h * HOUR_MS <= tx.t - start < end_h * HOUR_MS)

    assert 5_000 < spent(0, 1) <= 36_000
    assert 5_000 < spent(1, 11) <= 36_000
    assert spent(11, 13) <= 8_700
    assert {tx.freq for tx in requests} == DEFAULT_CHANNELS
    assert {tx.sf for tx in requests} == {7, 8, 9, 10, 11, 12}


def test_row_18_a_power_cycle_at_each_attempt_does_not_get_around_the_duty_cycle(make: Make):
    dut = not_joined(make, duty=True, dr=0)
    dut.terms = Terms(window=0)
    while dut.now < HOUR_MS:
        dut.join()
        dut.reset()
        dut.run(MINUTE_MS)
    assert len(dut.sent) > 8
    assert worst_hour_ms(dut.sent, 868_000_000, 868_600_000) <= 36_000


def test_row_19_uplinks_spread_over_the_channels(dut: Dut):
    for _ in range(90):
        dut.send()
    heard = [up.tx.freq for up in dut.ups]
    assert min(heard.count(freq) for freq in DEFAULT_CHANNELS) >= 20


@pytest.mark.parametrize("window", [1, 2])
def test_rows_20_and_21_a_downlink_in_rx1_or_rx2_is_delivered(dut: Dut, window: int):
    dut.answer_once(lambda _up: {window: dut.down(9, b"hello")})
    dut.send()
    assert dut.downs == [(9, b"hello")]


def test_row_22_a_downlink_with_a_wrong_mic_is_not_delivered(dut: Dut):
    dut.answer_once(lambda _up: {1: dut.down(9, b"hello", fcnt=0, break_mic=True)})
    dut.send()
    dut.answer_once(lambda _up: {1: dut.down(9, b"fine", fcnt=0)})
    dut.send()
    assert dut.downs == [(9, b"fine")]


def test_row_23_after_a_wrong_mic_in_rx1_rx2_is_opened(dut: Dut):
    dut.answer_once(
        lambda _up: {1: dut.down(9, b"bad", fcnt=0, break_mic=True), 2: dut.down(9, b"good", fcnt=0)}
    )
    dut.send()
    assert dut.downs == [(9, b"good")]


def test_row_24_a_downlink_for_another_address_is_not_delivered(dut: Dut):
    dut.answer_once(lambda _up: {1: dut.down(9, b"hello", dev_addr=DEV_ADDR + 1)})
    dut.send()
    assert dut.downs == []


def test_row_25_after_a_frame_for_another_address_in_rx1_rx2_is_opened(dut: Dut):
    dut.answer_once(
        lambda _up: {1: dut.down(9, b"theirs", fcnt=0, dev_addr=1), 2: dut.down(9, b"ours", fcnt=0)}
    )
    dut.send()
    assert dut.downs == [(9, b"ours")]


def test_row_26_a_replayed_counter_is_not_delivered(dut: Dut):
    for fcnt in (7, 7, 6, 0):
        dut.answer_once(lambda _up, fcnt=fcnt: {1: dut.down(9, b"once", fcnt=fcnt)})
        dut.send()
    dut.reset()
    dut.answer_once(lambda _up: {1: dut.down(9, b"after a power cut", fcnt=7)})
    dut.send()
    assert dut.downs == [(9, b"once")]


def test_row_27_first_counter_0_gaps_and_the_16_bit_rollover(dut: Dut):
    counters = (0, 1, 100, 0xFFFF, 0x10000, 0x1FFFF, 0x20005)
    for fcnt in counters:
        dut.answer_once(lambda _up, fcnt=fcnt: {1: dut.down(9, fcnt.to_bytes(4, "big"), fcnt=fcnt)})
        dut.send()
    assert dut.downs == [(9, fcnt.to_bytes(4, "big")) for fcnt in counters]


def test_row_28_a_jump_above_16384_is_accepted(dut: Dut):
    for fcnt in (0, 16385, 60000):
        dut.answer_once(lambda _up, fcnt=fcnt: {1: dut.down(9, b"x", fcnt=fcnt)})
        dut.send()
    assert len(dut.downs) == 3


def test_row_29_a_confirmed_downlink_is_acknowledged_once_in_the_next_uplink(dut: Dut):
    dut.answer_once(lambda _up: {1: dut.down(9, b"please", confirmed=True)})
    dut.send()
    dut.send()
    dut.send()
    assert dut.downs == [(9, b"please")]
    assert [up.fctrl & ACK for up in dut.ups] == [0, ACK, 0]


def test_row_29_without_an_uplink_of_its_own_the_device_acknowledges_soon_with_an_empty_one(dut: Dut):
    dut.answer_once(lambda _up: {2: dut.down(9, b"please", confirmed=True)})
    dut.send()
    dut.run(MINUTE_MS)
    assert [(up.fctrl & ACK, up.port, up.payload) for up in dut.ups[1:]] == [(ACK, -1, b"")]


def test_row_30_a_duplicate_confirmed_downlink_is_not_delivered_twice(dut: Dut):
    for _ in range(2):
        dut.answer_once(lambda _up: {1: dut.down(9, b"please", confirmed=True, fcnt=3)})
        dut.send()
    dut.send()
    assert dut.downs == [(9, b"please")]
    assert [up.fctrl & ACK for up in dut.ups] == [0, ACK, ACK]


def test_row_31_port_0_together_with_fopts_drops_the_whole_frame(dut: Dut):
    dut.answer_once(lambda _up: {1: dut.down(0, b"\x06", fopts=b"\x06", fcnt=0)})
    dut.send()
    assert dut.run(MINUTE_MS) == []
    dut.answer_once(lambda _up: {1: dut.down(9, b"same counter", fcnt=0)})
    dut.send()
    assert dut.ups[-1].fopts == b""
    assert dut.downs == [(9, b"same counter")]


@pytest.mark.parametrize("mhdr", [0x40, 0x80])
def test_row_32_an_uplink_type_frame_in_a_window_is_not_delivered(dut: Dut, mhdr: int):
    dut.answer_once(lambda _up: {1: dut.down(9, b"x", mhdr=mhdr)})
    dut.send()
    assert dut.downs == []


def test_row_33_after_an_uplink_type_frame_in_rx1_rx2_is_opened(dut: Dut):
    dut.answer_once(lambda _up: {1: dut.down(9, b"x", mhdr=0x40, fcnt=0), 2: dut.down(9, b"ours", fcnt=0)})
    dut.send()
    assert dut.downs == [(9, b"ours")]


@pytest.mark.parametrize("major", [1, 2, 3])
def test_row_34_a_major_version_other_than_0_is_dropped(dut: Dut, major: int):
    dut.answer_once(lambda _up: {1: dut.down(9, b"x", mhdr=0x60 | major)})
    dut.send()
    assert dut.downs == []


def test_row_35_after_a_valid_frame_in_rx1_rx2_is_not_opened(dut: Dut):
    dut.answer_once(lambda _up: {1: dut.down(9, b"x")})
    (tx,) = dut.send()
    assert [int(window["freq"]) for window in tx.windows] == [tx.freq]


# -- the adapter itself ----------------------------------------------------------------------------
def test_bad_lines_are_told_and_change_nothing(dut: Dut):
    before = dut.now
    for line in (
        "HELLO",
        "SEND 1 0",
        "SEND 0 0 00",
        "SEND 1 2 00",
        "SEND 1 0 0g",
        "RUN x",
        "DR 9",
        "JOIN now",
    ):
        dut._put(line)
        dut._until("OK")
    assert len(dut.errors) == 8
    assert dut.now <= before + 1000
    assert len(dut.send(b"")) == 1


def test_two_runs_of_the_same_commands_say_the_same(make: Make):
    runs = []
    for state in ("one", "two"):
        dut = make(state=state)
        dut.send(confirmed=True)
        dut.reset()
        dut.send(b"more")
        runs.append([tx.raw for tx in dut.sent])
    assert runs[0] == runs[1]


def test_a_test_house_drives_the_device_over_port_224(make: Make):
    """TS009-1.0: echo, a period of 10 s, and a reset of the device, all by downlink."""
    dut = make(certification=True)
    dut.answer_once(lambda _up: {1: dut.down(224, b"\x08\x01\xff")})
    dut.send()
    dut.run(5000)
    assert (dut.ups[-1].port, dut.ups[-1].payload) == (224, b"\x08\x02\x00")
    dut.answer_once(lambda _up: {1: dut.down(224, b"\x06\x02")})
    dut.send()
    before = len(dut.ups)
    dut.run(65_000)
    periodic = dut.ups[before:]
    assert len(periodic) in (6, 7)
    assert {up.port for up in periodic} == {224}
    dut.answer_once(lambda _up: {1: dut.down(224, b"\x01")})
    dut.run(20_000)
    assert dut.downs == []
    assert len(dut.send()) == 1  # the session survived


def test_time_on_air_of_the_tests_is_that_of_the_reference():
    """Section 1 of the reference: four implementations agree."""
    assert [round(time_on_air_ms(sf, 23), 3) for sf in (12, 7)] == [1482.752, 61.696]
    assert round(time_on_air_ms(9, 51), 3) == 328.704
