"""Sensirion SPS30 on its UART (SEL pin open): 115200 baud, 8N1, SHDLC frames. Same readings as on I2C."""

from wire._compat import const
from wire.record import CHECKSUM, FAULT, NO_ANSWER, NOT_READY, OK, STATE_NAMES

from .errors import DriverError
from .sensirion import float_to_int
from .shdlc import Shdlc
from .sps30 import SPS30

_START = const(0x00)
_FLOATS = b"\x01\x03"
_STOP = const(0x01)
_READ = const(0x03)
_SLEEP = const(0x10)
_WAKE = const(0x11)
_CLEAN = const(0x56)
_AUTO_CLEAN = const(0x80)
_VERSION = const(0xD1)
_STATUS = const(0xD2)
_NOT_NOW = const(0x43)  # error code: not allowed in this state, so it is not measuring


class UartLink:
    """The commands of the SPS30 over SHDLC: the same methods as sps30.I2cLink."""

    def __init__(self, uart, clock):
        self._line = Shdlc(uart, clock, 48)

    def wake(self):
        """Wake interface and chip."""
        self._line.wake_interface()
        return self._line.request(_WAKE)

    def start(self):
        """Start measuring."""
        return self._line.request(_START, _FLOATS)

    def stop(self):
        """Stop measuring."""
        return self._line.request(_STOP)

    def sleep(self):
        """Go to sleep mode."""
        return self._line.request(_SLEEP)

    def clean(self):
        """Start the fan cleaning."""
        return self._line.request(_CLEAN)

    def set_auto_clean(self, seconds):
        """Set the cleaning interval."""
        return self._line.request(_AUTO_CLEAN, b"\0" + seconds.to_bytes(4, "big"))

    def auto_clean(self):
        """Return (state, seconds)."""
        state = self._expect(4, _AUTO_CLEAN, b"\0")
        return (state, self._word(0) << 16 | self._word(1))

    def new_values(self):
        """Read the ten floats; NOT_READY while there are no new ones (the answer is empty then)."""
        state = self._line.request(_READ)
        if (state == OK and self._line.length == 0) or (state == FAULT and self._line.error == _NOT_NOW):
            return NOT_READY
        return CHECKSUM if state == OK and self._line.length != 40 else state

    def scaled_float(self, i, scale):
        """Return float i of the values that were read last, times scale, rounded."""
        return float_to_int(self._word(2 * i), self._word(2 * i + 1), scale)

    def version(self):
        """Return (state, (major, minor)) of the firmware."""
        state = self._expect(7, _VERSION)
        return (state, (self._line.data[0], self._line.data[1]))

    def status(self):
        """Return (state, high word, low word) of the status register; 0: do not clear it."""
        state = self._expect(5, _STATUS, b"\0")
        return (state, self._word(0), self._word(1))

    def clear_status(self):
        """Clear the status register (firmware 2.2 and later)."""
        return self._line.request(_STATUS, b"\1")

    def probe_error(self, state):
        """Return the DriverError of a probe that ended in `state`."""
        if state == NO_ANSWER:
            text = "no answer: no 5 V supply, TX and RX swapped, or SEL tied to ground (that selects I2C)"
        elif state == CHECKSUM:
            text = "answers with wrong checksums: a noisy line"
        else:
            text = STATE_NAMES[state] + ": wrong baud rate (115200), or another device on the line"
        return DriverError(state, "SPS30 on UART: " + text)

    def _expect(self, length, command, data=b""):
        state = self._line.request(command, data)
        return CHECKSUM if state == OK and self._line.length != length else state

    def _word(self, i):
        return self._line.data[2 * i] << 8 | self._line.data[2 * i + 1]


class SPS30Uart(SPS30):
    """Driver; see sps30.SPS30 for its methods and attributes."""

    def __init__(self, uart, clock):
        SPS30.__init__(self, None, clock, link=UartLink(uart, clock))
