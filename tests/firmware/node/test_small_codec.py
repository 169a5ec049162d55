"""A node that codes with version 2: more records a frame, the same records at the gateway; old ones too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from node.log import RecordLog
from node.outbox import Outbox
from simulator import boards
from simulator.loop import run
from simulator.node import NodeSettings, SimNode
from simulator.world import World
from tests.dual_scripts.node_life import Store
from tests.dual_scripts.nor_flash import NorFlash
from tests.node_flash import records_of
from wire import codec
from wire.record import OK, TIME_NETWORK, Record

FIRMWARE = Path(__file__).parents[3] / "firmware"
T0 = 1767225600
AIR = ((1, 52), (2, 81), (3, 93), (4, 97), (5, 1930), (6, 551), (17, 3720))


def _record(seq: int, wiggle: int = 3) -> Record:
    readings = [(channel, raw + (seq * channel) % wiggle, OK) for channel, raw in AIR]
    return Record(seq, T0 + 300 * seq, TIME_NETWORK, readings)


def _outbox(version: int, now_s: int | None) -> Outbox:
    outbox = Outbox(RecordLog(NorFlash()), Store())
    outbox.codec = version
    outbox.now_s = None if now_s is None else lambda: now_s
    for _ in range(12):
        outbox.add(_record(outbox.take_seq()))
    return outbox


def _sent(outbox: Outbox, received_at_s: int) -> list[Record]:
    frame = outbox.frame(51)
    assert frame is not None and len(frame[0]) <= 51
    outbox.left(frame[1])
    return codec.decode(frame[0], received_at_s)


def test_an_hour_of_air_fits_one_frame_where_version_1_takes_several() -> None:
    newest_s = T0 + 300 * 11
    small = _sent(_outbox(codec.SMALL, newest_s + 4), newest_s + 5)
    plain = _sent(_outbox(codec.PLAIN, None), newest_s + 5)
    assert small == [_record(seq) for seq in range(12)]
    assert len(plain) <= 5
    assert plain == small[-len(plain) :]


def test_records_that_waited_for_days_carry_their_whole_time() -> None:
    days_later_s = T0 + 40 * 86400
    assert _sent(_outbox(codec.SMALL, days_later_s), days_later_s + 1) == [_record(seq) for seq in range(12)]


def test_without_a_known_time_of_sending_any_time_of_reception_will_do() -> None:
    assert _sent(_outbox(codec.SMALL, None), 7) == [_record(seq) for seq in range(12)]


@pytest.mark.mpy
def test_the_firmware_starts_with_version_2_and_measures(tmp_path: Path) -> None:
    config = {
        "schema": 1,
        "kind": "bin",
        "board": "sim_bin",
        "interval_s": 60,
        "radio": "none",
        "dev_eui": "70b3d57ed0000001",
        "codec": 2,
    }

    async def main() -> SimNode:
        async with World(tmp_path) as world:
            hardware = boards.build("sim_bin", lambda _quantity, _now_us: 20.0)
            node = world.add_node(NodeSettings("n", hardware, path=(FIRMWARE,), seed=3))
            (node.flash / "config.json").write_text(json.dumps(config))
            node.power_on()
            await world.run_for(300)
            assert node.state in ("running", "waiting"), node.state
            return node

    assert len(records_of(run(main(), start_us=1_790_000_000_000_000))) == 5
