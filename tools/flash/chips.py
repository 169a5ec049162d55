"""The chips that can be flashed: number in an image, the compiler's architecture, where an image begins."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chip:
    """image_id: chip_id of the extended image header (ESP-IDF esp_image_format.h)."""

    name: str
    image_id: int
    architecture: str
    image_at: int

    @property
    def download(self) -> str:
        """What micropython.org/download calls its image: ESP32_GENERIC, ESP32_GENERIC_S3, ..."""
        return "_".join(["ESP32_GENERIC", *([self.name[5:].upper()] if self.name != "esp32" else [])])


CHIPS = {
    chip.name: chip
    for chip in (
        Chip("esp32", 0, "xtensawin", 0x1000),
        Chip("esp32s2", 2, "xtensawin", 0x1000),
        Chip("esp32c3", 5, "rv32imc", 0),
        Chip("esp32s3", 9, "xtensawin", 0),
        Chip("esp32c6", 13, "rv32imc", 0),
    )
}


def by_title(title: str) -> Chip | None:
    """Return the chip that esptool calls ESP32, ESP32-S3, ..."""
    return CHIPS.get(title.lower().replace("-", ""))


def by_image_id(number: int) -> Chip | None:
    """Return the chip of an image, or None."""
    return next((chip for chip in CHIPS.values() if chip.image_id == number), None)
