"""Days and a month of a device: losses, a wrong crystal, a network that changes its mind."""

from __future__ import annotations

from random import Random

import pytest

from tests.firmware.radio.rig import Downlink
from tests.firmware.radio.server import ACK, RX2_HZ, SF_OF_DR, Bench, JoinTerms, Up
from tests.firmware.radio.test_checklist import worst_hour_us

INTERVAL_MS = 300_000
CFLIST = bytes.fromhex("184f84e85684b85e84886684586e8400")
# ETSI EN 300 220-2: air time of an hour in the bands that the device uses here
BANDS = ((865_000_000, 868_000_000, 36_000_000), (868_000_000, 868_600_000, 36_000_000))


class FickleNetwork:
    """Loses frames both ways and orders something new about every twenty uplinks."""

    def __init__(self, bench: Bench, seed: int, loss: float) -> None:
        self.bench = bench
        self.random = Random(seed)
        self.loss = loss
        self.pending: tuple[bytes, bytes] | None = None  # command, identifier of its answer
        self.refused = 0
        self.confirmed_down: list[bytes] = []
        bench.reply = self.reply

    def reply(self, up: Up) -> list[Downlink]:
        bench = self.bench
        if self.random.random() < self.loss:
            return []
        if self.pending is not None and self.pending[1] in up.fopts:
            self._answered(up.fopts)
        sticky = any(cid in up.fopts for cid in (b"\x05", b"\x08", b"\x0a"))
        if self.pending is None and not sticky and self.random.random() < 0.05:
            self.pending = self._order()
        if self.pending is None and not sticky and not up.confirmed and self.random.random() < 0.8:
            return []
        fopts = self.pending[0] if self.pending else b""
        window = self.random.choice([1, 2])
        offset = bench.mac.session.rx1_dr_offset
        sf = min(up.frame.sf + offset, 12)
        more = {"sf": sf} if window == 1 else {"sf": SF_OF_DR[bench.mac.session.rx2_dr]}
        downlink = bench.down(fopts=fopts, fctrl=ACK if up.confirmed else 0, window=window, **more)
        return [] if self.random.random() < self.loss else [downlink]

    def _order(self) -> tuple[bytes, bytes]:
        kind = self.random.randrange(4)
        if kind == 0:
            self.asked_delay = self.random.randrange(1, 6)
            return bytes([8, self.asked_delay]), b"\x08"
        if kind == 1:
            dr, power = self.random.randrange(3, 6), self.random.randrange(3)
            return bytes([3, dr << 4 | power, 0xFF, 0, self.random.randrange(1, 3)]), b"\x03"
        if kind == 2:
            rx2 = RX2_HZ // 100
            settings = self.random.randrange(3) << 4 | self.random.randrange(4)
            return bytes([5, settings]) + rx2.to_bytes(3, "little"), b"\x05"
        return b"\x06", b"\x06"

    def _answered(self, fopts: bytes) -> None:
        assert self.pending is not None
        command, cid = self.pending
        if cid == b"\x08":
            self.bench.rx_delay_s = command[1]
        elif cid == b"\x05":
            self.bench.rx2_dr = command[1] & 15
        self.pending = None


def live(days: float, seed: int, ppm: int, loss: float) -> None:
    bench = Bench(join=False, ppm=ppm, seed=seed)
    bench.terms = JoinTerms(cflist=CFLIST)
    assert bench.mac.join()
    network = FickleNetwork(bench, seed, loss)
    random = Random(seed)
    uplinks = acked = asked = 0
    longest_ms = 0
    last_us = bench.rig.clock.now_us
    while bench.rig.clock.now_us < days * 86_400e6:
        wait = bench.mac.wait_ms()
        bench.rig.clock.sleep_ms(max(wait, INTERVAL_MS))
        confirmed = random.random() < 0.1
        result = bench.mac.send(1, bytes(random.randrange(40)), confirmed)
        assert result.sent, result.reason
        uplinks += 1
        asked += confirmed
        acked += result.acked
        longest_ms = max(longest_ms, (bench.rig.clock.now_us - last_us) // 1000)
        last_us = bench.rig.clock.now_us
        bench.rig.wires.log.clear()
    assert uplinks >= days * 86_400_000 / INTERVAL_MS * 0.9
    assert (
        longest_ms < 2 * INTERVAL_MS + 60_000
    )  # nothing here costs so much air time that it must wait longer
    # a confirmed uplink has four tries, each lost with 1 - 0.9 * 0.9
    assert acked >= asked * 0.97
    assert bench.mac.session.fcnt_up == uplinks
    for low, high, limit in BANDS:
        assert worst_hour_us(bench.rig.network.heard[-3000:], low, high) <= limit
    # both sides believe the same; an order still under way may be obeyed already
    if network.pending is None:
        assert bench.mac.session.rx1_delay_s == bench.rx_delay_s
        assert bench.mac.session.rx2_dr == bench.rx2_dr


def test_a_day_with_losses_and_a_wrong_crystal():
    live(days=1, seed=1, ppm=40, loss=0.1)


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("ppm", [-40, 40])
def test_a_month_with_losses_and_a_wrong_crystal(ppm: int):
    live(days=30, seed=2, ppm=ppm, loss=0.1)
