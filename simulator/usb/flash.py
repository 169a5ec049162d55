"""A NOR flash chip: erasing sets sectors to ones, programming only clears bits, as the silicon does."""

from __future__ import annotations

SECTOR = 4096
BLANK = b"\xff"


class FlashChip:
    """Content and history of a flash chip.

    erased: how often each sector was erased. not_blank: bytes that were programmed to something that they
    could not become, because nobody had erased them: on a real chip that is corrupt content.
    """

    def __init__(self, size: int, jedec_id: int = 0x1640C8) -> None:
        """jedec_id: maker, type, capacity from the low byte on; default GigaDevice, 4 MB (0x16 = 2**22)."""
        self.data = bytearray(BLANK * size)
        self.jedec_id = jedec_id & 0xFFFF | (size.bit_length() - 1) << 16
        self.erased = [0] * (size // SECTOR)
        self.not_blank = 0

    def erase(self, offset: int, size: int) -> None:
        """Erase every sector that the range touches."""
        for sector in range(offset // SECTOR, -(-(offset + size) // SECTOR)):
            self.data[sector * SECTOR : (sector + 1) * SECTOR] = BLANK * SECTOR
            self.erased[sector] += 1

    def program(self, offset: int, content: bytes) -> None:
        """Clear bits; IndexError beyond the end."""
        end = offset + len(content)
        if end > len(self.data):
            raise IndexError("beyond the end of the flash")
        old = self.data[offset:end]
        if old.count(0xFF) == len(old):
            self.data[offset:end] = content
            return
        new = bytes(a & b for a, b in zip(old, content, strict=True))
        self.not_blank += sum(a != b for a, b in zip(new, content, strict=True))
        self.data[offset:end] = new

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes."""
        return bytes(self.data[offset : offset + size])
