"""What a silent or garbled I2C part means, in words that a person with a soldering iron can use."""

from wire.record import CHECKSUM, NO_ANSWER, STATE_NAMES

from .errors import DriverError

# ETIMEDOUT on the ESP32 (116) and on Linux (110): the controller could not move the lines at all.
_TIMED_OUT = (110, 116)


def probe_error(state, bus, address, part, hint, error=None):
    """Return the DriverError of a probe that ended in `state` (wire.record).

    bus: the I2C bus; its scan(), where it has one, tells a dead bus from a single silent part.
    hint: what is particular to this part. error: the OSError that was seen last, if any.
    """
    where = part + " at 0x%02x: " % address
    if state == CHECKSUM:
        return DriverError(state, where + "CRC wrong: long wires, weak pull-ups, or another chip")
    if state != NO_ANSWER:
        return DriverError(state, where + "acknowledges, then gives no data (" + STATE_NAMES[state] + ")")
    if error is not None and error.args and error.args[0] in _TIMED_OUT:
        return DriverError(state, where + "the bus is stuck: SDA or SCL held low or without pull-ups")
    found = _scan(bus)
    if found is None:
        return DriverError(state, where + "no answer: not powered, SDA and SCL swapped, or " + hint)
    if not found:
        wires = "nothing answers on this bus: no power, SDA and SCL swapped, or no pull-ups; "
        return DriverError(state, where + wires + hint)
    if address in found:
        return DriverError(state, where + "acknowledges its address, not this part's commands: another chip?")
    others = " ".join(["0x%02x" % a for a in found])
    return DriverError(state, where + "no answer, yet the bus works (" + others + " answers): " + hint)


def _scan(bus):
    """Return the addresses that answer, or None where the bus cannot tell."""
    try:
        return list(bus.scan())
    except (AttributeError, OSError, NotImplementedError):
        return None
