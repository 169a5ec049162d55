"""Records that share frames, parity beside them, numbers that the clock tells: the node's outbox."""

from __future__ import annotations

import json

import pytest

from node.config import load
from node.log import RecordLog
from node.outbox import Outbox
from tests.dual_scripts.node_life import Store
from tests.dual_scripts.nor_flash import NorFlash
from wire import backfill, codec
from wire.codec import parity
from wire.codec.profiles import channels_of
from wire.record import OK, TIME_NETWORK, Record

T0 = 1767225600
SLOT0 = T0 // 300
AIR = ((1, 52), (2, 81), (3, 93), (4, 97), (5, 1930), (6, 551), (17, 3720))


class Node:
    """An outbox and the clock of its node."""

    def __init__(
        self, batch: int, percent: int = 0, flash: NorFlash | None = None, store: Store | None = None
    ) -> None:
        self.outbox = Outbox(RecordLog(flash or NorFlash()), store or Store())
        self.outbox.codec = codec.SMALL
        self.outbox.now_s = lambda: self.now_s + 2
        self.outbox.batch = batch
        if percent:
            self.outbox.parity = parity.Window(parity.rate_of(percent), 9)
        self.at = 0

    @property
    def now_s(self) -> int:
        return T0 + 300 * (self.at - 1)

    def measure(self, n: int = 1) -> None:
        for _ in range(n):
            self.at += 1
            readings = [(channel, raw + self.at * channel % 4, OK) for channel, raw in AIR]
            seq = self.outbox.take_seq(self.now_s // 300)
            self.outbox.add(Record(seq, self.now_s, TIME_NETWORK, readings))

    def send(self, limit: int = 51, *, leaves: bool = True) -> bytes:
        frame = self.outbox.frame(limit)
        assert frame is not None
        if leaves:
            self.outbox.left(frame[1])
        return frame[0]


def test_the_first_record_of_a_life_goes_at_once_and_the_others_wait_for_their_frame() -> None:
    node = Node(batch=12)
    node.measure()
    assert node.outbox.ripe
    node.send()
    node.measure(11)
    assert not node.outbox.ripe
    node.measure()
    assert node.outbox.ripe
    payload = node.send()
    assert [r.time_s for r in codec.decode(payload, node.now_s + 3)] == [T0 + 300 * k for k in range(1, 13)]


def test_what_a_full_frame_leaves_behind_goes_with_the_next_oldest_first() -> None:
    node = Node(batch=40)
    node.measure()
    node.send()
    seen = [T0]
    frames = 0
    for _ in range(200):
        node.measure()
        if node.outbox.ripe:
            records = codec.decode(node.send(30), node.now_s + 3)
            seen += [r.time_s for r in records]
            frames += 1
            assert node.outbox.unsent <= 40
    assert seen == [T0 + 300 * k for k in range(len(seen))]
    assert not node.outbox.again.rows
    assert 200 / frames > 7  # frames are filled, although 40 never fit


def test_numbers_go_on_with_the_clock_after_the_node_was_off_and_cost_next_to_nothing() -> None:
    flash, store = NorFlash(), Store()
    node = Node(batch=1, flash=flash, store=store)
    node.measure()
    assert backfill.unpack_ranges(node.outbox.gone_frame()) == (backfill.NEVER_GIVEN, [(0, 64)])
    first = node.send()
    assert codec.decode(first, node.now_s + 3)[0].seq == SLOT0
    node.outbox.confirm()
    again = Node(batch=1, flash=flash, store=store)
    again.at = 40
    again.measure()
    told = again.outbox.gone_frame()
    assert backfill.unpack_ranges(told) == (backfill.NEVER_GIVEN, [(SLOT0 + 1, SLOT0 + 40)])
    again.outbox.told_gone()
    assert again.outbox.gone_frame() is None
    payload = again.send()
    assert codec.decode(payload, again.now_s + 3)[0].seq == SLOT0 + 40
    again.at += 7  # nothing was measured for a while: numbers count, the distance is sent
    again.measure()
    later = again.send()
    assert codec.decode(later, again.now_s + 3)[0].seq == SLOT0 + 41
    assert len(later) - len(payload) <= 2


def test_numbers_are_not_passed_over_while_records_wait_nor_with_codec_1() -> None:
    node = Node(batch=1)
    node.outbox.add(Record(node.outbox.take_seq(), 60, 0, [(5, 2000, OK)]))
    node.measure()
    assert node.outbox.unsent == 2
    assert not node.outbox.skipped.rows
    plain = Node(batch=1)
    plain.outbox.codec = codec.PLAIN
    plain.measure()
    assert not plain.outbox.skipped.rows


def test_a_protected_frame_leaves_the_window_alone_until_it_has_left() -> None:
    node = Node(batch=4, percent=64)
    node.measure(4)
    first = node.send(leaves=False)
    assert first == node.send()
    node.measure(4)
    assert parity.split(node.send())[1:3] == (1, 10)
    assert parity.split(first)[1:3] == (0, 9)


def test_what_fits_no_protected_frame_goes_without_parity() -> None:
    node = Node(batch=1, percent=50)
    wide = [(channel, channel * 79 % 120, OK) for channel in channels_of(11)]
    seq = node.outbox.take_seq()
    node.outbox.add(Record(seq, T0, TIME_NETWORK, wide))
    node.at = 1
    payload = node.send(115)
    assert not parity.FIRST_BYTE <= payload[0] <= parity.LAST_BYTE
    node.measure(2)
    assert parity.split(node.send(115))[1] == 0
    assert codec.decode(payload, T0 + 3)[0].seq == seq


def test_a_confirmation_that_fails_sends_nothing_again_where_parity_does() -> None:
    node = Node(batch=1, percent=64)
    for _ in range(3):
        node.measure()
        node.send()
    node.outbox.go_back()
    assert not node.outbox.again.rows
    node.outbox.confirm()
    assert not node.outbox.again.rows
    node.outbox.want(SLOT0 + 1, SLOT0 + 2)  # but what the gateway asks for
    frame = node.outbox.again_frame(51)
    assert frame is not None
    assert [r.seq for r in codec.decode(frame[0], node.now_s + 3)] == [SLOT0 + 1]


@pytest.mark.parametrize("kind", ["air", "bin", "garden", "noise"])
def test_nodes_code_small_unless_told_otherwise(kind: str) -> None:
    assert load(json.dumps({"schema": 1, "kind": kind}))[0]["codec"] == 2
    assert load(json.dumps({"schema": 1, "kind": kind, "codec": 1}))[0]["codec"] == 1
