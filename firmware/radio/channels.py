"""The device's channels in EU868: three fixed, up to thirteen more that the network gives, and the mask."""

from wire._compat import const
from wire.errors import WireError
from wire.lorawan.cflist import FREQUENCIES, unpack
from wire.lorawan.eu868 import (
    FIRST_FREE_CHANNEL,
    JOIN_CHANNELS_HZ,
    MAX_CHANNELS,
    MAX_DEFAULT_DR,
    MAX_DR,
    MAX_FREQ_HZ,
    MIN_FREQ_HZ,
    sub_band,
)

_DEFAULT_MASK = const(0x0007)
_ENTRY = const(9)  # packed: uplink and downlink frequency in hertz, data rate range


def usable(freq_hz):
    """Tell whether a device may transmit there: inside a sub-band of 863-870 MHz."""
    return MIN_FREQ_HZ <= freq_hz <= MAX_FREQ_HZ and sub_band(freq_hz) is not None


def receivable(freq_hz):
    """Tell whether a device can listen there."""
    return MIN_FREQ_HZ <= freq_hz <= MAX_FREQ_HZ


class Channels:
    """`slots[i]`: None or [uplink hertz, lowest DR, highest DR, downlink hertz]; bit i of `mask` enables."""

    def __init__(self):
        self.slots = [None] * MAX_CHANNELS
        for i in range(len(JOIN_CHANNELS_HZ)):
            freq = JOIN_CHANNELS_HZ[i]
            self.slots[i] = [freq, 0, MAX_DEFAULT_DR, freq]
        self.mask = _DEFAULT_MASK

    def apply_cflist(self, cflist):
        """Take the five channels of a JoinAccept's CFList (type 0), or its masks (type 1).

        Of masks only channels that exist are taken, and only when some are left: what a network means
        by the others in EU868 the regional parameters leave open.
        """
        if not cflist:
            return
        try:
            kind, values = unpack(cflist)
        except WireError:
            return  # a type of a later version: the default channels do
        if kind != FREQUENCIES:
            self.mask = values[0] & self.defined_mask() or self.mask
            return
        for i in range(len(values)):
            if usable(values[i]):
                self.define(FIRST_FREE_CHANNEL + i, values[i], 0, MAX_DEFAULT_DR)

    def define(self, index, freq_hz, min_dr, max_dr):
        """Set and enable a channel; its downlink is on the same frequency."""
        self.slots[index] = [freq_hz, min_dr, max_dr, freq_hz]
        self.mask |= 1 << index

    def remove(self, index):
        """Remove a channel."""
        self.slots[index] = None
        self.mask &= ~(1 << index)

    def defined_mask(self):
        """Return the mask of all channels that exist."""
        mask = 0
        for i in range(MAX_CHANNELS):
            if self.slots[i] is not None:
                mask |= 1 << i
        return mask

    def enable_defaults(self):
        """Switch the three fixed channels on beside the others."""
        self.mask |= _DEFAULT_MASK

    def for_dr(self, dr, mask=None):
        """Return the indexes of enabled channels that carry a data rate."""
        if mask is None:
            mask = self.mask
        found = []
        for i in range(MAX_CHANNELS):
            slot = self.slots[i]
            if slot is not None and mask & 1 << i and slot[1] <= dr <= slot[2]:
                found.append(i)
        return found

    def dump(self):
        """Return mask and channels as bytes."""
        out = self.mask.to_bytes(2, "big") + self.defined_mask().to_bytes(2, "big")
        for slot in self.slots:
            if slot is not None:
                out += (
                    slot[0].to_bytes(4, "big") + slot[3].to_bytes(4, "big") + bytes([slot[2] << 4 | slot[1]])
                )
        return out

    def restore(self, data, start):
        """Restore from bytes at start; return where they end."""
        self.mask = int.from_bytes(data[start : start + 2], "big")
        defined = int.from_bytes(data[start + 2 : start + 4], "big")
        start += 4
        for i in range(MAX_CHANNELS):
            self.slots[i] = None
            if defined & 1 << i:
                up = int.from_bytes(data[start : start + 4], "big")
                down = int.from_bytes(data[start + 4 : start + 8], "big")
                self.slots[i] = [up, data[start + 8] & 15, data[start + 8] >> 4, down]
                start += _ENTRY
        return start


def dr_range_ok(min_dr, max_dr):
    """Tell whether a NewChannelReq's data rates are ones that we have."""
    return min_dr <= max_dr <= MAX_DR
