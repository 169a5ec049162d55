"""A session of the device with a network server that is not ours: the single site of PyPI `pamoja-gateway`.

It sees what a packet forwarder would report and says what is to be transmitted and when; a frame of it is
given to a receive window only when frequency, spreading factor and time are those of that window.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.dut import APP_KEY, DEV_EUI, JOIN_EUI, Dut, Fields, Transmission

raw: Any = pytest.importorskip("pamoja.raw", reason="pamoja-gateway is not installed")

pytestmark = [pytest.mark.mpy, pytest.mark.timeout(120)]
BOARDS = ("sim_bin", "sim_bin_sx1276")


class Independent(Dut):
    """The device with pamoja's network on the other side. `events`: what it made of the uplinks."""

    def __init__(self, state: Path, **settings: Any) -> None:
        self.network = raw.GatewayNetwork(raw.ChannelPlan.for_region("eu868"), 0x13)
        self.network.register(DEV_EUI, JOIN_EUI, APP_KEY)
        self.events: list[Any] = []
        self.to_send: list[tuple[int, bytes]] = []
        self.missed = self.repeats = 0
        self._txpk: Any = None
        super().__init__(state, **settings)

    def _heard(self, fields: Fields) -> None:
        phy = bytes.fromhex(fields["hex"])
        tx = Transmission(
            int(fields["t"]), int(fields["freq"]), int(fields["sf"]), int(fields["pwr"]), phy, fields
        )
        self.sent.append(tx)
        self._txpk = None
        end_us = round(tx.end_ms * 1000)
        link = raw.LoraLink(tx.sf, 125_000)
        heard = raw.GatewayRxpk(tx.freq, phy, link=link, rssi_dbm=-80.0, snr_db=8.0, timestamp_us=end_us)
        try:
            event = self.network.uplink(heard)
        except raw.PamojaError as error:
            assert "already seen" in str(error)
            self.repeats += 1
            return
        self.events.append(event)
        self._txpk = event.accept
        if event.outcome == "data" and self.to_send:
            port, payload = self.to_send.pop(0)
            self._txpk = self.network.answer(event.dev_addr, event.slot, port, payload)

    def _take(self, name: str, fields: Fields) -> None:
        if name != "RX":
            super()._take(name, fields)
            return
        self.sent[-1].windows.append(fields)
        txpk = self._txpk
        if txpk is None or (txpk.frequency_hz, txpk.link.spreading_factor) != (
            int(fields["freq"]),
            int(fields["sf"]),
        ):
            self._put("-")
            return
        assert txpk.invert_polarity and fields["iq"] == "1"
        symbol_ms = 2 ** int(fields["sf"]) / 125
        late_ms = int(fields["t"]) - txpk.timestamp_us / 1000
        if not -30 <= late_ms <= 3 * symbol_ms:
            self.missed += 1
            self._put("-")
            return
        self._txpk = None
        self._put(f"F {bytes(txpk.payload).hex()} -80 8")


@pytest.fixture(params=BOARDS)
def dut(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Independent]:
    with Independent(tmp_path / "state", board=request.param) as device:
        yield device


def test_it_joins_and_the_network_reads_what_it_sends(dut: Independent) -> None:
    assert dut.events[0].outcome == "joined"
    assert bytes.fromhex(dut.events[0].dev_eui) == DEV_EUI
    assert dut.joined == [dut.events[0].dev_addr]
    for i in range(5):
        dut.send(b"reading %d" % i, port=1 + i)
    data = dut.events[1:]
    assert [(e.outcome, e.fcnt, e.fport, bytes(e.payload)) for e in data] == [
        ("data", i, 1 + i, b"reading %d" % i) for i in range(5)
    ]
    assert dut.missed == 0


def test_its_downlinks_arrive_and_its_session_outlives_power_cuts(dut: Independent) -> None:
    dut.to_send = [(9, b"one"), (10, b"two")]
    dut.send()
    dut.reset()
    dut.send()
    assert dut.downs == [(9, b"one"), (10, b"two")]
    dut.kill()
    dut.start()
    dut.to_send = [(11, b"three")]
    dut.send()
    assert dut.downs[-1] == (11, b"three")
    counters = [e.fcnt for e in dut.events if e.outcome == "data"]
    assert counters == sorted(set(counters))
    assert {e.outcome for e in dut.events} == {"joined", "data"}
    assert len(dut.joined) == 1


def test_a_network_that_does_not_acknowledge_gets_the_same_confirmed_frame_again(dut: Independent) -> None:
    """This network sets no ACK bit in its answers; TS001 asks for repetitions with the same counter then."""
    dut.to_send = [(9, b"no ACK")]
    copies = dut.send(confirmed=True)
    assert dut.events[-1].confirmed
    assert len({tx.phy for tx in copies}) == 1
    assert dut.repeats == len(copies) - 1 > 0
    assert dut.downs == [(9, b"no ACK")]


def test_it_joins_again_with_a_higher_nonce(dut: Independent) -> None:
    dut.join()
    dut.send(b"after")
    assert [e.outcome for e in dut.events] == ["joined", "joined", "data"]
    assert bytes(dut.events[-1].payload) == b"after"
