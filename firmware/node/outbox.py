"""What was measured and must arrive. Newest first: what nobody has been sent yet, then what is asked again.

    live     records that never left: from `live` up to the end of the log, one frame of the newest
    again    ranges to send once more, in spare air time: asked for by the gateway, left over from an
             outage or an earlier life, or pushed aside because too many were live

`delivered` is durable: everything below it is known to have arrived, or the gateway knows that it
did not. Live records may wait until `batch` of them share a frame, and such frames may carry parity of those
before (wire.codec.parity); then what a frame did not bring is the gateway's to ask for, when its parity
did not either. Without parity a confirmation that fails puts what was sent since the last one into `again`;
while in doubt nothing of `again` is sent, for nobody may be listening. The log keeps records after they were
delivered, until they fall out of the ring, so any of them can be asked for; what is no longer there is
said so (`gone`). The gateway stores a record once, by (device, seq).
"""

from wire import backfill, codec
from wire._compat import const
from wire.errors import WireError
from wire.record import FIRST_ERROR, TIME_NEVER_SET

from .ranges import Ranges

_SEQ_BLOCK = const(256)
_FRAME_RECORDS = const(48)  # more never fit a LoRaWAN frame; bounds the heap over Wi-Fi
_ALWAYS_FITS = const(51)  # the longest payload at the slowest data rates
_UNLOGGED = const(16)
_DELIVERED = "delivered"
_SEQ = "seq"


class Outbox:
    """Records to send. store: load(name) -> bytes | None, save(name, bytes), durable (NVS)."""

    def __init__(self, log, store):
        self._log = log
        self._store = store
        self._unlogged = []  # records that the log refused, newest last
        self.write_errors = 0
        self.dropped = 0  # records that were never delivered and are gone
        self.again = Ranges(16)
        self.gone = Ranges(backfill.MAX_RANGES, False)
        self._since = Ranges(16)  # sent since the last confirmation
        self.in_doubt = False
        self.codec = codec.PLAIN  # or codec.SMALL, which costs memory
        self.now_s = None  # a function: UTC where the receiver stamps frames as they leave, see wire.codec
        self.batch = 1  # live records that share a frame
        self.parity = None  # wire.codec.parity.Window, where live frames carry parity
        self._fit = 0  # live records of the last frame that was full, 0 when it was not
        self._pending = None  # (token, data) of the protected frame that may leave
        self._has_left = False
        self._may_skip = True
        self.skipped = Ranges(backfill.MAX_RANGES, False)  # numbers passed over, for the gateway to know
        log.on_drop = self._make_way
        self._reserved = int.from_bytes(store.load(_SEQ) or b"\0", "big")
        delivered = int.from_bytes(store.load(_DELIVERED) or b"\0", "big")
        # Above every seq that was ever on air: the log knows; where it is lost, what NVS reserved does.
        self._next_seq = log.next_seq or max(self._reserved, delivered)
        self.live = self._next_seq
        self.delivered = max(min(delivered, self.live), log.first_seq)
        self.again.add(self.delivered, self.live)

    def last_value(self, measurement_id):
        """Return the number that the newest record of an earlier life holds, or None."""
        for found, raw, state in self._log.newest.readings if self._log.newest else ():
            if found == measurement_id and state < FIRST_ERROR:
                return raw
        return None

    def take_seq(self, slot=0):
        """Return the next sequence number; what is reserved in NVS is always above it.

        slot: the number of the interval since 1970, 0 where the time is not known. Once a life, numbers go
        on with it where codec 2 is used, which need not send them then.
        """
        may_skip = self._may_skip and self.codec == codec.SMALL and not self.waiting
        if may_skip and slot > self._next_seq:
            self._may_skip = False
            is_new = slot - self._next_seq > backfill.NEW_COUNT
            self.skipped.add(self._next_seq, self._next_seq + backfill.FIRST_COUNT if is_new else slot)
            self._next_seq = self.live = slot
        seq = self._next_seq & 0xFFFFFFFF
        if seq >= self._reserved:
            self._reserved = seq + _SEQ_BLOCK
            self._store.save(_SEQ, self._reserved.to_bytes(5, "big"))
        self._next_seq = seq + 1
        return seq

    def add(self, record):
        """Append a record to the log. When the log refuses, keep the newest few in memory."""
        try:
            self._log.append(record)
        except OSError:
            self.write_errors += 1
            if len(self._unlogged) >= _UNLOGGED:
                self._unlogged.pop(0)
                self.dropped += 1
            self._unlogged.append(record)
        except WireError:
            self.write_errors += 1
            self.dropped += 1

    def mark_time(self, offset_ms, quality):
        """Remember that this boot's uptime lies offset_ms before UTC."""
        try:
            self._log.mark_time(quality, offset_ms)
        except OSError:
            self.write_errors += 1

    def _make_way(self, first_seq):
        """The oldest records are gone: count those that are not known to have arrived."""
        self.again.remove(0, first_seq)
        self._since.remove(0, first_seq)
        self.live = max(self.live, min(first_seq, self._next_seq))
        if self.delivered < first_seq:
            self.dropped += first_seq - self.delivered
            self.gone.add(self.delivered, first_seq)
            self._deliver_up_to(first_seq)

    @property
    def unsent(self):
        """Return how many records have never left."""
        return len(self._unlogged) + max(self._log.next_seq - self.live, 0)

    @property
    def waiting(self):
        """Return how many records are to be sent, once more or for the first time."""
        return self.unsent + self.again.count()

    @property
    def ripe(self):
        """Tell whether a frame of live records is due; the first of a life is, with a single one."""
        unsent = self.unsent
        if not unsent or unsent >= self.batch or self._unlogged or not self._has_left:
            return unsent > 0
        return 0 < self._fit < unsent

    # -- live ----------------------------------------------------------------------------------

    def frame(self, limit, hold_unset=False):
        """Return (payload, token) of the newest records that never left, or None.

        What does not fit beside the newest goes to `again`. hold_unset: keep everything back while
        the time of this boot is not known.
        """
        if self._unlogged:
            return self._live([self._log.timed_record(r) for r in self._unlogged], limit, None)
        if hold_unset and not self._log.timed:
            newest = self._log.newest
            if newest is not None and newest.time_quality == TIME_NEVER_SET:
                return None
        first = max(self.live, self._log.next_seq - _FRAME_RECORDS)
        records = self._log.read(first, _FRAME_RECORDS)
        while records:
            frame = self._live(records, limit, self._log.next_seq)
            if frame is None:
                return None
            n = frame[1][2]
            if n == len(records) or len(records) < 2 * self.batch:  # the rest waits for others
                self.again.add(self.live, records[0].seq)
                self.live = records[0].seq
                return frame
            records = records[len(records) - n :]
        self.live = self._log.next_seq  # nothing there to send, whatever was counted
        return None

    def _live(self, records, limit, end):
        """Return (payload, (first, end, n)) of live records, protected where they fit such a frame."""
        self._pending = None
        self._fit = 0
        window = self.parity
        if window is not None and limit >= window.size + 2:
            frame = self._encoded(records, window.size, end)
            if frame is not None:
                data, token = frame
                self._pending = (token, data)
                self._full(token, records)
                return window.frame(data, limit), token
        frame = self._encoded(records, limit, end)
        if frame is not None:
            self._full(frame[1], records)
        return frame

    def _full(self, token, records):
        self._fit = token[2] if token[2] < len(records) else 0

    def _encoded(self, records, limit, end):
        """Return (payload, (first, end, n)); None when not even the first fits now."""
        now_s = self.now_s() if self.now_s else None
        payload, n = codec.encode(records, limit, self.codec, now_s)
        if n:
            return payload, (records[0].seq, records[n - 1].seq + 1 if n < len(records) else end, n)
        if limit >= _ALWAYS_FITS:  # a record that fits no frame must not hold the others up for ever
            self.dropped += 1
            if end is None:
                self._unlogged.pop(0)
            else:
                self.gone.add(records[0].seq, records[0].seq + 1)
                self.again.remove(records[0].seq, records[0].seq + 1)
                self.live = max(self.live, records[0].seq + 1)
        return None

    def left(self, token):
        """A frame went out."""
        first, end, n = token
        self._has_left = True
        if self._pending is not None and self._pending[0] == token:
            self.parity.sent(self._pending[1])
            self._pending = None
        if end is None or (self._unlogged and self._unlogged[0].seq == first):
            self._unlogged = self._unlogged[n:]
            return
        self.again.remove(first, end)
        self._since.add(first, end)
        self.live = max(self.live, end)

    # -- once more -----------------------------------------------------------------------------

    def want(self, first, end):
        """Somebody misses [first, end): send what is there, say what is not."""
        there = max(first, min(end, self._log.first_seq))
        self.gone.add(first, there)
        self.again.add(there, min(end, self.live))

    def again_frame(self, limit):
        """Return (payload, token) of the oldest records to be sent once more, or None."""
        while self.again.rows:
            first, end = self.again.rows[0]
            records = self._log.read(first, _FRAME_RECORDS, end)
            seen = records[0].seq if records else end
            if seen > first:
                self.gone.add(first, seen)
                self.again.remove(first, seen)
                continue
            records = records[: _run(records)]
            frame = self._encoded(records, limit, records[-1].seq + 1)
            if frame is not None or limit < _ALWAYS_FITS:
                return frame
        return None

    def gone_frame(self):
        """Return the payload that says which records are gone, or were never there, or None."""
        if self.skipped.rows:
            return backfill.pack_ranges(backfill.NEVER_GIVEN, self.skipped.rows)
        return backfill.pack_ranges(backfill.RECORDS_GONE, self.gone.rows) if self.gone.rows else None

    def told_gone(self):
        """That payload went out; if it is lost, the gateway asks again."""
        if self.skipped.rows:
            self.skipped = Ranges(backfill.MAX_RANGES, False)
        else:
            self.gone = Ranges(backfill.MAX_RANGES, False)

    # -- confirmations -------------------------------------------------------------------------

    def confirm(self, token=None):
        """The receiver has this frame, and most likely those before it since the last confirmation."""
        if self.in_doubt:
            self.in_doubt = False
            if token is not None and token[1] is not None:
                self._since.remove(token[0], token[1])
            if self.parity is None:
                self._send_again()
        self._since = Ranges(16)
        low = self.live
        if self.again.rows:
            low = min(low, self.again.rows[0][0])
        self._deliver_up_to(low)

    def go_back(self):
        """A confirmation failed: what was sent since the last one is in doubt, and who listens now."""
        self.in_doubt = True
        if self.parity is None:
            self._send_again()

    def _send_again(self):
        for first, end in self._since.rows:
            self.again.add(first, end)
        self._since = Ranges(16)

    def _deliver_up_to(self, seq):
        if seq > self.delivered:
            self.delivered = seq
            self._store.save(_DELIVERED, seq.to_bytes(5, "big"))


def _run(records):
    """Return how many records from the first on have consecutive numbers."""
    n = 1
    while n < len(records) and records[n].seq == records[n - 1].seq + 1:
        n += 1
    return n
