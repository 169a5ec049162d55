"""What a device must not forget between two uplinks, as one record of bytes."""

from wire._compat import const
from wire.lorawan import eu868

from .channels import Channels

_VERSION = const(1)
_FIXED = const(83)  # bytes before the channels


class Session:
    """One activation: keys, counters, and everything that the network has set since.

    fcnt_up is the next counter to use; fcnt_down the last one accepted, -1 when none yet.
    """

    def __init__(self, dev_eui, join_eui, tag, dev_addr, nwk_skey, app_skey):
        self.dev_eui = dev_eui
        self.join_eui = join_eui
        self.tag = tag  # DevNonce of the join: ties the counter record to this session
        self.join_nonce = 0
        self.dev_addr = dev_addr
        self.nwk_skey = nwk_skey
        self.app_skey = app_skey
        self.fcnt_up = 0
        self.fcnt_down = -1
        self.dr = eu868.MAX_DEFAULT_DR
        self.tx_power = 0
        self.nb_trans = 1
        self.adr_ack_count = 0
        self.rx1_dr_offset = 0
        self.rx2_dr = eu868.RX2_DR
        self.rx2_freq_hz = eu868.RX2_FREQ_HZ
        self.rx1_delay_s = eu868.RECEIVE_DELAY1_S
        self.max_duty_cycle = 0
        self.ack_due = False
        self.channels = Channels()
        self.answers = b""
        self.sticky = b""

    def dump(self):
        """Return the record; its integrity is the business of who stores it (see slots.py)."""
        return (
            bytes([_VERSION])
            + self.dev_eui
            + self.join_eui
            + self.tag.to_bytes(2, "big")
            + self.join_nonce.to_bytes(3, "big")
            + self.dev_addr.to_bytes(4, "big")
            + self.nwk_skey
            + self.app_skey
            + self.fcnt_up.to_bytes(4, "big")
            + (self.fcnt_down + 1).to_bytes(5, "big")
            + bytes([self.dr, self.tx_power, self.nb_trans])
            + min(self.adr_ack_count, 0xFFFF).to_bytes(2, "big")
            + bytes([self.rx1_dr_offset, self.rx2_dr])
            + self.rx2_freq_hz.to_bytes(4, "big")
            + bytes([self.rx1_delay_s, self.max_duty_cycle, 1 if self.ack_due else 0])
            + bytes([len(self.answers), len(self.sticky)])
            + self.channels.dump()
            + self.answers
            + self.sticky
        )


def restore(data, dev_eui, join_eui):
    """Return (Session, bytes that follow it), or None for a record that is not this device's."""
    if len(data) < _FIXED or data[0] != _VERSION or data[1:9] != dev_eui or data[9:17] != join_eui:
        return None
    s = Session(dev_eui, join_eui, _uint(data, 17, 2), _uint(data, 22, 4), data[26:42], data[42:58])
    s.join_nonce = _uint(data, 19, 3)
    s.fcnt_up = _uint(data, 58, 4)
    s.fcnt_down = _uint(data, 62, 5) - 1
    s.dr, s.tx_power, s.nb_trans = data[67], data[68], data[69]
    s.adr_ack_count = _uint(data, 70, 2)
    s.rx1_dr_offset, s.rx2_dr = data[72], data[73]
    s.rx2_freq_hz = _uint(data, 74, 4)
    s.rx1_delay_s, s.max_duty_cycle, s.ack_due = data[78], data[79], bool(data[80])
    answers, sticky = data[81], data[82]
    start = s.channels.restore(data, _FIXED)
    s.answers = data[start : start + answers]
    s.sticky = data[start + answers : start + answers + sticky]
    return s, data[start + answers + sticky :]


def _uint(data, start, size):
    return int.from_bytes(data[start : start + size], "big")
