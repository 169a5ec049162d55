"""The LoRaWAN firmware in the unix port on simulated boards: power cuts at any instant, and a month of life.

Network and losses are those of tests/firmware/radio (liblora reads and makes every frame); here the real
MicroPython, NVS shim, bus and register model are under it. The script asserts from within that the collector
stays still between the end of a transmission and RX2.
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from simulator import boards
from simulator.channel.frame import Frame
from simulator.channel.ideal import IdealChannel
from simulator.loop import run
from simulator.node import NodeSettings, SimNode
from simulator.world import World
from tests.firmware.radio.rig import Downlink, Network
from tests.firmware.radio.server import APP_KEY, DEV_EUI, JOIN_EUI, RX2_HZ, SF_OF_DR
from tests.firmware.radio.test_power_cuts import Always, Server
from wire.lorawan.eu868 import SUB_BANDS

pytestmark = pytest.mark.mpy

START_US = 1_790_000_000_000_000
SCRIPT = Path(__file__).parent / "scripts" / "lorawan_life.py"
HOUR_US = 3_600_000_000
BOARDS = ("sim_bin", "sim_bin_sx1276")


def worst_share(frames: list[Frame]) -> float:
    """Return the largest part of a band's hourly allowance that any sliding hour uses, in any band.

    The sum over an hour is largest for an hour that ends where a frame ends.
    """
    worst = 0.0
    for low, high, thousandths, _eirp in SUB_BANDS:
        spans = [(f.start_us, f.end_us) for f in frames if low <= f.freq_hz < high]
        first = 0
        for i, (_, end) in enumerate(spans):
            begin = end - HOUR_US
            while spans[first][1] <= begin:
                first += 1
            used = sum(e - max(s, begin) for s, e in spans[first : i + 1])
            worst = max(worst, used / (thousandths * 3_600_000))
    return worst


class Street:
    """One node with its radio and a network."""

    def __init__(self, world: World, board: str, answer: Any, **config: Any) -> None:
        self.world = world
        self.channel = IdealChannel()
        self.network = Network(self.channel)
        self.network.answer = answer
        hardware = boards.build(board, lambda _quantity, _now_us: 0.0, self.channel)
        keys = {"dev_eui": DEV_EUI.hex(), "join_eui": JOIN_EUI.hex(), "app_key": APP_KEY.hex()}
        settings = {"board": board, "payload": 20, "confirmed": 0.3, "interval_ms": 3000} | keys | config
        self.node: SimNode = world.add_node(NodeSettings("n", hardware, settings, 1, SCRIPT))

    async def until_it_sends(self, patience_s: int) -> bool:
        """Let the world go on until the next uplink."""
        heard = len(self.network.heard)
        for _ in range(patience_s):
            await self.world.run_for(1)
            if len(self.network.heard) > heard:
                return True
        return False


async def _cut(folder: Path, board: str, seed: int, cuts: int) -> None:
    random = Random(seed)
    server = Server(random)
    async with World(folder) as world:
        street = Street(world, board, server.answer)
        for _ in range(cuts):
            server.boot += 1
            street.node.power_on()
            if random.random() < 0.3:
                await world.run_for(random.uniform(0.4, 3))  # in the start, or around the first frame
            else:
                assert await street.until_it_sends(4 * 3600), "the device is stuck"
                await world.run_for(random.uniform(0, 8))
            street.node.power_off()
        assert server.faults == []
        # Without losses it comes back with one join at most, and is acknowledged.
        server.random = Always()
        granted = len(server.sessions)
        server.boot += 1
        street.node.power_on()
        for _ in range(6):
            await world.run_for(3600)
            if "acked" in street.node.log.read_text().rsplit("boot", 1)[1]:
                break
        else:
            raise AssertionError("the device is stuck")
        assert len(server.sessions) - granted <= 1
        assert server.faults == []
        assert worst_share(street.network.heard) <= 1.0
        assert len(street.network.heard) > cuts // 2


def test_how_the_worst_hour_is_summed() -> None:
    """By hand: 20 s and 17 s in M within one hour are 37 s of 36; 61 minutes apart they are not together."""

    def frame(start_us: int, length_us: int) -> Frame:
        made = Frame(start_us, 868_100_000, 7, 125, b"x")
        made.end_us = start_us + length_us
        return made

    together = [frame(0, 20_000_000), frame(HOUR_US - 17_000_000, 17_000_000)]
    assert worst_share(together) == pytest.approx(37 / 36)
    apart = [frame(0, 20_000_000), frame(HOUR_US + 60_000_000, 17_000_000)]
    assert worst_share(apart) == pytest.approx(20 / 36)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("board", BOARDS)
def test_power_cuts_reuse_no_nonce_and_no_counter_and_leave_nobody_stuck(tmp_path: Path, board: str) -> None:
    run(_cut(tmp_path, board, seed=1, cuts=25), start_us=START_US)


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.timeout(6 * 3600)
@pytest.mark.parametrize("board", BOARDS)
def test_ten_thousand_power_cuts(tmp_path: Path, board: str) -> None:
    for seed in range(int(os.environ.get("MEETNET_CUT_SEEDS", "100"))):
        run(_cut(tmp_path / str(seed), board, seed=1000 + seed, cuts=50), start_us=START_US)


class Fickle(Server):
    """Loses a tenth of the frames each way and changes parameters; its clock is 40 ppm off."""

    PPM = 40

    def _data(self, frame: Frame, session: Any, msg: dict[str, Any]) -> list[Downlink]:
        downlinks = super()._data(frame, session, msg)
        if self.random.random() < 0.1:
            return []
        for downlink in downlinks:
            if self.random.random() < 0.3:  # the other window
                downlink.delay_us += 1_000_000
                downlink.freq_hz, downlink.sf = RX2_HZ, SF_OF_DR[0]
            downlink.delay_us += downlink.delay_us * self.PPM // 1_000_000
        return downlinks


async def _live(folder: Path, board: str, hours: int) -> None:
    server = Fickle(Random(7))
    async with World(folder) as world:
        street = Street(world, board, server.answer, interval_ms=300_000, confirmed=0.1)
        street.node.power_on()
        await world.run_for(hours * 3600)
        heard = street.network.heard
        said = street.node.log.read_text()
    assert server.faults == []
    assert len(server.sessions) <= 2  # the first JoinAccept may be lost, later ones are not needed
    counters = sorted(server.sessions[-1].frames)
    assert counters == list(range(len(counters)))  # on this air every frame is heard
    assert len(counters) >= hours * 12 * 0.9
    silences = [(b.start_us - a.end_us) / 1e6 for a, b in pairwise(heard)]
    assert max(silences) < 330, "an unexplained silence"
    assert worst_share(heard) <= 1.0
    assert said.count("boot") == 1
    assert said.count("acked") > hours * 12 * 0.1 * 0.7
    changes = {session.rx_delay_s for session in server.sessions}
    assert changes <= {1, 2, 3}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("board", BOARDS)
def test_half_a_day_with_losses_drift_and_changing_parameters(tmp_path: Path, board: str) -> None:
    run(_live(tmp_path, board, hours=12), start_us=START_US)


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.timeout(3 * 3600)
@pytest.mark.parametrize("board", BOARDS)
def test_a_month_with_losses_drift_and_changing_parameters(tmp_path: Path, board: str) -> None:
    run(_live(tmp_path, board, hours=30 * 24), start_us=START_US)
