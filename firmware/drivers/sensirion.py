"""Sensirion's I2C words: two bytes, most significant first, and a CRC-8 after each.

CRC-8: polynomial 0x31, initial value 0xFF, not reflected, no final XOR; BE EF gives 92
(the check in Sensirion's own data sheets).
"""

from wire.record import CHECKSUM, NO_ANSWER, OK, TIMEOUT

_READ_PATIENCE_MS = 20  # after the nominal execution time the chip may still refuse the read for a while


def crc8(buf, start, end):
    """Return the CRC of buf[start:end]."""
    crc = 0xFF
    for i in range(start, end):
        crc ^= buf[i]
        for _ in range(8):
            crc = ((crc << 1) ^ 0x31) & 0xFF if crc & 0x80 else crc << 1
    return crc


def put_word(buf, at, value):
    """Write value (0..65535) and its CRC to buf[at:at+3]."""
    buf[at] = value >> 8 & 0xFF
    buf[at + 1] = value & 0xFF
    buf[at + 2] = crc8(buf, at, at + 2)


def float_to_int(high, low, scale):
    """Return round(x * scale) of the IEEE-754 single whose words are high and low; None for NaN and infinity.

    Integers only, exact, half away from zero: both Pythons agree, single floats of the chip or not.
    scale up to 63 keeps every intermediate of a number in range within the chip's small int.
    """
    exponent = high >> 7 & 0xFF
    if exponent == 255:
        return None
    if exponent == 0:
        return 0  # zero, or a denormal below 1e-37
    scaled = ((high & 0x7F | 0x80) << 16 | low) * scale
    shift = exponent - 150  # 127 of bias and 23 bits of fraction
    if shift >= 0:
        value = scaled << shift
    elif shift < -40:
        value = 0
    else:
        value = (scaled + (1 << (-shift - 1))) >> -shift
    return -value if high & 0x8000 else value


class SensirionBus:
    """Commands and CRC-checked reads of one chip. Results are states of wire.record, never exceptions."""

    def __init__(self, bus, clock, address, max_words, command_bytes=2):
        self.bus = bus
        self.clock = clock
        self.address = address
        self.error = None  # the last OSError, for probe texts
        self._command_bytes = command_bytes
        self._out = bytearray(command_bytes + 12)
        self._out_views = [memoryview(self._out)[: command_bytes + 3 * n] for n in range(5)]
        self._in = bytearray(3 * max_words)
        self._view = memoryview(self._in)

    def command(self, code, *words):
        """Send a command with up to four argument words; return OK or NO_ANSWER."""
        at = self._command_bytes
        if at == 2:
            self._out[0] = code >> 8
            self._out[1] = code & 0xFF
        else:
            self._out[0] = code
        for word in words:
            put_word(self._out, at, word)
            at += 3
        try:
            self.bus.writeto(self.address, self._out_views[len(words)])
        except OSError as error:
            self.error = error
            return NO_ANSWER
        return OK

    def read(self, code, n_words, delay_ms, *words):
        """Send a command, wait, read n_words; return OK, NO_ANSWER, TIMEOUT or CHECKSUM.

        A wrong CRC is tried once more from the command on: one disturbed bit costs no reading.
        """
        state = self._read_once(code, n_words, delay_ms, words)
        if state == CHECKSUM:
            state = self._read_once(code, n_words, delay_ms, words)
        return state

    def _read_once(self, code, n_words, delay_ms, words):
        state = self.command(code, *words)
        if state != OK:
            return state
        clock = self.clock
        clock.sleep_ms(delay_ms)
        sent = clock.ticks_ms()
        while True:
            try:
                self.bus.readfrom_into(self.address, self._view[: 3 * n_words])
                break
            except OSError as error:
                self.error = error
                if clock.ticks_diff(clock.ticks_ms(), sent) >= _READ_PATIENCE_MS:
                    return TIMEOUT
                clock.sleep_ms(2)
        for at in range(0, 3 * n_words, 3):
            if crc8(self._in, at, at + 2) != self._in[at + 2]:
                return CHECKSUM
        return OK

    def word(self, i):
        """Return word i (0..65535) of the last read."""
        return self._in[3 * i] << 8 | self._in[3 * i + 1]

    def signed_word(self, i):
        """Return word i of the last read as two's complement."""
        value = self.word(i)
        return value - 65536 if value & 0x8000 else value

    def scaled_float(self, i, scale):
        """Return float i (two words each) of the last read times scale, rounded; see float_to_int."""
        return float_to_int(self.word(2 * i), self.word(2 * i + 1), scale)
