"""The three wires under the SX127x driver: SPI transactions and RESET. There is no BUSY: the chip is fast."""


class Sx127xBus:
    """SPI (mode 0, 8 bit, at most 10 MHz) with pins NSS and RESET (outputs)."""

    def __init__(self, spi, nss, reset, clock):
        self.spi = spi
        self.nss = nss
        self.reset_pin = reset
        self.clock = clock
        self._short = bytearray(2)
        nss.value(1)
        reset.value(1)

    def reset(self):
        """Pulse RESET (datasheet 7.2.2: at least 100 us low, then 5 ms)."""
        self.reset_pin.value(0)
        self.clock.sleep_us(200)
        self.reset_pin.value(1)
        self.clock.sleep_ms(6)

    def transfer(self, buf):
        """Exchange a caller's buffer in place: address byte, then data."""
        nss = self.nss
        nss.value(0)
        self.spi.write_readinto(buf, buf)
        nss.value(1)

    def write(self, address, value):
        """Write one register."""
        buf = self._short
        buf[0] = 0x80 | address
        buf[1] = value
        self.transfer(buf)

    def read(self, address):
        """Read one register."""
        buf = self._short
        buf[0] = address
        buf[1] = 0
        self.transfer(buf)
        return buf[1]
