"""Parts of the network server against plain models of what they must do."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.lns import SessionStore
from gateway.lns.adr import propose
from gateway.lns.duty import DutyLedger
from gateway.lns.session import COPY, FOREIGN, NEW, REPLAY, Session
from tests.gateway.lns.liblora_device import Device
from wire.lorawan import eu868, frames

NWK, APP = b"\x11" * 16, b"\x22" * 16


def session(fcnt_up: int) -> Session:
    return Session("0" * 16, 1, 0x260B1234, NWK, APP, 1, 0, 0, 7, fcnt_up=fcnt_up)


def uplink(fcnt: int, key: bytes = NWK) -> frames.DataFrame:
    device = Device("0" * 16, "0" * 16, bytes(16), dev_addr=0x260B1234, nwk_s_key=key, app_s_key=APP)
    return frames.parse_data(device.uplink(fcnt=fcnt))


@given(st.integers(-1, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_every_counter_is_judged_by_its_32_bits(last, fcnt):
    verdict, judged = session(last).judge(uplink(fcnt))
    if fcnt == last:
        assert (verdict, judged) == (COPY, fcnt)
    elif last < fcnt <= last + 65536:  # what 16 bits can say
        assert (verdict, judged) == (NEW, fcnt)
    elif last - 65536 < fcnt < last:
        assert (verdict, judged) == (REPLAY, fcnt)
    else:
        assert verdict in (FOREIGN, REPLAY) and (verdict == FOREIGN or judged == fcnt)


@given(st.integers(-1, 200_000), st.integers(-70_000, 70_000))
def test_counters_near_the_last(last, step):
    fcnt = max(last + step, 0)
    verdict, judged = session(last).judge(uplink(fcnt))
    assert verdict == (COPY if fcnt == last else NEW if fcnt > last else REPLAY) or abs(step) > 65_535
    assert judged in (fcnt, -1)


@given(st.integers(-1, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_another_key_fits_no_counter(last, fcnt):
    assert session(last).judge(uplink(fcnt, b"\x33" * 16))[0] == FOREIGN


class SetClock:
    ms = 1_752_451_200_000

    def now_ms(self) -> int:
        return self.ms


@given(st.lists(st.tuples(st.integers(0, 600_000), st.integers(40_000, 3_000_000)), max_size=150))
@settings(max_examples=25)
def test_no_sliding_hour_of_a_gateway_is_above_the_band_limit(attempts):
    async def play(folder):
        store = SessionStore(Path(folder) / "lns.sqlite")
        clock, spent = SetClock(), []
        ledger = DutyLedger(store, clock)
        for pause_ms, airtime_us in attempts:
            clock.ms += pause_ms
            if ledger.allows("gw", 868_100_000, airtime_us):
                ledger.book_now("gw", 868_100_000, airtime_us)
                spent.append((clock.ms, airtime_us))
                hour_us = sum(air for end, air in spent if end > clock.ms - 3_600_000)
                assert hour_us <= 36_000_000
        if sum(air for _, air in attempts) <= 36_000_000:
            assert len(spent) == len(attempts)
        await store.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(folder))


async def test_bands_and_gateways_have_budgets_of_their_own(tmp_path):
    store, clock = SessionStore(tmp_path / "lns.sqlite"), SetClock()
    ledger = DutyLedger(store, clock)
    await ledger.book("a", 868_100_000, 36_000_000, 0)
    clock.ms += 1000
    assert not ledger.allows("a", 868_500_000, 100_000)
    assert ledger.allows("a", 867_100_000, 100_000)
    assert ledger.allows("a", 869_525_000, 300_000_000)
    assert ledger.allows("b", 868_500_000, 100_000)
    assert not ledger.allows("a", 868_650_000, 100_000)
    assert ledger.spent_us("a") == {"M": 36_000_000}
    clock.ms += 3_600_000
    assert ledger.allows("a", 868_500_000, 100_000)
    await store.close()


async def test_the_hour_that_was_spent_is_there_after_a_restart(tmp_path):
    path, clock = tmp_path / "lns.sqlite", SetClock()
    first = SessionStore(path)
    ledger = DutyLedger(first, clock)
    booked = [await ledger.book("a", 868_100_000, 12_000_000, 1.0) for _ in range(3)]
    ledger.give_back(booked[0])
    await first.close()
    clock.ms += 60_000
    second = SessionStore(path)
    again = DutyLedger(second, clock)
    assert again.spent_us("a") == {"M": 24_000_000}
    assert again.allows("a", 868_100_000, 12_000_000) and not again.allows("a", 868_100_000, 12_000_001)
    await second.close()


@given(
    st.lists(st.floats(-25, 20), min_size=20, max_size=20),
    st.integers(0, 5),
    st.integers(0, 7),
    st.floats(0, 20),
)
def test_adr_never_leaves_the_tables_nor_slows_down(snr_db, dr, power, margin_db):
    better = propose(snr_db, dr, power, margin_db)
    if better is None:
        return
    assert dr <= better[0] <= eu868.MAX_DEFAULT_DR and 0 <= better[1] <= eu868.MAX_TX_POWER
    assert better != (dr, power)
    floor_db = {0: -20, 1: -17.5, 2: -15, 3: -12.5, 4: -10, 5: -7.5}[dr]
    if max(snr_db) - floor_db < margin_db:
        assert better[1] < power and better[0] == dr
    else:
        assert better[0] > dr or better[1] > power


@pytest.mark.parametrize("count", [0, 1, 19])
def test_adr_waits_for_twenty_uplinks(count):
    assert propose([20.0] * count, 0, 0, 10) is None
