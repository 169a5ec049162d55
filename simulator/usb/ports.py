"""Serial ports for boards: pseudo-terminals, and RFC 2217 where DTR and RTS matter."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import termios
import threading
import tty
from pathlib import Path
from typing import Any

from serial import rfc2217

from simulator.usb.board import UsbBoard

# pyserial waits 50 ms for the answer to each change of a line, so a reset takes that much longer.
SLOW_EN_S = 0.12


class PtyPort:
    """A board at a pseudo-terminal; `path` is what a program opens. No DTR and RTS there."""

    def __init__(self, board: UsbBoard, link: Path | None = None) -> None:
        """link: a symbolic link to make, as a device file that appears when a board is plugged in."""
        self.board = board
        self._link = link
        self._master, self._slave = os.openpty()  # the slave stays open: hosts come and go
        tty.setraw(self._slave, termios.TCSANOW)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._wake, self._stop = os.pipe()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name=f"usb-{self.path}", daemon=True)
        board.connect(self._send, has_lines=False)
        self._thread.start()
        if link is not None:
            link.unlink(missing_ok=True)
            link.symlink_to(self.path)
            self.path = str(link)

    def close(self) -> None:
        """Unplug the board."""
        if self._link is not None:
            self._link.unlink(missing_ok=True)
        os.write(self._stop, b"x")
        self._thread.join(5)
        self.board.unplug()
        for fd in (self._master, self._slave, self._wake, self._stop):
            os.close(fd)

    def _send(self, data: bytes) -> None:
        with self._lock:
            while data:
                try:
                    data = data[os.write(self._master, data) :]
                except BlockingIOError:
                    if not select.select([self._wake], [self._master], [], 1.0)[1]:
                        # Nobody listens and the buffer is full: a UART would lose it as well.
                        termios.tcflush(self._slave, termios.TCIFLUSH)
                        return

    def _serve(self) -> None:
        while True:
            readable, _, _ = select.select([self._master, self._wake], [], [])
            if self._wake in readable:
                return
            with contextlib.suppress(BlockingIOError):
                self.board.receive(os.read(self._master, 65536))


class _Line:
    """What pyserial's PortManager thinks is a serial port: the board's end, and the control lines."""

    def __init__(self, board: UsbBoard) -> None:
        self._board = board
        self.baudrate = 115200
        self.bytesize, self.parity, self.stopbits = 8, "N", 1
        self.xonxoff = self.rtscts = self.break_condition = False
        self.cts = self.dsr = self.cd = True
        self.ri = False
        self._dtr = self._rts = False

    def _put(self) -> None:
        self._board.set_lines(self._dtr, self._rts)

    @property
    def dtr(self) -> bool:
        return self._dtr

    @dtr.setter
    def dtr(self, value: bool) -> None:
        self._dtr = value
        self._put()

    @property
    def rts(self) -> bool:
        return self._rts

    @rts.setter
    def rts(self, value: bool) -> None:
        self._rts = value
        self._put()

    def reset_input_buffer(self) -> None:
        """There is none."""

    def reset_output_buffer(self) -> None:
        """There is none."""


def _manager_of(line: Any, connection: Any) -> Any:
    return rfc2217.PortManager(line, connection)


class Rfc2217Port:
    """A board at a TCP port on loopback with RFC 2217: DTR and RTS go along. `url` is what pyserial opens."""

    def __init__(self, board: UsbBoard) -> None:
        self.board = board
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rfc2217://127.0.0.1:{self._listener.getsockname()[1]}"
        self._peer: socket.socket | None = None
        self._manager: Any = None
        self._lock = threading.Lock()
        board.en_delay_s = SLOW_EN_S
        board.connect(self._send)
        self._thread = threading.Thread(target=self._serve, name=self.url, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Unplug the board."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._peer is not None:
            with contextlib.suppress(OSError):
                self._peer.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self.board.unplug()

    def write(self, data: bytes) -> None:
        """Send telnet bytes: PortManager's way out."""
        peer = self._peer
        if peer is not None:
            with self._lock, contextlib.suppress(OSError):
                peer.sendall(data)

    def _send(self, data: bytes) -> None:
        manager = self._manager
        if manager is not None:
            self.write(b"".join(manager.escape(data)))

    def _serve(self) -> None:
        while True:
            try:
                self._peer, _ = self._listener.accept()
            except OSError:
                return
            self._peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._manager = _manager_of(_Line(self.board), self)
            with self._peer, contextlib.suppress(OSError):
                while data := self._peer.recv(65536):
                    plain = b"".join(self._manager.filter(data))
                    if plain:
                        self.board.receive(plain)
            self._manager = self._peer = None
