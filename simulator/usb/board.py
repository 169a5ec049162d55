"""A board on its cable: reset circuit, boot mode, loader or application.

The two transistors of every development board: DTR alone pulls IO0 low, RTS alone pulls EN low, both together
nothing. EN has a capacitor, so the chip looks at IO0 a little after EN went up (ESP32 hardware design
guidelines). A port that carries no DTR and RTS (a pseudo-terminal) has no such circuit: there the board
takes the loader's sync pattern as if BOOT had been held, and anything that is no frame as if RESET had been
pressed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from simulator.usb.chips import CHIPS
from simulator.usb.flash import FlashChip
from simulator.usb.loader import Loader

EN_DELAY_S = 0.02
OFF, DOWNLOAD, RUNNING = "off", "download", "running"
IMAGE_MAGIC = 0xE9
_SYNC = b"\xc0\x00\x08\x24\x00"  # how the loader's SYNC begins


class Application(Protocol):
    """What runs once the flash holds something."""

    def feed(self, data: bytes) -> None:
        """Take bytes from the host."""
        ...

    def close(self) -> None:
        """Power is cut or the chip is reset."""
        ...


class UsbBoard:
    """One board. `connect(send)` a host, `receive` its bytes, `set_lines` its DTR and RTS."""

    def __init__(
        self,
        chip: str,
        mac: bytes,
        flash: FlashChip | None = None,
        application: Callable[[UsbBoard], Application] | None = None,
    ) -> None:
        """application: makes what runs after a boot from flash; None: nothing but the ROM's boot message."""
        self.en_delay_s = EN_DELAY_S
        self.chip = CHIPS[chip]
        self.mac = mac
        self.flash = flash or FlashChip(4 << 20)
        self.state = OFF
        self.boots = 0
        self.has_lines = True
        self.loader = self._new_loader()
        self._application = application
        self._running: Application | None = None
        self._host: Callable[[bytes], None] | None = None
        self._lock = threading.RLock()
        self._timer: threading.Timer | None = None
        self._lines = (False, False)
        self._tail = b""

    def _new_loader(self) -> Loader:
        return Loader(self.chip, self.mac, self.flash, self.send, lambda: self.reset(download=False))

    # -- the cable

    def connect(self, send: Callable[[bytes], None], has_lines: bool = True) -> None:
        """Plug the cable in; the board has power from now on."""
        with self._lock:
            self._host = send
            self.has_lines = has_lines
            if self.state == OFF:
                self.reset(download=False)

    def unplug(self) -> None:
        """Pull the cable: power is gone."""
        with self._lock:
            self._host = None
            self._stop()
            self.state = OFF

    def send(self, data: bytes) -> None:
        """Send bytes to the host, if there is one."""
        host = self._host
        if host is not None:
            host(data)

    def set_lines(self, dtr: bool, rts: bool) -> None:
        """Set the host's control lines."""
        with self._lock:
            was_reset = self._in_reset()
            self._lines = (dtr, rts)
            if self._in_reset():
                self._cancel()
                self._stop()
            elif was_reset:
                self._cancel()
                self._timer = threading.Timer(self.en_delay_s, self._en_is_up)
                self._timer.daemon = True
                self._timer.start()

    def receive(self, data: bytes) -> None:
        """Take bytes from the host."""
        with self._lock:
            if self.state == RUNNING and not self.has_lines and _SYNC in self._tail + data:
                self.reset(download=True)
                data = data[max(0, data.find(b"\xc0")) :]
            self._tail = (self._tail + data)[-16:]
            if self.state == DOWNLOAD:
                noise = self.loader.feed(data)
                if not self.has_lines and noise.strip(b"\r\n"):
                    self.reset(download=False)
                    data = noise
            if self.state == RUNNING and self._running is not None:
                self._running.feed(data)

    def reset(self, download: bool) -> None:
        """Start the chip, into the loader or from flash."""
        with self._lock:
            self._stop()
            self.boots += 1
            if download:
                self.state = DOWNLOAD
                self.loader = self._new_loader()
                self.send(b"\r\nrst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT)\r\nwaiting for download\r\n")
                return
            self.state = RUNNING
            self.send(b"\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n")
            if self.flash.data[self.chip.bootloader_at] != IMAGE_MAGIC:
                self.send(b"invalid header: 0xffffffff\r\n")
            elif self._application is not None:
                self._running = self._application(self)

    # -- within

    def _in_reset(self) -> bool:
        dtr, rts = self._lines
        return rts and not dtr

    def _en_is_up(self) -> None:
        with self._lock:
            dtr, rts = self._lines
            if not self._in_reset():
                self.reset(download=dtr and not rts)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop(self) -> None:
        if self._running is not None:
            self._running.close()
            self._running = None
        self.state = OFF
