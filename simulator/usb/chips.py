"""What tells one ESP32 from another over the loader: identity, registers, fuses.

Numbers are of Espressif's technical reference manuals (eFuse and UART register maps) and of the public
loader protocol ("Serial Protocol" of esptool's documentation).
"""

from __future__ import annotations

from dataclasses import dataclass

CRYSTAL_HZ = 40_000_000
CHIP_MAGIC = 0x40001000  # a word of the ROM that differs from chip to chip


@dataclass(frozen=True, slots=True)
class Chip:
    """One kind of chip.

    chip_id: of GET_SECURITY_INFO, None on the ESP32 that does not know that command. magic: the word at
    CHIP_MAGIC. mac_at: register of the low four bytes of the MAC, the other two are in the next. spi: base of
    SPI1, and offsets of USR2 and W0. bootloader_at: where the second stage begins in flash. uart_clkdiv:
    register of the UART's divider, from which esptool tells the crystal.
    """

    name: str
    title: str
    chip_id: int | None
    magic: int
    efuse: int
    mac_at: int
    spi: int
    usr2: int
    w0: int
    bootloader_at: int
    uart_clkdiv: int


_ROWS = (
    ("esp32", "ESP32", None, 0x00F01D83, 0x3FF5A000, 0x3FF5A004, 0x3FF42000, 0x24, 0x80, 0x1000, 0x3FF40014),
    ("esp32s3", "ESP32-S3", 9, 0x9, 0x60007030, 0x60007044, 0x60002000, 0x20, 0x58, 0, 0x60000014),
    ("esp32c3", "ESP32-C3", 5, 0x6921506F, 0x60008830, 0x60008844, 0x60002000, 0x20, 0x58, 0, 0x60000014),
)
CHIPS = {row[0]: Chip(*row) for row in _ROWS}


def registers(chip: Chip, mac: bytes, baud: int = 115200) -> dict[int, int]:
    """Return the registers that are not zero on a fresh chip with this MAC."""
    found = {
        CHIP_MAGIC: chip.magic,
        chip.mac_at: int.from_bytes(mac[2:], "big"),
        chip.mac_at + 4: int.from_bytes(mac[:2], "big"),
        chip.uart_clkdiv: CRYSTAL_HZ // baud,
    }
    if chip.chip_id is None:
        found[chip.efuse + 12] = 1 << 9 | 1 << 15  # package D0WD, revision 1
    return found
