"""The base image: MicroPython for one chip, as micropython.org publishes it, named by version and SHA-256.

It is taken apart into what must be written: second stage, partition table, application. What lies between
(NVS with the join counters of a device, calibration of its radio) is left alone, so that a device that is
flashed again does not start its DevNonces anew and is not refused by its network for ever.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass, field

from tools.flash import partitions
from tools.flash.chips import Chip, by_image_id
from tools.flash.errors import FlashError
from tools.flash.partitions import APP, TABLE_AT, TABLE_SIZE, Partition

# .mpy files with native code are of one sub-version: 6.3, "v1.23.0 and up" (MicroPython, reference/mpyfiles).
OLDEST = [1, 23]
_IMAGE_MAGIC = 0xE9
_DESCRIPTION_AT = 32  # behind the image header (24 bytes) and that of the first segment (8)
_DESCRIPTION = struct.Struct(
    "<I4x8x32s32s"
)  # esp_app_desc_t: magic, secure version, reserved, version, project
_DESCRIPTION_MAGIC = 0xABCD5432
_BLANK = b"\xff"


@dataclass(frozen=True, slots=True)
class BaseImage:
    """A checked image. content begins at chip.image_at of the flash."""

    chip: Chip
    version: str
    sha256: str
    content: bytes = field(repr=False)
    rows: tuple[Partition, ...] = ()

    @property
    def name(self) -> str:
        """Name by chip, version and digest."""
        return f"MicroPython {self.version} for {self.chip.name}, sha256 {self.sha256[:12]}…"

    def segments(self, rows: list[Partition]) -> list[tuple[int, bytes]]:
        """Return (offset, bytes) of what is written, with `rows` as the partition table."""
        at = self.chip.image_at
        boot = self.content[: TABLE_AT - at].rstrip(_BLANK)
        found = [(at, boot), (TABLE_AT, partitions.table(rows))]
        for row in self.rows:
            if row.kind == APP:
                app = self.content[row.offset - at : row.offset - at + row.size].rstrip(_BLANK)
                if app:
                    found.append((row.offset, app))
        return [(offset, _whole_words(content)) for offset, content in found]


def parse(content: bytes, sha256: str | None = None) -> BaseImage:
    """Return an image of bytes; FlashError `image` when it is none, `checksum` when it is another."""
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and digest != sha256.lower():
        raise FlashError(
            "checksum",
            f"the image has SHA-256 {digest}, not {sha256.lower()}: get it again, or correct the sum",
        )
    if len(content) < TABLE_AT or content[0] != _IMAGE_MAGIC:
        raise FlashError(
            "image", "this is no image for an ESP32: take the .bin of micropython.org for the board"
        )
    chip = by_image_id(struct.unpack_from("<H", content, 12)[0])
    if chip is None:
        raise FlashError(
            "image", "the image is for a chip that is not known here: take one for ESP32, S2, S3, C3, C6"
        )
    table_at = TABLE_AT - chip.image_at
    rows = partitions.parse(content[table_at : table_at + TABLE_SIZE])
    partitions.named(rows, "vfs")
    version = _version(content, chip, rows)
    numbers = [int(part) for part in re.findall(r"\d+", version)[:2]]
    if numbers < OLDEST:
        raise FlashError(
            "image",
            f"MicroPython {version} is too old to load this firmware: get the .bin of 1.29 for {chip.name}",
        )
    return BaseImage(chip, version, digest, content, tuple(rows))


def _version(content: bytes, chip: Chip, rows: list[Partition]) -> str:
    for row in rows:
        at = row.offset - chip.image_at + _DESCRIPTION_AT
        if row.kind == APP and at + _DESCRIPTION.size <= len(content):
            magic, version, _project = _DESCRIPTION.unpack_from(content, at)
            if magic == _DESCRIPTION_MAGIC:
                return version.split(b"\x00")[0].decode("ascii", "replace").lstrip("v")
    raise FlashError("image", "the image does not tell its version: take one of MicroPython for an ESP32")


def _whole_words(content: bytes) -> bytes:
    return content + _BLANK * (-len(content) % 4)
