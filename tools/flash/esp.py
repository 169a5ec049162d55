"""Runs esptool as a program of its own: it is GPL, Meetnet is Apache, and nothing of it is imported.

What esptool says on a failure is turned into one sentence for the person at the bench.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.flash.chips import Chip, by_title
from tools.flash.errors import FlashError

BAUD = 460800
_CHIP = re.compile(r"^Connected to (\S+) on ", re.M)
_MAC = re.compile(r"^MAC:\s+((?:[0-9a-f]{2}:){5}[0-9a-f]{2})", re.M)
_FLASH_SIZE = re.compile(r"^Detected flash size: (\d+)MB", re.M)
_AT = re.compile(r"Writing at (0x[0-9a-f]+)")
_TIMEOUT_S = 300

# What esptool says -> (code, what the technician does).
CAUSES = (
    # esptool says "could not open" of all of these, and the reason behind it.
    (
        "permission denied",
        "port",
        "no right to the port: sudo usermod -aG dialout $USER, then log out and in again",
    ),
    ("no such file", "unplugged", "the port is gone: was the board unplugged? plug it in again"),
    ("could not open", "port", "the port cannot be opened: is another program using it? close that"),
    (
        "wrong boot mode",
        "boot",
        "the chip did not go into its loader: hold BOOT, press RESET, let go of BOOT",
    ),
    (
        "no serial data received",
        "silent",
        "no answer: a cable that only charges, the wrong USB port, or no power",
    ),
    ("failed to connect", "boot", "no answer of the loader: hold BOOT while plugging in, try another cable"),
    (
        "md5 of file does not match",
        "verify",
        "what was written reads back differently: flash is worn or power is weak",
    ),
    ("hash of data", "verify", "what was written reads back differently: flash is worn or power is weak"),
    ("unexpected chip id", "chip", "this chip is not known: only ESP32, S2, S3, C3 and C6 can be flashed"),
    ("does not fit in", "size", "the flash of this board is too small for the image"),
    ("device disconnected", "unplugged", "the board was unplugged while it was written: plug it in again"),
    ("input/output error", "unplugged", "the board was unplugged while it was written: plug it in again"),
    ("write timeout", "silent", "the board stopped taking data: try another cable or a powered hub"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """A board: chip, MAC as 12 hex digits, size of its flash in bytes."""

    chip: Chip
    mac: str
    flash_bytes: int


def look(port: str) -> Found:
    """Return which board is at a port, and leave it in its loader."""
    said = _run(port, ["--after", "no-reset", "flash-id"], None)
    chip, mac, size = _CHIP.search(said), _MAC.search(said), _FLASH_SIZE.search(said)
    known = by_title(chip[1]) if chip else None
    if known is None:
        raise FlashError("chip", f"this chip ({chip[1] if chip else '?'}) cannot be flashed here: see --help")
    if mac is None or size is None:
        raise FlashError("silent", "the board does not tell its MAC or flash size: try another cable")
    return Found(known, mac[1].replace(":", ""), int(size[1]) << 20)


def write(
    port: str,
    chip: Chip,
    segments: Sequence[tuple[int, bytes]],
    progress: Callable[[float], None] | None = None,
) -> None:
    """Write (offset, bytes) pairs, let esptool verify them, and reset the board. progress: 0 to 1."""
    with tempfile.TemporaryDirectory(prefix="meetnet-flash-") as folder:
        pairs: list[str] = []
        total = sum(len(content) for _, content in segments)
        for offset, content in segments:
            path = Path(folder) / f"{offset:x}.bin"  # 0700 folder: the last one holds keys
            path.write_bytes(content)
            pairs += [hex(offset), str(path)]
        words = ["--chip", chip.name, "--after", "hard-reset", "write-flash", "--flash-size", "keep"]
        _run(port, [*words, *pairs], _Weights(segments, total, progress) if progress else None)


class _Weights:
    """Progress over all segments, from the address that esptool tells: they are written in order."""

    def __init__(
        self, segments: Sequence[tuple[int, bytes]], total: int, progress: Callable[[float], None]
    ) -> None:
        self._segments = [(offset, len(content)) for offset, content in segments]
        self._total = total
        self._progress = progress

    def line(self, text: str) -> None:
        found = _AT.match(text)
        if found is not None:
            at = int(found[1], 16)
            done = sum(max(0, min(at - offset, size)) for offset, size in self._segments)
            self._progress(done / self._total)


def _run(port: str, words: list[str], weights: _Weights | None) -> str:
    command = [sys.executable, "-m", "esptool", "--port", port, "--baud", str(BAUD), *words]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    except OSError as error:
        raise FlashError(
            "esptool", f"esptool cannot be started ({error}): pip install 'meetnet[flash]'"
        ) from error
    said: list[str] = []
    assert process.stdout is not None
    with process:
        try:
            for line in process.stdout:
                said.append(line)
                if weights is not None:
                    weights.line(line)
            code = process.wait(_TIMEOUT_S)
        finally:
            process.kill()
    text = "".join(said)
    if "No module named esptool" in text:
        raise FlashError("esptool", "esptool is not installed: pip install 'meetnet[flash]'")
    if code:
        raise cause(text)
    return text


def cause(said: str) -> FlashError:
    """Return what a person does about what esptool said."""
    lowered = said.lower()
    for words, code, remedy in CAUSES:
        if words in lowered:
            return FlashError(code, remedy)
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "no word")
    return FlashError("esptool", f"esptool gave up: {last[:200]}")
