"""Chips that are registers on I2C: a write of the register's number, then data either way."""

from wire.record import CHECKSUM, NO_ANSWER, OK


class Registers:
    """Reads and writes; results are states of wire.record. wide: register numbers have 16 bits, not 8."""

    def __init__(self, bus, address, wide=False):
        self.bus = bus
        self.address = address
        self.error = None  # the last OSError, for probe texts
        self._wide = wide
        self._number = bytearray(2 if wide else 1)

    def read(self, register, buf):
        """Read len(buf) bytes from register on; return OK or NO_ANSWER."""
        self._set_number(register)
        try:
            self.bus.writeto(self.address, self._number)
            self.bus.readfrom_into(self.address, buf)
        except OSError as error:
            self.error = error
            return NO_ANSWER
        return OK

    def read_twice(self, register, buf, again):
        """Read what has no checksum into two buffers of one length; CHECKSUM when they differ."""
        state = self.read(register, buf)
        if state == OK:
            state = self.read(register, again)
        return CHECKSUM if state == OK and buf != again else state

    def write(self, register, data):
        """Write bytes from register on; return OK or NO_ANSWER."""
        self._set_number(register)
        try:
            self.bus.writeto(self.address, bytes(self._number) + bytes(data))
        except OSError as error:
            self.error = error
            return NO_ANSWER
        return OK

    def _set_number(self, register):
        if self._wide:
            self._number[0] = register >> 8
            self._number[1] = register & 0xFF
        else:
            self._number[0] = register
