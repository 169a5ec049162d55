"""The MAC's parts: windows, duty ledger, join back-off, records, channels."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radio.channels import Channels
from radio.dutycycle import NEVER_MS, DutyLedger
from radio.joinbackoff import JoinBackOff
from radio.memory import Memory
from radio.session import Session, restore
from radio.slots import Slots, seal, unseal
from radio.uptime import Uptime
from radio.windows import window
from tests.firmware.radio.rig import FlashStore, VirtualClock
from tests.firmware.radio.server import DEV_EUI, JOIN_EUI, Bench


@pytest.mark.parametrize(
    ("error_ms", "sf", "symbols", "length_ms", "opens_ms"),
    # LoRaMac-node's RegionCommonComputeRxWindowParameters with six symbols at least, as tabled in the
    # project's LoRaWAN reference, section 5 (its offsets are rounded up to whole milliseconds)
    [
        (10, 12, 6, 196.6, 33),
        (10, 9, 9, 36.9, -2),
        (10, 7, 24, 24.6, -8),
        (20, 7, 44, 45.1, -18),
        (50, 7, 102, 104.4, -48),
        (50, 12, 8, 262, 0),
    ],
)
def test_windows_are_those_of_loramac(error_ms: int, sf: int, symbols: int, length_ms: float, opens_ms: int):
    symbol = (1 << sf) * 8
    offset, length = window(symbol, error_ms * 1000)
    assert length == symbols * symbol
    assert length / 1000 == pytest.approx(length_ms, abs=0.2)
    assert -(-offset // 1000) == opens_ms


@pytest.mark.parametrize(("sf", "skew_ms"), [(7, 20), (7, -20), (9, 20), (9, -20), (12, 50), (12, -50)])
@pytest.mark.parametrize("rx", [1, 2])
def test_a_downlink_that_is_off_by_the_clock_error_is_still_received(sf: int, skew_ms: int, rx: int):
    bench = Bench(duty_cycle=False)
    bench.mac.session.dr = 12 - sf
    downlink_dr = 12 - sf
    bench.mac.session.rx2_dr = bench.rx2_dr = downlink_dr

    def skewed():
        downlink = bench.down(9, b"x", window=rx)
        downlink.delay_us += skew_ms * 1000
        return downlink

    bench.answer_once(skewed)
    assert bench.mac.send(1, b"x").downlinks == [(9, b"x")]


@pytest.mark.parametrize("ppm", [-40, 40, -3000, 3000])
def test_a_wrong_crystal_is_within_the_window(ppm: int):
    """40 ppm is a crystal, 3000 ppm the calibrated RC clock of an ESP32: 15 ms in 5 s."""
    bench = Bench(duty_cycle=False, ppm=ppm, join=False)
    bench.terms.rx_delay = 5
    assert bench.mac.join()
    for _ in range(5):
        bench.answer_once(lambda: bench.down(9, b"x"))
        assert bench.mac.send(1, b"x").downlinks == [(9, b"x")]


# -- duty cycle --


@given(
    st.lists(
        st.tuples(st.integers(0, 900_000), st.integers(40_000, 2_800_000), st.integers(0, 5)),
        max_size=150,
    )
)
@settings(max_examples=60, deadline=None)
def test_no_sliding_hour_exceeds_the_limit(plan: list[tuple[int, int, int]]):
    """Whoever asks wait_ms first never breaks ETSI's limit, wherever the hour starts."""
    freqs = [864_000_000, 867_100_000, 868_100_000, 869_000_000, 869_525_000, 869_850_000]
    limits_us = [3_600_000, 36_000_000, 36_000_000, 3_600_000, 360_000_000, 36_000_000]  # of an hour
    ledger = DutyLedger()
    now = 0
    spans: dict[int, list[tuple[int, int]]] = {}
    for pause_ms, air_us, band in plan:
        now += pause_ms
        wait = ledger.wait_ms(freqs[band], air_us, now)
        assert 0 <= wait <= 62 * 60_000
        now += wait
        assert ledger.wait_ms(freqs[band], air_us, now) == 0
        ledger.book(freqs[band], air_us, now)
        spans.setdefault(band, []).append((now * 1000, now * 1000 + air_us))
        now += air_us // 1000 + 1
    for band, found in spans.items():
        for _, end in found:
            begin = end - 3_600_000_000
            assert sum(max(min(e, end) - max(s, begin), 0) for s, e in found) <= limits_us[band]


def test_gaps_between_the_bands_are_never_allowed():
    # 868.6-868.7, 869.2-869.4 and 869.65-869.7 MHz belong to no sub-band (EN 300 220-2)
    ledger = DutyLedger()
    for freq in (868_650_000, 869_300_000, 869_675_000, 862_999_999, 870_000_001):
        assert ledger.wait_ms(freq, 50_000, 0) == NEVER_MS


def test_a_full_ledger_survives_packing_and_ages_while_the_node_sleeps():
    ledger = DutyLedger()
    for i in range(12):
        ledger.book(868_100_000, 3_000_000, i * 60_000)
    now = 12 * 60_000
    assert ledger.wait_ms(868_100_000, 1_000_000, now) > 0
    packed = ledger.dump(now)
    for slept_ms, spent in ((0, 36_000), (30 * 60_000, 36_000), (61 * 60_000, range(36_000)), (7_200_000, 0)):
        restored = DutyLedger()
        restored.restore(packed, 0, slept_ms)
        got = restored.spent_ms(868_100_000, 0)
        assert got == spent if isinstance(spent, int) else got in spent


def test_after_power_on_half_of_each_band_counts_as_spent():
    ledger = DutyLedger()
    ledger.assume_half_spent(0)
    assert ledger.spent_ms(868_100_000, 0) == 18_000
    assert ledger.spent_ms(869_525_000, 0) == 180_000
    assert ledger.spent_ms(868_100_000, 63 * 60_000) == 0


@given(st.binary(max_size=400))
def test_unpacking_any_ledger_is_total(data: bytes):
    DutyLedger().restore(data, 0, 0)


# -- join back-off --


def test_the_pause_between_joins_grows_and_differs_between_nodes():
    pauses: list[list[int]] = []
    for seed in (1, 2):
        back_off = JoinBackOff(Random(seed))
        now, waits = 0, []
        for _ in range(7):
            back_off.book(61_696, now)
            waits.append(back_off.wait_ms(61_696, now))
            now += waits[-1]
        pauses.append(waits)
    assert pauses[0] != pauses[1]
    assert pauses[0][0] < 8_001
    assert pauses[0][-1] > 200_000


def test_a_join_starts_the_back_off_anew():
    back_off = JoinBackOff(Random(1))
    back_off.book(1_482_752, 0)
    assert back_off.wait_ms(61_696, 0) > 0
    back_off.reset()
    assert back_off.wait_ms(61_696, 0) == 0


# -- records --


def test_a_record_survives_a_torn_write():
    for cut in range(30):
        store = FlashStore()
        slots = Slots(store, "x")
        for value in (b"one", b"two", b"three"):
            slots.save(value)
        written = store.records
        again = Slots(store, "x")
        assert again.load() == b"three"
        again.save(b"four, which is longer")
        torn = dict(store.records)
        name = next(n for n in torn if torn[n] != written.get(n) or b"four" in torn[n])
        store.records[name] = torn[name][:cut]
        assert Slots(store, "x").load() in (b"three", b"four, which is longer")


@given(st.binary(max_size=100))
def test_noise_is_no_record(noise: bytes):
    assert unseal(noise) is None
    assert unseal(seal(noise, 7)) == (noise, 7)


@given(st.binary(max_size=60), st.integers(0, 600), st.integers(1, 255))
def test_a_changed_byte_is_seen(data: bytes, where: int, flip: int):
    sealed = bytearray(seal(data, 1))
    sealed[where % len(sealed)] ^= flip
    assert unseal(bytes(sealed)) is None


def full_session() -> Session:
    s = Session(DEV_EUI, JOIN_EUI, 65535, 0xFFFFFFFF, bytes(16), bytes(range(16)))
    s.join_nonce, s.fcnt_up, s.fcnt_down = 0xFFFFFF, 0xFFFFFFFF, 0xFFFFFFFE
    s.dr, s.tx_power, s.nb_trans, s.adr_ack_count = 0, 7, 15, 70000
    s.rx1_dr_offset, s.rx2_dr, s.rx2_freq_hz, s.rx1_delay_s = 5, 6, 869_525_000, 15
    s.max_duty_cycle, s.ack_due = 15, True
    for i in range(3, 16):
        s.channels.define(i, 863_100_000 + i * 100_000, i % 3, 5)
    s.channels.mask = 0xA5A7
    s.channels.slots[4][3] = 869_525_000
    s.answers, s.sticky = b"\x03\x07" * 7, b"\x05\x07\x08"
    return s


def test_a_session_comes_back_from_its_record_whole():
    s = full_session()
    back, rest = restore(s.dump() + b"rest", DEV_EUI, JOIN_EUI)
    assert rest == b"rest"
    assert back.adr_ack_count == 0xFFFF
    s.adr_ack_count = 0xFFFF
    assert vars(back) | {"channels": None} == vars(s) | {"channels": None}
    assert (back.channels.slots, back.channels.mask) == (s.channels.slots, s.channels.mask)


def test_the_largest_session_with_ledger_fits_rtc_memory():
    """2048 bytes of RTC memory are shared with others; 16 channels, two bands with every bin in use."""
    assert len(seal(full_session().dump() + bytes(4 * 31 * 3))) < 800


def test_a_record_of_another_device_is_not_used():
    record = full_session().dump()
    assert restore(record, bytes(8), JOIN_EUI) is None
    assert restore(record, DEV_EUI, bytes(8)) is None


def test_dev_nonce_goes_on_under_a_new_join_eui():
    store = FlashStore()
    memory = Memory(store, None, DEV_EUI, JOIN_EUI)
    memory.load()
    assert [memory.take_dev_nonce() for _ in range(3)] == [0, 1, 2]
    other = Memory(store, None, DEV_EUI, bytes(8))
    other.load()
    assert other.take_dev_nonce() == 3
    assert other.join_nonce == -1


def test_deep_sleep_continues_with_the_exact_counter_and_ledger():
    bench = Bench(join=False)
    retained = FlashStore()
    bench.mac = bench.make_mac(retained=retained)
    assert bench.mac.join()
    for _ in range(5):
        bench.mac.send(1, bytes(100))
    spent = bench.mac._duty.spent_ms(868_100_000, bench.mac._uptime.ms())
    bench.mac = bench.make_mac(retained=retained, slept_ms=300_000)
    assert bench.mac.session.fcnt_up == 5
    assert bench.mac._duty.spent_ms(868_100_000, 0) == spent
    bench.mac.send(1, b"x")
    assert [up.fcnt for up in bench.ups] == [0, 1, 2, 3, 4, 5]


def test_after_a_power_cut_noise_in_rtc_memory_is_not_believed():
    bench = Bench(join=False)
    retained = FlashStore()
    bench.mac = bench.make_mac(retained=retained)
    assert bench.mac.join()
    bench.mac.send(1, b"x")
    retained.records = {name: Random(1).randbytes(len(data)) for name, data in retained.records.items()}
    bench.mac = bench.make_mac(retained=retained)
    assert bench.mac.session.fcnt_up == 32


def test_retained_memory_of_an_earlier_session_is_not_believed():
    bench = Bench(join=False, duty_cycle=False)
    retained = FlashStore()
    bench.mac = bench.make_mac(retained=retained)
    assert bench.mac.join()
    bench.mac.send(1, b"x")
    old = dict(retained.records)
    bench.terms.join_nonce = 2
    assert bench.mac.join()
    retained.records = old
    keys = bench.mac.session.nwk_skey
    bench.mac = bench.make_mac(retained=retained)
    assert bench.mac.session.nwk_skey == keys


# -- the rest --


def test_uptime_goes_on_when_ticks_wrap():
    clock = VirtualClock()
    uptime = Uptime(clock)
    for _ in range(40):
        clock.now_us += 86_400_000_000
        uptime.ms()
    assert uptime.ms() == 40 * 86_400_000


def test_a_cflist_outside_the_band_or_of_another_type_changes_nothing():
    for cflist in (bytes(15) + b"\x01", bytes(15) + b"\x07", bytes.fromhex("80f07e" + "ffffff" * 4 + "00")):
        channels = Channels()
        channels.apply_cflist(cflist)
        assert channels.defined_mask() == 7


@given(st.binary(max_size=255))
@settings(max_examples=200, deadline=None)
def test_any_bytes_in_a_window_leave_the_session_as_it_was(noise: bytes):
    bench = _FUZZ
    before = bench.mac.session.dump()
    assert not bench.mac._take_downlink(noise, 0)
    assert bench.mac.session.dump() == before


_FUZZ = Bench(duty_cycle=False)
