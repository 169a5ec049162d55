"""The four wires under the SX1262 driver: SPI transactions, BUSY, RESET.

One command is one SPI call with NSS low around it. A command that arrives while BUSY is high is
lost by the chip (SX1261/2 datasheet section 8.3.1), so every transaction waits for BUSY first.
Short commands use buffers that exist from the start, so a receive window leaves little garbage.
"""

from wire._compat import const

from .errors import RadioFault

_BUSY_LIMIT_US = const(200000)  # image calibration with a slow TCXO keeps BUSY high longest
_BUSY_STEP_US = const(50)
_LONGEST_SHORT = const(12)


class Sx126xBus:
    """SPI (mode 0, 8 bit, at most 16 MHz) with pins NSS, RESET (outputs) and BUSY (input)."""

    def __init__(self, spi, nss, reset, busy, clock):
        self.spi = spi
        self.nss = nss
        self.reset_pin = reset
        self.busy = busy
        self.clock = clock
        self._short = [bytearray(n) for n in range(_LONGEST_SHORT + 1)]
        nss.value(1)
        reset.value(1)

    def wait_ready(self, limit_us=_BUSY_LIMIT_US):
        """Wait until BUSY is low; RadioFault `busy` after limit_us."""
        clock = self.clock
        start = clock.ticks_us()
        while self.busy.value():
            if clock.ticks_diff(clock.ticks_us(), start) > limit_us:
                raise RadioFault("busy", "stays high: check the BUSY wire and the chip's supply")
            clock.sleep_us(_BUSY_STEP_US)

    def reset(self):
        """Pulse RESET (datasheet 8.1: at least 100 us low) and wait for the chip to be up."""
        self.reset_pin.value(0)
        self.clock.sleep_us(200)
        self.reset_pin.value(1)
        self.clock.sleep_us(200)  # BUSY rises within this time
        self.wait_ready()

    def wake(self):
        """Wake the chip from sleep: a falling NSS does it, the byte that comes along is lost."""
        buf = self._short[1]
        buf[0] = 0xC0
        self._exchange(buf)
        self.clock.sleep_us(100)
        self.wait_ready()

    def _exchange(self, buf):
        nss = self.nss
        nss.value(0)
        self.spi.write_readinto(buf, buf)
        nss.value(1)

    def command(self, *data):
        """Send opcode and parameters; return what came back, in a buffer that the next call overwrites."""
        self.wait_ready()
        buf = self._short[len(data)]
        for i in range(len(data)):
            buf[i] = data[i]
        self._exchange(buf)
        return buf

    def transfer(self, buf):
        """Exchange a caller's buffer in place (payload writes and reads)."""
        self.wait_ready()
        self._exchange(buf)

    def write_register(self, address, value):
        """Write one byte (opcode 0x0D)."""
        self.command(0x0D, address >> 8, address & 0xFF, value)

    def read_register(self, address):
        """Read one byte (opcode 0x1D)."""
        return self.command(0x1D, address >> 8, address & 0xFF, 0, 0)[4]
