"""A node that codes with version 2: more records a frame, the same records at the gateway; old ones too."""

from __future__ import annotations

from node.log import RecordLog
from node.outbox import Outbox
from tests.dual_scripts.node_life import Store
from tests.dual_scripts.nor_flash import NorFlash
from wire import codec
from wire.record import OK, TIME_NETWORK, Record

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
