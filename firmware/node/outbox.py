"""What was measured and must arrive: records in the log, and how far they were sent and delivered.

Log entries of two kinds: a record (boot number u16, then a codec frame of that one record) and a
time mark (boot number u16, time quality u8, UTC minus uptime in ms u64), by which records that were
taken before the first time answer of their boot get their true time, also when a later boot sends them.

Two positions. `sent` moves with every frame that left; `delivered` is durable and moves when the
receiver confirmed, so everything between both is sent again after a power cut or a lost confirmation.
The gateway stores a record once, by (device, seq).
"""

from wire import codec
from wire._compat import const
from wire.errors import WireError
from wire.record import FIRST_ERROR, TIME_NEVER_SET, Record

KIND_RECORD = const(1)
KIND_TIME = const(2)
_SEQ_BLOCK = const(256)
_FRAME_RECORDS = const(48)  # more never fit a LoRaWAN frame; bounds the heap over Wi-Fi
_ALWAYS_FITS = const(51)  # the longest payload at the slowest data rates
_UNLOGGED = const(16)
_POSITION = "outbox"
_SEQ = "seq"


class Outbox:
    """Records to send. store: load(name) -> bytes | None, save(name, bytes), durable (NVS)."""

    def __init__(self, log, store, boot):
        self._log = log
        self._store = store
        self._boot = boot & 0xFFFF
        self._marks = {}  # boot -> (time quality, UTC minus uptime in ms)
        self._unlogged = []  # records that the log refused, newest last
        self.write_errors = 0
        self.dropped = 0  # records that were never delivered and are gone
        self._last = None  # the newest record of the log
        self._sent_n = 0  # records between delivered and sent
        log.on_drop = self._make_way
        self.delivered, sent_seq = self._load_position()
        last_seq = self._scan()
        self.sent = self.delivered
        self._sent_seq = sent_seq
        self._next_seq = self._first_seq(last_seq, sent_seq)

    def _load_position(self):
        blob = self._store.load(_POSITION) or b""
        start = self._log.start
        if len(blob) != 12:
            return start, -1
        position = (int.from_bytes(blob[:4], "big"), int.from_bytes(blob[4:8], "big"))
        if position < start or position > self._log.end:
            position = start
        return position, int.from_bytes(blob[8:], "big") - 1

    def _save_position(self):
        segment, offset = self.delivered
        seq = (self._sent_seq + 1) & 0xFFFFFFFF
        self._store.save(
            _POSITION, segment.to_bytes(4, "big") + offset.to_bytes(4, "big") + seq.to_bytes(4, "big")
        )

    def _scan(self):
        """Count the backlog, collect time marks, return the highest seq in the log or -1."""
        last_seq = -1
        self.backlog = 0
        position = self._log.start
        while True:
            entries = self._log.read(position, 32)
            if not entries:
                return last_seq
            for kind, payload, position in entries:
                if kind == KIND_TIME:
                    self._learn_mark(payload)
                    continue
                record = _record_of(kind, payload)
                if record is not None:
                    self.backlog += position > self.delivered
                    last_seq = max(last_seq, record.seq)
                    self._last = record

    def _learn_mark(self, payload):
        if len(payload) == 11:
            mark = (payload[2], int.from_bytes(payload[3:], "big"))
            self._marks[int.from_bytes(payload[:2], "big")] = mark

    def _first_seq(self, last_seq, sent_seq):
        """Return a seq above every one that was ever on air.

        The log knows; where it is empty, lost with its file system perhaps, the reserved block does.
        """
        self._reserved = int.from_bytes(self._store.load(_SEQ) or b"\0", "big")
        if last_seq < 0:
            return max(self._reserved, sent_seq + 1)
        return max(last_seq, sent_seq) + 1

    def last_value(self, measurement_id):
        """Return the number that the newest record of an earlier life holds, or None."""
        for found, raw, state in self._last.readings if self._last else ():
            if found == measurement_id and state < FIRST_ERROR:
                return raw
        return None

    def take_seq(self):
        """Return the next sequence number; what is reserved in NVS is always above it."""
        seq = self._next_seq & 0xFFFFFFFF
        if seq >= self._reserved:
            self._reserved = seq + _SEQ_BLOCK
            self._store.save(_SEQ, self._reserved.to_bytes(5, "big"))
        self._next_seq = seq + 1
        return seq

    def add(self, record):
        """Append a record to the log. When the log refuses, keep the newest few in memory."""
        payload, n = codec.encode([record], 255)
        if not n:
            raise WireError("readings", "a record that fits no log entry")
        try:
            self._append(KIND_RECORD, payload)
            self.backlog += 1
        except OSError:
            self.write_errors += 1
            if len(self._unlogged) >= _UNLOGGED:
                self._unlogged.pop(0)
                self.dropped += 1
            self._unlogged.append(record)

    def mark_time(self, offset_ms, quality):
        """Remember that this boot's uptime lies offset_ms before UTC."""
        known = self._marks.get(self._boot)
        self._marks[self._boot] = (quality, offset_ms)
        if known is None:
            try:
                self._append(KIND_TIME, bytes([quality]) + offset_ms.to_bytes(8, "big"))
            except OSError:
                self.write_errors += 1

    def _append(self, kind, payload):
        self._log.append(kind, self._boot.to_bytes(2, "big") + payload)

    def _make_way(self, segment):
        """The oldest segment goes: count what is not known to have arrived, move the positions along."""
        start = (segment + 1, 0)
        lost = self._records_after(segment, self.delivered)
        unsent = self._records_after(segment, self.sent)
        self.dropped += lost
        self.backlog -= lost
        self._sent_n -= lost - unsent
        self.sent = max(self.sent, start)
        if self.delivered < start:
            self.delivered = start
            self._save_position()

    def _records_after(self, segment, position):
        if position > (segment, 0xFFFFFFFF):
            return 0
        entries = self._log.rest_of(segment, position)
        return sum([_record_of(kind, payload) is not None for kind, payload, _end in entries])

    def frame(self, limit, hold_unset=False):
        """Return (payload, token) of the oldest records not yet sent, or None.

        hold_unset: keep back records of this boot as long as their time is not known.
        """
        found = self._unsent()
        records = []
        for record, _position in found:
            if hold_unset and record.time_quality == TIME_NEVER_SET and self._boot not in self._marks:
                break
            records.append(record)
        payload, n = codec.encode(records, limit)
        if not n:
            if records and limit >= _ALWAYS_FITS:
                self._give_up(found[0][1])
            return None
        return payload, (found[n - 1][1], n, records[n - 1].seq)

    def _give_up(self, position):
        """A record that fits no frame must not hold the others up for ever."""
        self.dropped += 1
        if position is None:
            self._unlogged.pop(0)
        else:
            self.sent = position
            self._sent_n += 1

    def _unsent(self):
        """Return [(record with its true time where known, position after it)], oldest first, bounded."""
        if self._unlogged:
            return [(self._timed(self._boot, record), None) for record in self._unlogged]
        found = []
        while not found:
            entries = self._log.read(self.sent, _FRAME_RECORDS)
            if not entries:
                break
            for kind, payload, position in entries:
                record = _record_of(kind, payload)
                if record is not None:
                    found.append((self._timed(int.from_bytes(payload[:2], "big"), record), position))
            if not found:
                self.sent = entries[-1][2]  # nothing but marks
        return found

    def _timed(self, boot, record):
        mark = self._marks.get(boot)
        if record.time_quality != TIME_NEVER_SET or mark is None:
            return record
        # The log keeps whole seconds of uptime: half a second more is the middle of what they can mean.
        return Record(record.seq, (record.time_s * 1000 + 500 + mark[1]) // 1000, mark[0], record.readings)

    def left(self, token):
        """A frame went out: the next one starts after it."""
        position, n, seq = token
        if position is None:
            self._unlogged = self._unlogged[n:]
        else:
            self.sent = position
            self._sent_n += n
        if seq > self._sent_seq:
            self._sent_seq = seq

    def confirm(self):
        """Everything that was sent has arrived: make it durable."""
        if self.sent != self.delivered:
            self.delivered = self.sent
            self.backlog -= self._sent_n
            self._sent_n = 0
            self._save_position()

    def go_back(self):
        """A confirmation failed: send again from what is known to have arrived."""
        self.sent = self.delivered
        self._sent_n = 0

    @property
    def unsent(self):
        """Return how many records wait to be sent."""
        return len(self._unlogged) + self.backlog - self._sent_n


def _record_of(kind, payload):
    """Return the record of a log entry, or None for any other entry."""
    if kind != KIND_RECORD:
        return None
    try:
        records = codec.decode(payload[2:])
        return records[0] if len(records) == 1 else None
    except WireError:
        return None
