"""Boards on a USB cable: the ROM loader, the flash chip and the console of a simulated ESP32.

What esptool, mpremote and ESP Web Tools do with a real board they do with these, unchanged: see README.md of
the simulator, "Boards on a cable".
"""

from simulator.usb.board import UsbBoard
from simulator.usb.chips import CHIPS, Chip
from simulator.usb.flash import FlashChip
from simulator.usb.ports import PtyPort, Rfc2217Port

__all__ = ("CHIPS", "Chip", "FlashChip", "PtyPort", "Rfc2217Port", "UsbBoard")
