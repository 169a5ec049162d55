"""Start-up self-check of an SX127x: which wire is wrong, before anything is sent; image calibration."""

from wire._compat import const

from .errors import RadioFault

_VERSION = const(0x12)
_SLEEP = const(0x80)
_STANDBY = const(0x81)
_RX_SINGLE = const(0x86)
_CAD = const(0x87)
_RX_TIMEOUT = const(0x80)
_CAD_DONE = const(0x04)


def wiring(bus):
    """Reset the chip and try the wires one by one; RadioFault names the first that fails."""
    bus.reset()
    version = bus.read(0x42)
    if version in (0, 0xFF):
        raise RadioFault("spi", "nothing answers: check MISO, MOSI, SCK, NSS and the chip's supply")
    if version != _VERSION:
        raise RadioFault(
            "spi", "version " + hex(version) + " is no SX127x's: check the wiring and the board file"
        )
    bus.write(0x01, 0x00)  # LoRa can only be chosen in sleep
    bus.write(0x01, _SLEEP)
    for value in (0x34, 0xCB):
        bus.write(0x39, value)
        if bus.read(0x39) != value:
            raise RadioFault("spi", "answers are garbled: check the wiring and lower the SPI clock")
    bus.reset()
    bus.write(0x01, 0x00)
    bus.write(0x01, _SLEEP)
    if bus.read(0x39) != 0x12:
        raise RadioFault("reset", "does not reset the chip: check the RESET wire")


def calibrate_image(bus):
    """Calibrate the image rejection at 868 MHz: at power-on the chip did it at 434 (datasheet 2.1.3.8)."""
    bus.write(0x01, 0x00)  # it works in FSK mode only
    bus.write(0x01, 0x01)
    bus.clock.sleep_ms(1)
    bus.write(0x06, 0xD9)  # 868 MHz
    bus.write(0x07, 0x00)
    bus.write(0x08, 0x00)
    bus.write(0x3B, bus.read(0x3B) | 0x40)
    for _ in range(50):
        if not bus.read(0x3B) & 0x20:
            break
        bus.clock.sleep_ms(1)
    else:
        raise RadioFault("calibration", "of the image rejection does not end: check the oscillator")
    bus.write(0x01, 0x00)
    bus.write(0x01, _SLEEP)


def interrupt_lines(bus, dio0, dio1):
    """Activity detection raises DIO0, a receiver that hears nothing DIO1; the oscillator must run by now."""
    bus.write(0x01, _STANDBY)
    bus.clock.sleep_us(300)
    bus.write(0x11, 0x00)
    bus.write(0x12, 0xFF)
    bus.write(0x1E, 0x70)  # SF7: symbols of 1 ms
    bus.write(0x1F, 4)
    bus.write(0x31, 0x43)  # errata 2.3, as for every reception
    bus.write(0x33, 0x67)  # without RegInvertIQ2 this is deaf: nothing on the air disturbs the check
    for part, line, mapping, mode, flag in (
        ("dio0", dio0, 0x80, _CAD, _CAD_DONE),
        ("dio1", dio1, 0x00, _RX_SINGLE, _RX_TIMEOUT),
    ):
        bus.write(0x40, mapping)
        if line.value():
            raise RadioFault(part, "is high without cause: check the " + part.upper() + " wire")
        bus.write(0x01, mode)
        bus.clock.sleep_ms(8)
        risen = line.value()
        done = bus.read(0x12) & flag
        bus.write(0x12, 0xFF)
        if not done:
            raise RadioFault("pll", "the receiver does not run: check the supply and the oscillator (tcxo)")
        if not risen or line.value():
            raise RadioFault(part, "does not follow the chip: check the " + part.upper() + " wire")
    bus.write(0x01, _SLEEP)
