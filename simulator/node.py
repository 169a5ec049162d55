"""One simulated node: its lives (power on, run, deep sleep, reset, crash) and its end of the link."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.buses import FAR_US, Board, BusAnswer
from simulator.link import REPLY, FrameReader, Op
from simulator.net import NodeNetwork, Router, Wifi
from simulator.nodeproc import HEAP_BYTES
from simulator.wear import Wear

if TYPE_CHECKING:
    from simulator.world import World

EPOCH_2000_US = 946_684_800_000_000
POWER_ON_BOOT_US = 450_000  # ROM, second stage, MicroPython start on an ESP32: estimate
WAKE_BOOT_US = 280_000
HORIZON_US = 250_000  # how far a node may run ahead with its own sensors before it waits for the world
_NEXT_READ_US = 5  # NSS high and a pin read take longer: what BUSY does within is never seen
_RUN_STRAIGHT_US = 20_000  # real microseconds that one node may keep the loop while it is the only busy one

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET = 1, 2, 3, 4
TIMER_WAKE = 4


@dataclass
class NodeSettings:
    """What makes a node.

    script: a MicroPython file to run instead of the firmware's boot.py and main.py (for experiments).
    console: a terminal (the other end of a pty) on which the node has its serial console, instead of the log.
    prompt: MicroPython's own prompt at the console instead of a program, as after Ctrl-C.
    path: what comes on MICROPYPATH after the shims; default the firmware, compiled.
    mac: of the chip; default one that follows from name and seed.
    """

    name: str
    board: Board
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    seed: int = 0
    script: Path | None = None
    console: Path | None = None
    prompt: bool = False
    path: tuple[Path, ...] | None = None
    heap_bytes: int = HEAP_BYTES
    wifi: Wifi = field(default_factory=Wifi)
    router: Router = field(default_factory=Router)
    partitions: tuple[tuple[str, int], ...] = (("vfs2", 0x40000), ("log", 0x20000))
    mac: bytes | None = None
    rtc_ppm: float = 0.0  # how much the clock runs fast in deep sleep
    ticks_ppm: int = 0  # how much the crystal runs fast while the chip is awake
    ticks_from_us: int = 0  # how much further than zero the ticks are at each start


class SimNode:
    """A node in the world. Its folder holds `flash/` (config.json and files), NVS, and `log.txt`."""

    def __init__(self, world: World, index: int, settings: NodeSettings) -> None:
        self.world = world
        self.index = index
        self.settings = settings
        self.name = settings.name
        self.board = settings.board
        self.folder = world.folder / settings.name
        self.flash = self.folder / "flash"
        self.log = self.folder / "log.txt"
        self.state = "off"  # off, booting, running, waiting, asleep, ended, crashed
        self.boots = 0
        self.transactions = 0
        self.wear = Wear()
        self._life: _Life | None = None
        self._boot_at: Callable[[], None] | None = None
        self._rtc_us = 0
        self._rtc_memory = b""
        self.flash.mkdir(parents=True, exist_ok=True)
        if settings.config:
            (self.flash / "config.json").write_text(json.dumps(settings.config))

    # -- lives -----------------------------------------------------------------------------------
    def power_on(self, at_us: int | None = None) -> None:
        """Connect power at a time (now by default). RTC and its memory start empty."""
        at_us = self.world.loop.now_us() if at_us is None else at_us
        self._rtc_us = EPOCH_2000_US - at_us
        self._rtc_memory = b""
        self.board.power_off()
        self._boot(at_us, POWER_ON_BOOT_US, PWRON_RESET, 0)

    def power_off(self) -> None:
        """Cut the power now, wherever the program is."""
        self._end_life()
        self.state = "off"

    def drop_connections(self) -> None:
        """Cut what the node has open, as a server does that goes away."""
        if self._life is not None:
            self._life.network.drop()

    def reset_button(self) -> None:
        """Press reset: RTC and its memory survive."""
        self._end_life()
        self._boot(self.world.loop.now_us(), POWER_ON_BOOT_US, HARD_RESET, 0)

    def _end_life(self) -> None:
        self._boot_at = None
        if self._life is not None:
            self._life.end()
            self._life = None

    def _boot(self, at_us: int, boot_us: int, cause: int, wake: int) -> None:
        self._end_life()
        self.state = "booting" if cause != DEEPSLEEP_RESET else "asleep"

        def start() -> None:
            if self._boot_at is start:
                self._boot_at = None
                self._start_life(boot_us, cause, wake)

        self._boot_at = start
        self.world.at(at_us + boot_us, self.index, start)

    def _start_life(self, boot_us: int, cause: int, wake: int) -> None:
        self.boots += 1
        self.state = "running"
        seed = hashlib.sha256(f"{self.settings.seed}/{self.name}/{self.boots}".encode()).hexdigest()
        unique = self.settings.mac
        if unique is None:
            unique = hashlib.sha256(f"mac/{self.settings.seed}/{self.name}".encode()).digest()[:6]
        hello = {
            "board": self.board.name,
            "boot_us": boot_us + self.settings.ticks_from_us,
            "ppm": self.settings.ticks_ppm,
            "rtc_us": self._rtc_us,
            "rtc_memory": self._rtc_memory.hex(),
            "reset_cause": cause,
            "wake_reason": wake,
            "unique_id": unique.hex(),
            "random": seed,
            "watched": [pin for _, _, pin in self.board.watched],
            "driven": list(self.board.driven),
            "nss": {str(nss): bus for bus, nss in self.board.spi},
            "nvs_root": str(self.folder),
            "partitions": [list(p) for p in self.settings.partitions],
            "script": str(self.settings.script) if self.settings.script else "",
            "boot": self.settings.script is None,
        }
        self._life = _Life(self, json.dumps(hello).encode())

    # -- what a life reports -----------------------------------------------------------------------
    def set_rtc(self, offset_us: int) -> None:
        """Keep the RTC's offset to the world's clock."""
        self._rtc_us = offset_us

    def set_rtc_memory(self, data: bytes) -> None:
        """Keep the RTC memory."""
        self._rtc_memory = data

    def fell_asleep(self, t_us: int, ms: int) -> None:
        """Enter deep sleep at t_us."""
        self._end_life()
        self.state = "asleep"
        self.world.event(self, "deepsleep", f"{ms} ms", t_us)
        if ms == 0xFFFFFFFF:
            return
        # The sleep timer runs on the RTC's oscillator: a fast clock wakes early and then shows too much.
        asleep_us = round(ms * 1000 / (1 + self.settings.rtc_ppm / 1e6))
        self._rtc_us += ms * 1000 - asleep_us
        self._boot(t_us + asleep_us, WAKE_BOOT_US, DEEPSLEEP_RESET, TIMER_WAKE)

    def asked_reset(self, t_us: int, cause: int) -> None:
        """Restart: machine.reset() or the watchdog."""
        self._end_life()
        self.world.event(self, "reset", "watchdog" if cause == WDT_RESET else "by program", t_us)
        self._boot(t_us, POWER_ON_BOOT_US, cause, 0)

    def ended(self, text: str, failed: bool) -> None:
        """The program ended: by itself, or with an exception."""
        self._end_life()
        self.state = "crashed" if failed else "ended"
        if failed:
            self.world.crashed(self, text)
        else:
            self.world.event(self, "ended", text)

    def log_tail(self, lines: int = 30) -> str:
        """Return the end of what the node printed."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class _Life:
    """One process of a node, from boot to sleep, reset or end."""

    def __init__(self, node: SimNode, hello: bytes) -> None:
        self._node = node
        self._world = node.world
        self._loop = node.world.loop
        self._board = node.board
        self._hello = hello
        self._frames = FrameReader()
        self._pins = 0
        self._pins_until = FAR_US if not node.board.watched else 0
        self._busy = False
        self._ended = False
        self._serving = False
        self.network = NodeNetwork(self._loop, node.settings.wifi, node.settings.router)
        self._ours, theirs = socket.socketpair()
        # A read waits this long for a node that is the only busy one, before the loop turns again.
        self._ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 2000))
        self._set_busy(True)
        settings = node.settings
        path = settings.path if settings.path is not None else (self._world.firmware,)
        heap = settings.heap_bytes // 1024
        self._process = self._world.spawner.spawn(
            theirs.fileno(),
            ["micropython", "-X", f"heapsize={heap}k", *([] if settings.prompt else ["-m", "_start"])],
            node.flash,
            {"MICROPYPATH": ":".join([str(self._world.shims), *map(str, path), ".frozen"])},
            node.log,
            self._on_exit,
            settings.console,
        )
        theirs.close()
        self._loop.add_reader(self._ours.fileno(), self._on_readable)

    def _set_busy(self, busy: bool) -> None:
        if busy != self._busy:
            self._busy = busy
            if busy:
                self._loop.hold()
            else:
                self._loop.release()

    def end(self) -> None:
        """Kill the process and forget it."""
        if self._ended:
            return
        self._ended = True
        self._loop.remove_reader(self._ours.fileno())
        self._world.spawner.kill(self._process)
        self.network.close()
        self._set_busy(False)

    def _on_exit(self, code: int) -> None:
        if not self._ended:
            self._serve(wait=False)  # its last words may still be on their way: a reset, a sleep
        if not self._ended:  # nobody sent it away: it died by itself
            self._node.ended(f"process ended with {code}\n{self._node.log_tail()}", True)
        # Not before the process is gone: an end of file would wake it once more.
        self._ours.close()

    # -- serving -----------------------------------------------------------------------------------
    def _on_readable(self) -> None:
        self._serve(wait=False)

    def _serve(self, *, wait: bool) -> None:
        """Answer requests; go on without the loop while this node is the only busy one."""
        if self._serving:
            return
        self._serving = True
        until = self._loop.real_us() + _RUN_STRAIGHT_US
        try:
            while not self._ended and self._busy:
                if wait and (self._loop.held > 1 or self._loop.real_us() > until):
                    return
                try:
                    data = self._ours.recv(65536, 0 if wait else socket.MSG_DONTWAIT)
                except (BlockingIOError, InterruptedError):
                    return
                if not data:
                    self._loop.remove_reader(self._ours.fileno())
                    return  # the exit report says why
                for request in self._frames.feed(data):
                    self._node.transactions += 1
                    self._guarded(partial(self._handle, *request))
                    if self._ended:
                        return
                wait = True
        finally:
            self._serving = False

    def _guarded(self, action: Callable[[], None]) -> None:
        """A fault in a chip model or its source ends the run: the node would wait for ever."""
        try:
            action()
        except Exception as error:  # whatever it is, nobody else would see it
            self._world.broken(self._node, error)
            self.end()

    def _reply(self, answer: BusAnswer, t_us: int, value: int = 0) -> None:
        if self._ended:
            return
        if answer.t_us is not None:
            t_us = answer.t_us
        n = len(answer.data) if answer.data else answer.n
        head = REPLY.pack(answer.status, self._pins, value, n, t_us, self._pins_until, t_us + HORIZON_US)
        self._set_busy(True)
        try:
            data = head + answer.data
            sent = self._ours.send(data)
            if sent < len(data):
                self._ours.sendall(data[sent:])
        except (BrokenPipeError, ConnectionResetError):
            return  # it died meanwhile; the exit report follows

    def later(self, t_us: int, action: Callable[[], None]) -> None:
        """Do something that others can notice, when the world has reached t_us."""

        def run() -> None:
            if not self._ended:
                self._guarded(action)
                self._serve(wait=True)

        self._set_busy(False)
        self._world.at(t_us, self._node.index, run)

    def _look(self, t_us: int) -> None:
        self._pins, self._pins_until = self._board.levels(t_us)

    def _handle(self, op: int, unit: int, addr: int, n: int, t: int, payload: bytes) -> None:
        board = self._board
        if op == Op.SLEEP:
            self._set_busy(False)
            if self._world.leap(t):
                self._reply(BusAnswer(), t)
            else:
                self.later(t, lambda: self._reply(BusAnswer(), t))
        elif op == Op.I2C_WRITE:
            self._reply(board.i2c_write(unit, addr, payload, t), t)
        elif op == Op.I2C_READ:
            self._reply(board.i2c_read(unit, addr, n, t), t)
        elif op == Op.SPI:
            if board.shared(unit, addr, payload):
                self.later(t, lambda: self._spi(unit, addr, payload, t))
            else:
                self._spi(unit, addr, payload, t)
        elif op == Op.PINS:
            if board.pins_shared():
                self.later(t, lambda: self._pins_now(t))
            else:
                self._pins_now(t)
        elif op == Op.PIN_OUT:
            self.later(t, lambda: self._drive(addr, unit, t))
        elif op == Op.UART_READ:
            self._reply(board.uart_read(unit, addr, n, t), t)
        elif op == Op.UART_WRITE:
            board.uart_write(unit, payload, t)
        elif op == Op.UART_INIT:
            self._reply(board.uart_init(unit, n, addr, t), t)
        elif op == Op.ADC:
            self._reply(board.adc_uv(addr, t), t)
        elif op == Op.COUNT:
            self._reply(board.pulses(addr, t), t)
        elif op == Op.ONE_WIRE:
            self._reply(board.one_wire(addr, unit, n, t), t)
        elif op == Op.I2S_READ:  # a program that only listens would run ahead for ever
            behind_us = t - HORIZON_US
            if behind_us > self._loop.now_us():
                self.later(behind_us, lambda: self._reply(board.i2s_read(unit, n, t), t))
            else:
                self._reply(board.i2s_read(unit, n, t), t)
        elif op == Op.PEEK:
            self._reply(BusAnswer(n=board.peek(n, t)), t)
        elif op == Op.POKE:
            board.poke(int.from_bytes(payload[:4], "little"), int.from_bytes(payload[4:], "little"), t)
            self._reply(BusAnswer(), t)
        elif op == Op.ULP:
            self._reply(board.coprocessor(unit, payload, t), t)
        elif op == Op.I2S_INIT:
            self._reply(board.i2s_init(unit, addr * 100, n, t), t)
        else:
            self._handle_life(op, unit, addr, n, t, payload)

    def _handle_life(self, op: int, unit: int, addr: int, n: int, t: int, payload: bytes) -> None:
        node = self._node
        if op == Op.HELLO:
            self._reply(BusAnswer(data=self._hello), self._loop.now_us())
        elif op == Op.ERASED:
            node.wear.erased(node.settings.partitions[unit][0], addr)
        elif op == Op.COMMITTED:
            node.wear.committed(n)
        elif op == Op.RTC_SET:
            node.set_rtc(struct.unpack("<q", payload)[0])
        elif op == Op.RTC_MEMORY:
            node.set_rtc_memory(payload)
        elif op == Op.DEEPSLEEP:
            node.fell_asleep(t, n)
        elif op == Op.RESET:
            node.asked_reset(t, addr)
        elif op == Op.ENDED:
            node.ended(payload.decode(errors="replace"), bool(unit))
        else:
            self._handle_network(op, unit, addr, n, t, payload)

    def _handle_network(self, op: int, unit: int, addr: int, n: int, t: int, payload: bytes) -> None:
        def answer(status: int, data: bytes = b"", n: int = 0, value: int = 0) -> None:
            if not self._ended:
                self._reply(BusAnswer(status, data, n), max(t, self._loop.now_us()), value)
                self._serve(wait=True)

        self.later(t, lambda: self.network.handle(op, unit, addr, n, payload, answer))

    def _spi(self, bus: int, nss: int, mosi: bytes, t: int) -> None:
        answer = self._board.spi_transfer(bus, nss, mosi, t)
        self._look(t + _NEXT_READ_US)
        self._reply(answer, t)

    def _pins_now(self, t: int) -> None:
        self._look(t)
        self._reply(BusAnswer(), t)

    def _drive(self, pin: int, level: int, t: int) -> None:
        self._board.drive(pin, level, t)
        self._look(t)
        self._reply(BusAnswer(), t)
