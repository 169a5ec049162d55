"""Base images for tests: laid out as MicroPython's, by ESP-IDF's documents, with noise for code."""

from __future__ import annotations

import hashlib
import random
import struct

CHIP_IDS = {"esp32": 0, "esp32s3": 9, "esp32c3": 5}
AT = {"esp32": 0x1000, "esp32s3": 0, "esp32c3": 0}
# MicroPython's partitions-4MiB.csv: label, type, subtype, offset, size.
ROWS = (
    ("nvs", 1, 2, 0x9000, 0x6000),
    ("phy_init", 1, 1, 0xF000, 0x1000),
    ("factory", 0, 0, 0x10000, 0x1F0000),
    ("vfs", 1, 0x81, 0x200000, 0x200000),
)


def table(rows: tuple[tuple[str, int, int, int, int], ...] = ROWS) -> bytes:
    """A partition table (ESP-IDF, "Partition Tables": binary format of gen_esp32part.py)."""
    body = b"".join(struct.pack("<2sBBII16sI", b"\xaa\x50", *row[1:], row[0].encode(), 0) for row in rows)
    return (body + b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(body).digest()).ljust(0xC00, b"\xff")


def image(chip: str, version: str = "v1.29.0", app_bytes: int = 60_000, seed: int = 1) -> bytes:
    """An image of so many bytes of application."""
    noise = random.Random(f"{chip}/{seed}")
    header = struct.pack(
        "<BBBBIB3sHB8sB", 0xE9, 1, 2, 0x20, 0x40080000, 0xEE, bytes(3), CHIP_IDS[chip], 0, bytes(8), 1
    )
    second_stage = header + noise.randbytes(20_000)
    out = bytearray(b"\xff" * (0x10000 - AT[chip] + app_bytes))
    out[: len(second_stage)] = second_stage
    at = 0x8000 - AT[chip]
    out[at : at + 0xC00] = table()
    description = struct.pack("<I4x8x32s32s", 0xABCD5432, version.encode(), b"micropython")
    app = header + bytes(8) + description + noise.randbytes(app_bytes - 32 - len(description))
    out[0x10000 - AT[chip] :] = app
    return bytes(out)
