"""Updates: take an offer, fetch it, judge it, put it where nothing runs, try it, keep it or go back.

    OFFER -> loading -> (complete, hash, entries) -> ready -> trial: reset -> kept, or back at once
             pieces in the inbox      the other slot    quiet moment      an uplink that the network confirmed

Every state is where a power cut leaves it: the offer in NVS, the pieces in one file, the slot that runs in
one blob.
Whatever is cut off between two of them is done again. What an application may break is watched by frozen
main.py.
"""

import json

from wire import fragments, update
from wire._compat import const
from wire.errors import WireError

from . import slots as slot_record
from . import unpack
from .fragment_session import FragmentSession

_OFFER = "offer"
_ROOMS = ("node", "wire", "radio", "drivers", "kernels", "boards")
_DATA = "data"
_REDO = "redo"
_CONFIG_MOST = const(4096)
_CHANCES = const(3)  # uplinks that may fail before a trial can be over, as in node.remote
_GRACE_S = const(600)
_ROOM_SPARE = const(16384)  # bytes of the file system that stay free


class Updates:
    """answers: [(FPort, payload)] that wait to be sent. reset_due: the next start runs the new application.

    target: (architecture, mpy version, board). key: 64 bytes, b"" when nobody may update this node.
    allowed: what the owner said. free_bytes() of the file system. base: node.base_image or None.
    """

    def __init__(
        self, store, slots, inbox, target, key, allowed, remote=None, free_bytes=None, base=None, interval_s=0
    ):
        self._store = store
        self.slots = slots
        self.inbox = inbox
        self._target = target
        self._key = key
        self._allowed = allowed
        self._remote = remote
        self._free_bytes = free_bytes or (lambda: 1 << 30)
        self._base = base
        self._interval_s = interval_s
        self.answers = []
        self.reset_due = False
        self.head = None
        self._offer = None
        self._job = None
        self._ready = False
        self._told_tenth = 0
        self._session = FragmentSession(inbox, self._expected)
        self._finish_files()
        self._runs = slots.phase == slot_record.TRIAL  # what is on trial is what this life runs
        self._take_up()

    # -- starting up -------------------------------------------------------------------------------------

    def _take_up(self):
        """Go on where the last life stopped."""
        slots = self.slots
        blob = self._store.load(_OFFER) or b""
        if slots.phase == slot_record.TRIAL and slots.kind == update.CONFIG:
            self._config_ended()
        if slots.phase == slot_record.TRIAL:
            self._say(update.TRIAL)
        elif slots.phase in (slot_record.BACK, slot_record.KEPT):
            if blob[1:5] == slots.id:
                self._drop()  # what went back is not tried again by itself
                blob = b""
            self._tell_end()
        if slots.phase != slot_record.TRIAL and len(blob) > 1:
            try:
                offer = update.unpack_offer(blob)
            except WireError:
                self._drop()
                return
            if self.inbox.open() and self.inbox.id == offer.id:
                self._offer = offer
                if offer.way == update.FRAGMENTS:
                    self._session.resume()
                self._judge_head()
            else:
                self._begin(offer)

    def _tell_end(self):
        kept = self.slots.phase == slot_record.KEPT
        self._say(update.KEPT if kept else update.REVERTED, self.slots.reason, self.slots.id)

    def _config_ended(self):
        """A configuration on trial is watched by node.remote; say what came of it."""
        remote = self._remote
        if remote is None or remote.on_trial:
            return
        if remote.last_outcome == 1:  # wire.commands.KEPT
            self.slots.keep(self.slots.serial)
        else:
            self.slots.back(update.NOT_HEARD)

    # -- what the gateway says -----------------------------------------------------------------------------

    def offer(self, payload):
        """Take an OFFER; return the answer. One that is taken already is answered with how far it is."""
        offer = update.unpack_offer(payload)
        if self._offer is not None and self._offer.id == offer.id:
            return self._state(update.READY if self._ready else update.LOADING)
        if self.slots.phase == slot_record.TRIAL:
            same = self.slots.id == offer.id
            return update.pack_state(
                offer.id, update.TRIAL if same else update.REFUSED, 0 if same else update.BUSY
            )
        reason = self._refusal(offer)
        if reason:
            return update.pack_state(offer.id, update.REFUSED, reason)
        self._drop()
        try:
            self._store.save(_OFFER, payload)
        except OSError:
            return update.pack_state(offer.id, update.REFUSED, update.STORAGE)
        self._begin(offer)
        return self._state(update.LOADING) if self._offer is not None else None

    def _refusal(self, offer):
        if not self._allowed:
            return update.OWNER
        if not self._key:
            return update.NO_KEY
        if offer.kind not in update.KINDS or (offer.kind == update.BASE and self._base is None):
            return update.NOT_SUPPORTED
        if offer.size > self._free_bytes() - _ROOM_SPARE:
            return update.NO_ROOM
        return 0

    def _begin(self, offer):
        self._offer = offer
        if offer.way == update.PULL:
            try:
                self.inbox.begin(offer.id, offer.size, update.PIECE_BYTES)
            except ValueError:
                self._refuse(update.NO_ROOM)
            except OSError:
                self._refuse(update.STORAGE)

    def cancel(self, payload):
        """Take a CANCEL; what is on trial goes on, what was kept stays."""
        bundle_id = update.unpack_cancel(payload)
        if self._offer is None or self._offer.id != bundle_id:
            return None
        self._drop()
        return update.pack_state(bundle_id, update.REFUSED, update.CANCELLED)

    def fragment(self, payload):
        """Take a payload of FPort 201."""
        try:
            for answer in self._session.take(payload):
                self.answers.append((fragments.F_PORT, answer))
        except OSError:
            self._refuse(update.STORAGE)
        self._came()

    def _expected(self):
        offer = self._offer
        return (offer.id, offer.size) if offer is not None and offer.way == update.FRAGMENTS else None

    # -- fetching ------------------------------------------------------------------------------------------

    @property
    def fetches(self):
        """Return (id, port, offset) of what is to be fetched by HTTP now, or None."""
        offer = self._offer
        if offer is None or offer.way != update.PULL or self.inbox.complete or self._job is not None:
            return None
        return offer.id, offer.port, self.inbox.first_missing() * update.PIECE_BYTES

    def fetched(self, offset, data):
        """Take bytes of the bundle from an offset at a piece; return how many were kept."""
        at = 0
        try:
            while at < len(data) and self._offer is not None:
                number = (offset + at) // update.PIECE_BYTES
                part = data[at : at + update.PIECE_BYTES]
                last = number == self.inbox.pieces - 1
                if len(part) < update.PIECE_BYTES:
                    if not last or offset + at + len(part) < self.inbox.size:
                        break
                    part = bytes(part) + bytes(update.PIECE_BYTES - len(part))
                self.inbox.put(number, part)
                at += update.PIECE_BYTES
        except OSError:
            self._refuse(update.STORAGE)
        self._came()
        return min(at, len(data))

    @property
    def polls(self):
        """Tell whether fragments are to be asked for with empty uplinks."""
        return self._offer is not None and self._session.open

    def _came(self):
        """Judge the head as soon as it is there; tell how far it is now and then."""
        if self._offer is None:
            return
        if self.head is None and len(self.inbox.read(0, update.HEAD_BYTES)) == update.HEAD_BYTES:
            self._judge_head()
        if self._offer is None or not self.inbox.pieces:
            return
        tenth = self.inbox.count * 10 // self.inbox.pieces
        if tenth > self._told_tenth and tenth % 5 == 0:
            self._told_tenth = tenth
            self._say(update.LOADING)

    def _judge_head(self):
        """Refuse what is not signed, not for this node, or older, before the rest is fetched."""
        data = self.inbox.read(0, update.HEAD_BYTES)
        if len(data) < update.HEAD_BYTES:
            return
        import hashlib

        from wire import p256

        try:
            head = update.unpack_head(data)
        except WireError:
            self._refuse(update.DAMAGED)
            return
        digest = hashlib.sha256(data[: update.SIGNED_BYTES]).digest()
        if digest[:4] != self._offer.id or head.carried + update.HEAD_BYTES != self.inbox.size:
            self._refuse(update.DAMAGED)
            return
        if not p256.verify(self._key, digest, head.signature):
            self._refuse(update.SIGNATURE)
            return
        architecture, mpy, board = self._target
        if (
            head.architecture not in (update.ANY, architecture)
            or head.mpy not in (0, mpy)
            or head.board not in ("", board)
        ):
            self._refuse(update.NOT_FOR_US)
        elif head.kind != self._offer.kind or head.serial != self._offer.serial:
            self._refuse(update.DAMAGED)
        elif (
            head.kind in (update.APPLICATION, update.BASE)
            and head.serial <= self.slots.serial
            and not head.flags & update.DOWNGRADE
        ):
            self._refuse(update.OLDER)
        elif head.unpacked > self._free_bytes() - _ROOM_SPARE and head.kind != update.BASE:
            self._refuse(update.NO_ROOM)
        else:
            self.head = head

    # -- judging and installing ------------------------------------------------------------------------------

    @property
    def works(self):
        """Tell whether work() has something to do."""
        return self._job is not None or (self.head is not None and self.inbox.complete and not self._ready)

    def work(self):
        """Do a little: some kilobytes are hashed or written. Never raises for what came."""
        if self._job is None:
            self._job = self._install()
        try:
            next(self._job)
        except StopIteration:
            self._job = None
            self._ready = self._offer is not None
            if self._ready:
                self._say(update.READY)
        except unpack.Damaged:
            self._refuse(update.DAMAGED)
        except OSError:
            self._refuse(update.STORAGE)
        except MemoryError:
            self._refuse(update.NO_ROOM)

    def _install(self):
        head = self.head
        for _ in unpack.hashed(self.inbox, head):
            yield
        if head.kind == update.APPLICATION:
            folder = slot_record.FOLDERS[self.slots.other]
            present = slot_record.FOLDERS[self.slots.slot]
            for _ in unpack.remove_tree(folder):
                yield
            rows = unpack.entries(
                unpack.payload(self.inbox, head),
                lambda name: folder + "/" + name if name.split("/")[0] in _ROOMS else None,
                lambda name: present + "/" + name if present else name,
            )
            for _ in rows:
                yield
            with open(folder + "/" + slot_record.MARK, "wb") as f:
                f.write(self._offer.id)
        elif head.kind == update.FILES:
            names = []

            def place(name):
                names.append(name)
                return _DATA + "/" + name + ".new"

            unpack.make_folders(_DATA + "/x")
            for _ in unpack.entries(unpack.payload(self.inbox, head), place):
                yield
            self._store.save(_REDO, "\n".join(names).encode())
        elif head.kind == update.BASE:
            for _ in self._base.write(unpack.payload(self.inbox, head), head.unpacked):
                yield

    def _finish_files(self):
        """Rename what was written whole: begun is done, whenever the power comes back."""
        import os

        names = (self._store.load(_REDO) or b"").decode()
        if not names:
            return
        for name in names.split("\n"):
            path = _DATA + "/" + name
            try:
                os.stat(path + ".new")
            except OSError:
                continue  # it is in its place already
            os.rename(path + ".new", path)
        self._store.save(_REDO, b"")

    # -- the moment
    # --------------------------------------------------------------------------------------------

    @property
    def ready(self):
        """Tell whether everything is in place and a quiet moment is waited for."""
        return self._ready

    def go(self):
        """Start with it: the node says when the moment is quiet."""
        offer = self._offer
        if offer is None or not self._ready:
            return
        kind = self.head.kind
        try:
            if kind == update.CONFIG:
                self._try_config(offer)
                return
            if kind == update.FILES:
                self._finish_files()
                self.slots.begin(self.slots.slot, offer.id, 0, kind)
                self.slots.keep(self.slots.serial)
                self._drop()
                self._tell_end()
                return
            if kind == update.BASE:
                self.slots.begin(self.slots.slot, offer.id, offer.trial_min, kind)
                self._base.choose()
            else:
                self.slots.begin(self.slots.other, offer.id, offer.trial_min, kind)
            self.reset_due = True
        except OSError:
            self._refuse(update.STORAGE)

    def _try_config(self, offer):
        text = unpack.payload(self.inbox, self.head)(_CONFIG_MOST)
        try:
            pairs = _pairs(json.loads(text))
        except ValueError:
            self._refuse(update.DAMAGED)
            return
        if self._remote is None or not self._remote.try_values(pairs, offer.trial_min):
            self._refuse(update.NOT_SUPPORTED)
            return
        self.slots.begin(self.slots.slot, offer.id, offer.trial_min, update.CONFIG)
        if not self._remote.reset_due:  # every value is what it was
            self.slots.keep(self.slots.serial)
            self._drop()
            self._tell_end()

    # -- how a trial ends
    # --------------------------------------------------------------------------------------

    @property
    def on_trial(self):
        """Tell whether an update has to prove itself."""
        return self.slots.phase == slot_record.TRIAL

    def heard(self):
        """The network has confirmed an uplink."""
        slots = self.slots
        if self._runs and slots.phase == slot_record.TRIAL:
            if slots.kind == update.CONFIG:
                self._config_ended()
                if slots.phase == slot_record.TRIAL:
                    return
            else:
                if slots.kind == update.BASE and self._base is not None:
                    self._base.mark_good()
                slots.keep(self._serial_on_trial())
            self._drop()
            self._tell_end()

    def _serial_on_trial(self):
        try:
            return update.unpack_offer(self._store.load(_OFFER) or b"").serial
        except WireError:
            return self.slots.serial

    def check(self, uptime_ms):
        """Go back when the trial's time is over."""
        slots = self.slots
        if not self._runs or slots.phase != slot_record.TRIAL or slots.kind == update.CONFIG:
            return
        least_ms = (_CHANCES * self._interval_s + _GRACE_S) * 1000
        if uptime_ms > max(slots.trial_min * 60000, least_ms):
            slots.back(update.NOT_HEARD)
            self.reset_due = True

    def told(self, payload):
        """An answer has left and, for all that is known, arrived."""
        ended = self.slots.phase in (slot_record.BACK, slot_record.KEPT)
        if not ended or payload[:1] != bytes([update.STATE]) or bytes(payload[1:5]) != self.slots.id:
            return
        if payload[5] in (update.KEPT, update.REVERTED):
            self.slots.told()

    # -- within
    # ------------------------------------------------------------------------------------------------

    def _state(self, state, reason=0):
        return update.pack_state(self._offer.id, state, reason, self.inbox.count)

    def _say(self, state, reason=0, bundle_id=None):
        from wire import ports

        if bundle_id is None:
            bundle_id = self._offer.id if self._offer is not None else self.slots.id
        self.answers.append((ports.COMMANDS, update.pack_state(bundle_id, state, reason, self.inbox.count)))

    def _refuse(self, reason):
        """It will never do: say so, and throw it away."""
        self._say(update.REFUSED, reason)
        self._drop()

    def _drop(self):
        self._job = None
        self._ready = False
        self._offer = None
        self.head = None
        self._session.close()
        self._told_tenth = 0
        self.inbox.clear()
        self._store.save(_OFFER, b"\x00")


def _pairs(data, prefix=""):
    """Return [(dotted key, value)] of a JSON object; ValueError when it is none."""
    if not isinstance(data, dict):
        raise ValueError("no object")
    found = []
    for key in data:
        value = data[key]
        if isinstance(value, dict):
            found += _pairs(value, prefix + key + ".")
        elif prefix + key != "schema":
            found.append((prefix + key, value))
    return found
