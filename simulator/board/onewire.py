# `onewire` of MicroPython's drivers on a simulated board: resets and bytes lead to the model at the pin.
from _link import S, ask


class OneWireError(Exception):
    pass


class OneWire:
    SEARCH_ROM = 0xF0
    MATCH_ROM = 0x55
    SKIP_ROM = 0xCC

    def __init__(self, pin):
        self._pin = pin.id

    def _slot(self, unit, byte, us):
        S.now += us  # a slot takes 70 us, a reset 960
        status = ask(30, unit, self._pin, byte, S.now)
        if status:
            raise OSError(status)
        return S.n

    def reset(self, required=False):
        present = bool(self._slot(0, 0, 960))
        if required and not present:
            raise OneWireError()
        return present

    def writebyte(self, value):
        self._slot(1, value, 560)

    def write(self, buf):
        for value in buf:
            self.writebyte(value)

    def readbyte(self):
        return self._slot(2, 0, 560)

    def readinto(self, buf):
        for i in range(len(buf)):
            buf[i] = self.readbyte()
