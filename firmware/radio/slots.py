"""Records that survive a power cut at any byte: two copies with a sequence number and a CRC each.

A save overwrites the older copy, so the newer one stays whole whatever happens to the write. The
store underneath is NVS on the chip: `load(name) -> bytes | None`, `save(name, data)` durable on return.
"""

import binascii

_MAGIC = b"M1"


def seal(data, sequence=0):
    """Return data with magic, sequence number and CRC-32 around it."""
    body = _MAGIC + sequence.to_bytes(4, "big") + data
    return body + binascii.crc32(body).to_bytes(4, "big")


def unseal(blob):
    """Return (data, sequence), or None when the bytes are not whole (RTC memory after power-on is noise)."""
    if blob is None or len(blob) < 10 or bytes(blob[:2]) != _MAGIC:
        return None
    blob = bytes(blob)
    if int.from_bytes(blob[-4:], "big") != binascii.crc32(blob[:-4]):
        return None
    return blob[6:-4], int.from_bytes(blob[2:6], "big")


class Slots:
    """One record in two copies, `<name>a` and `<name>b`; names of NVS have at most 15 characters."""

    def __init__(self, store, name):
        self._store = store
        self._name = name
        self._sequence = 0
        self._next = "a"

    def load(self):
        """Return the newest whole copy, or None."""
        best = None
        for slot in "ab":
            found = unseal(self._store.load(self._name + slot))
            if found is not None and (best is None or found[1] > self._sequence):
                best = found[0]
                self._sequence = found[1]
                self._next = "b" if slot == "a" else "a"
        return best

    def save(self, data):
        """Replace the older copy."""
        self._sequence += 1
        self._store.save(self._name + self._next, seal(data, self._sequence))
        self._next = "b" if self._next == "a" else "a"
