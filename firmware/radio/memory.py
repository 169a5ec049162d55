"""Where the MAC keeps what must survive: DevNonce, JoinNonce, counters, session, duty ledger.

Flash (NVS) holds four small records, each in two copies (slots.py):

    lw_join   DevNonce to use next, JoinNonce accepted last, EUIs
    lw_cnt    a counter above every FCntUp that has been on the air, and whose session it is
    lw_ses    the session
    lw_duty   the duty ledger, with each JoinRequest, and when a reserve of it is used up (dutycycle.py)

`retained` memory (RTC RAM: survives deep sleep, not a power cut) holds the session with the exact
counter and the duty ledger; it may be None. After a power cut the counter jumps to what is reserved.

Wear: a JoinRequest writes one record, every COUNTER_BLOCK-th uplink two, each downlink one.
"""

from wire._compat import const

from .session import restore
from .slots import Slots, seal, unseal

COUNTER_BLOCK = const(32)
RETAINED = "lw_rtc"


class Memory:
    """All of it for one device identity."""

    def __init__(self, store, retained, dev_eui, join_eui):
        self._join = Slots(store, "lw_join")
        self._counter = Slots(store, "lw_cnt")
        self._session = Slots(store, "lw_ses")
        self._duty = Slots(store, "lw_duty")
        self._retained = retained
        self._eui = dev_eui + join_eui
        self.dev_nonce = 0
        self.join_nonce = -1
        self._reserved = 0
        self._reserved_tag = -1
        self.failures = 0

    def load(self):
        """Return (session or None, packed duty ledger or None, True if that comes from retained memory)."""
        found = self._join.load()
        if found is not None and len(found) == 24 and found[8:] == self._eui:
            self.dev_nonce = int.from_bytes(found[:4], "big")
            self.join_nonce = int.from_bytes(found[4:8], "big") - 1
        elif found is not None and len(found) == 24 and found[8:16] == self._eui[:8]:
            self.dev_nonce = int.from_bytes(found[:4], "big")  # a new JoinEUI: DevNonce goes on
        counter = self._counter.load()
        if counter is not None and len(counter) == 6:
            self._reserved_tag = int.from_bytes(counter[:2], "big")
            self._reserved = int.from_bytes(counter[2:], "big")
        stored = self._unpack(self._session.load())
        session = None if stored is None else stored[0]
        ledger = None
        if session is not None:
            # Whether this ACK went out before the power did, nobody knows; given twice it could stand
            # for a later downlink that was lost. The network repeats a downlink that has no ACK.
            session.ack_due = False
            if session.tag == self._reserved_tag:
                session.fcnt_up = max(session.fcnt_up, self._reserved)
            self.join_nonce = max(self.join_nonce, session.join_nonce)
            kept = self._unpack(self._from_retained())
            if kept is not None and kept[0].tag == session.tag and kept[0].nwk_skey == session.nwk_skey:
                session, ledger = kept
        if ledger is None:
            return session, self._duty.load(), False
        return session, ledger, True

    def _unpack(self, blob):
        return None if blob is None else restore(blob, self._eui[:8], self._eui[8:])

    def _from_retained(self):
        if self._retained is None:
            return None
        found = unseal(self._retained.load(RETAINED))
        return None if found is None else found[0]

    def take_dev_nonce(self):
        """Return the DevNonce for one JoinRequest; the next one is durable by then, else OSError."""
        nonce = self.dev_nonce
        self.dev_nonce = nonce + 1
        self._join.save(
            self.dev_nonce.to_bytes(4, "big") + (self.join_nonce + 1).to_bytes(4, "big") + self._eui
        )
        return nonce

    def reserve(self, session):
        """Make sure that a power cut after the coming uplink continues above its counter, else OSError."""
        if session.tag != self._reserved_tag or session.fcnt_up >= self._reserved:
            reserved = min(session.fcnt_up + COUNTER_BLOCK, 0xFFFFFFFF)
            self._counter.save(session.tag.to_bytes(2, "big") + reserved.to_bytes(4, "big"))
            self._reserved_tag = session.tag
            self._reserved = reserved

    def save_duty(self, ledger):
        """Write the duty ledger to flash."""
        try:
            self._duty.save(ledger)
        except OSError:
            self.failures += 1

    def checkpoint(self, session):
        """Write the session to flash; its counter is the reserved one if that is higher."""
        exact = session.fcnt_up
        if session.tag == self._reserved_tag:
            session.fcnt_up = max(exact, self._reserved)
        record = session.dump()
        session.fcnt_up = exact
        try:
            self._session.save(record)
        except OSError:
            self.failures += 1  # the older record stands; counters are safe without it

    def retain(self, session, ledger):
        """Write session and ledger to the memory that survives deep sleep."""
        if self._retained is not None:
            try:
                self._retained.save(RETAINED, seal(session.dump() + ledger))
            except OSError:
                self.failures += 1
