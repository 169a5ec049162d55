"""Which serial ports have a board: by the makers of USB bridges, or as somebody names them."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from typing import Any

from serial.tools import list_ports

# USB vendor ids: Espressif (built-in USB), Silicon Labs CP210x, WCH CH34x/CH91xx, FTDI, Prolific.
VENDORS = (0x303A, 0x10C4, 0x1A86, 0x0403, 0x067B)


def present(named: Sequence[str] = ()) -> list[str]:
    """Return the ports that are there now. named: paths, patterns (/dev/ttyUSB*) or URLs of pyserial."""
    if not named:
        found: list[Any] = list(list_ports.comports())
        return sorted(str(port.device) for port in found if port.vid in VENDORS)
    ports: list[str] = []
    for name in named:
        ports += [name] if "://" in name else sorted(glob.glob(name))  # noqa: PTH207
    return list(dict.fromkeys(ports))
