"""Which application runs: the record that frozen main.py reads before anything else.

Applications in the flash file system live in two folders, app_a and app_b; a node that never had an update
runs what lies beside them, or what is frozen into the image (slot 0). The record is one blob in NVS, so it
changes as a
whole. main.py has the same layout in its own words, because it must not import what may be broken:

    slot u8 | phase u8 | slot before u8 | starts u8 | power starts u8 | reason u8 | id 4
    trial minutes u16 | serial u32 | kind u8
"""

from wire._compat import const

NAME = "app"
FOLDERS = ("", "app_a", "app_b")
MARK = "whole"  # the last file that is written into a folder: everything else is there

SETTLED = const(0)
TRIAL = const(1)
BACK = const(2)  # went back; `reason` says why, and the gateway has not been told
KEPT = const(3)  # proved itself, and the gateway has not been told
_BYTES = const(17)


class Slots:
    """store: NVS, load(name), save(name, bytes)."""

    def __init__(self, store):
        self._store = store
        blob = store.load(NAME) or b""
        if len(blob) != _BYTES or blob[0] > 2 or blob[2] > 2:
            blob = bytes(_BYTES)
        number = int.from_bytes
        self.slot, self.phase, self.before, self.starts, self.powers, self.reason = tuple(blob[:6])
        self.id = bytes(blob[6:10])
        self.trial_min = number(blob[10:12], "big")
        self.serial = number(blob[12:16], "big")
        self.kind = blob[16]

    def save(self):
        """Make it durable."""
        head = bytes([self.slot, self.phase, self.before, self.starts, self.powers, self.reason]) + self.id
        tail = self.trial_min.to_bytes(2, "big") + self.serial.to_bytes(4, "big") + bytes([self.kind])
        self._store.save(NAME, head + tail)

    @property
    def other(self):
        """Return the slot that does not run."""
        return 2 if self.slot == 1 else 1

    def begin(self, slot, bundle_id, trial_min, kind):
        """The next start runs a slot on trial (for a kind without a slot of its own: the same one)."""
        self.before, self.slot = self.slot, slot
        self.phase, self.starts, self.powers, self.reason = TRIAL, 0, 0, 0
        self.id, self.trial_min, self.kind = bytes(bundle_id), trial_min, kind
        self.save()

    def keep(self, serial):
        """It has proved itself."""
        self.phase, self.serial, self.reason = KEPT, serial, 0
        self.save()

    def back(self, reason):
        """The next start runs what ran before."""
        self.slot = self.before
        self.phase, self.reason = BACK, reason
        self.save()

    def told(self):
        """The gateway knows how it ended."""
        self.phase = SETTLED
        self.save()
