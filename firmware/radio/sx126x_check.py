"""Start-up self-check of an SX126x: which wire is wrong, before anything is sent."""

from wire._compat import const

from .errors import RadioFault

# GetDeviceErrors bits (SX1261/2 datasheet table 13-86).
_ERRORS = (
    (0x20, "tcxo", "the oscillator does not start: check tcxo_mv and tcxo_delay_us in the board file"),
    (0x40, "pll", "does not lock: check the supply and the oscillator"),
    (0x04, "pll", "calibration failed: check the supply and the oscillator"),
    (0x01, "calibration", "of the 64 kHz oscillator failed: reset the node"),
    (0x02, "calibration", "of the 13 MHz oscillator failed: reset the node"),
    (0x08, "calibration", "of the ADC failed: reset the node"),
    (0x10, "calibration", "of the image rejection failed: reset the node"),
)


_BOOT_MS = const(10)  # from reset to ready takes 3.5 ms (datasheet table 8-4)


def wiring(bus):
    """Reset the chip and try the wires one by one; RadioFault names the first that fails."""
    bus.reset()
    bus.clock.sleep_ms(_BOOT_MS)  # should BUSY not be connected, the chip is up all the same
    _spi(bus)
    _busy(bus)
    _reset(bus)


def _sync_word(bus):
    got = bus.command(0x1D, 0x07, 0x40, 0, 0, 0)
    return got[4] << 8 | got[5]


def _spi(bus):
    """A register must keep what is written; the wires' idle level reads as all zeros or all ones."""
    for value in (0x54A4, 0xA454):  # the low nibbles are reserved: leave them at 4
        bus.command(0x0D, 0x07, 0x40, value >> 8, value & 0xFF)
        got = _sync_word(bus)
        if got in (0, 0xFFFF):
            raise RadioFault("spi", "nothing answers: check MISO, MOSI, SCK, NSS and the chip's supply")
        if got != value:
            raise RadioFault("spi", "answers are garbled: check the wiring and lower the SPI clock")


def _reset(bus):
    """A changed sync word comes back to 0x1424 (datasheet table 12-1)."""
    bus.command(0x0D, 0x07, 0x40, 0x54, 0xA4)
    bus.reset()
    bus.clock.sleep_ms(_BOOT_MS)
    if _sync_word(bus) != 0x1424:
        raise RadioFault("reset", "does not reset the chip: check the RESET wire")


def interrupt_line(bus, dio1):
    """A receiver that listens for 1 ms raises DIO1 by its timeout; the oscillator must run by now."""
    clock = bus.clock
    bus.command(0x8A, 1)
    bus.command(0x08, 0x02, 0x00, 0x02, 0x00, 0, 0, 0, 0)
    bus.command(0x02, 0x03, 0xFF)
    if dio1.value():
        raise RadioFault("dio1", "is high without cause: check the DIO1 wire")
    bus.command(0x82, 0, 0, 64)
    clock.sleep_ms(5)
    risen = dio1.value()
    timed_out = bus.command(0x12, 0, 0, 0)[2] & 0x02
    bus.command(0x02, 0x03, 0xFF)
    if not timed_out:
        raise RadioFault("pll", "the receiver does not run: check the supply and the oscillator")
    if not risen or dio1.value():
        raise RadioFault("dio1", "does not follow the chip: check the DIO1 wire")


def _busy(bus):
    """BUSY is high as long as the chip sleeps (datasheet 8.3.1)."""
    bus.command(0x84, 0x04)
    bus.clock.sleep_ms(2)
    asleep = bus.busy.value()
    bus.wake()
    if not asleep:
        raise RadioFault("busy", "is not high while the chip sleeps: check the BUSY wire")


def device_errors(bus):
    """Return the error bits; RadioFault for the first known one."""
    got = bus.command(0x17, 0, 0, 0)
    errors = got[2] << 8 | got[3]
    for bit, part, message in _ERRORS:
        if errors & bit:
            raise RadioFault(part, message)
    return errors
