"""The real LoRaWAN firmware behind a line protocol.

    python -m simulator.lorawan_dut STATE DUTY DR DEVEUI JOINEUI APPKEY

For conformance suites: the firmware's stack runs in the MicroPython unix port on a simulated board with a
register-level radio model, and whoever holds stdin and stdout is the air. Times are virtual milliseconds.

Commands:  JOIN | SEND <port> <0|1 confirmed> <hex or -> | RUN <ms> | DR <n> | RESET | QUIT
Answers:   READY t=                          at start and after RESET's power cut
           TX t= freq= sf= bw= pwr= iq= crc= pre= modem= hex=
                       bw 0, 1, 2: 125, 250, 500 kHz; modem 1: LoRa
           RX t= freq= sf= iq=               then waits for a line: `F <hex> <rssi> <snr>` or `-`
           JOINED devaddr= | DOWN port= hex= | ERR <text>
           OK t=                             ends each command

A frame given to a window starts when the window opens. Virtual time stands still while a line is awaited.
STATE is the file that holds what the chip's flash (NVS) holds; it is written before anything is said that
depends on it, so this process may be killed at any instant.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from simulator import boards
from simulator.buses import Board
from simulator.channel.frame import Frame, Listener, Tuning
from simulator.loop import VirtualLoop, run
from simulator.node import NodeSettings, SimNode
from simulator.nodeproc import BOARD, SimulatorError
from simulator.world import World

START_US = 1_790_000_000_000_000
_CONSOLE_UART = 7
_BANDWIDTHS = {125: 0, 250: 1, 500: 2}
_LORA_MODEM = 1
_LONGEST_FRAME = 255
_NVS_FILE = "nvs-meetnet.json"
_COMMAND_WORDS = {"JOIN": 1, "SEND": 4, "RUN": 2, "DR": 2, "RESET": 1, "QUIT": 1}
_FOR_EVER_US = 1 << 61


class Lines:
    """The line protocol: what is said is flushed at once and preceded by `before_saying`."""

    def __init__(self, source: TextIO, sink: TextIO) -> None:
        self._source, self._sink = source, sink
        self.before_saying: Callable[[], None] = lambda: None
        self.on_end: Callable[[], None] = lambda: None
        self.ended = False

    def say(self, text: str) -> None:
        """Put a line out."""
        self.before_saying()
        try:
            self._sink.write(text + "\n")
            self._sink.flush()
        except BrokenPipeError:
            self.end()

    def read(self) -> str:
        """Return the next line that is not empty; "" at the end of input."""
        while not self.ended:
            line = self._source.readline()
            if not line:
                self.end()
            elif line.strip():
                return line.strip()
        return ""

    def end(self) -> None:
        """Nothing more will be read."""
        self.ended = True
        self.on_end()


class DutChannel:
    """The air as the suite gives it: told of each frame, asked once for each receive window."""

    def __init__(self, lines: Lines, ms: Callable[[int], int]) -> None:
        self._lines, self._ms = lines, ms
        self._window_us: int | None = None
        self._frame: Frame | None = None
        self._link = (-80.0, 8.0)

    def transmit(self, frame: Frame) -> None:
        """Say what the device sends."""
        inverted = -1 if frame.inverted is None else int(frame.inverted)
        self._lines.say(
            f"TX t={self._ms(frame.start_us)} freq={_hundreds(frame.freq_hz)} sf={frame.sf}"
            f" bw={_BANDWIDTHS[frame.bw_khz]} pwr={round(frame.power_dbm)} iq={inverted} crc={int(frame.crc)}"
            f" pre={frame.preamble} modem={_LORA_MODEM} hex={frame.payload.hex()}"
        )

    def audible(self, tuning: Tuning, since_us: int, until_us: int, receiver: object) -> list[Frame]:
        """Return the frame of this window; the first question about a window goes to the suite."""
        if tuning.inverted is None:
            return []  # a receiver that can hear nobody is no receive window
        if since_us != self._window_us:
            self._window_us = since_us
            self._frame = self._ask(tuning, since_us)
        return [] if self._frame is None else [self._frame]

    def _ask(self, tuning: Tuning, since_us: int) -> Frame | None:
        freq_hz = _hundreds(tuning.freq_hz)
        iq = int(bool(tuning.inverted))
        self._lines.say(f"RX t={self._ms(since_us)} freq={freq_hz} sf={tuning.sf} iq={iq}")
        line = self._lines.read()
        if line in ("", "-"):
            return None
        try:
            payload, rssi, snr = _downlink(line)
        except ValueError as error:
            self._lines.say(f"ERR {error}")
            return None
        self._link = (rssi, snr)
        return Frame(
            start_us=since_us,
            freq_hz=tuning.freq_hz,
            sf=tuning.sf,
            bw_khz=tuning.bw_khz,
            payload=payload,
            inverted=tuning.inverted,
            sync_word=tuning.sync_word,
            ldro=tuning.ldro,
            crc=False,
            sender=self,
        )

    def received(self, frame: Frame, receiver: object) -> bool:
        """What the suite gave arrives."""
        return True

    def link(self, frame: Frame, receiver: object) -> tuple[float, float]:
        """Return what the suite said about the frame."""
        return self._link

    def subscribe(self, listener: Listener) -> None:
        """Nobody else listens here."""


def _hundreds(freq_hz: int) -> int:
    """Return the frequency that was meant: the radio's synthesiser has steps of a hertz or 61."""
    return round(freq_hz / 100) * 100


def _downlink(line: str) -> tuple[bytes, float, float]:
    """Return (payload, RSSI, SNR) of `F <hex> <rssi> <snr>`; ValueError says what is wrong."""
    words = line.split()
    if len(words) != 4 or words[0] != "F":
        raise ValueError("a receive window is answered with F <hex> <rssi> <snr>, or -")
    payload = bytes.fromhex(words[1])
    if not 1 <= len(payload) <= _LONGEST_FRAME:
        raise ValueError(f"a frame has 1 to {_LONGEST_FRAME} bytes")
    return payload, float(words[2]), float(words[3])


class Console:
    """The UART between the node's script and the suite (a UartChip)."""

    baudrate = 921600

    def __init__(self, lines: Lines, ms: Callable[[int], int], reset: Callable[[], object]) -> None:
        self._lines, self._ms, self._reset = lines, ms, reset
        self._asked = False
        self._busy = False

    def host_wrote(self, data: bytes, now_us: int) -> None:
        """Take a line of the script: something to say, or `?` for the next command."""
        text = data.decode().strip()
        if text == "?":
            self._asked = True
            return
        stamped = f"{text} t={self._ms(now_us)}" if text in ("READY", "OK") else text
        self._lines.say(stamped)
        if text == "READY" and self._busy:  # the command was, or led to, a reset
            self._lines.say(f"OK t={self._ms(now_us)}")
        if text in ("READY", "OK"):
            self._busy = False

    def read_available(self, now_us: int) -> bytes:
        """Return the next command once the script has asked for it."""
        if not self._asked:
            return b""
        self._asked = False
        while True:
            words = self._lines.read().split()
            if not words:
                return b""
            fault = _fault(words)
            if fault:
                self._lines.say(f"ERR {fault}")
            elif words[0] not in ("RESET", "QUIT"):
                self._busy = True
                return " ".join(words).encode()
            elif words[0] == "RESET":
                self._busy = True
                self._reset()
                return b""
            self._lines.say(f"OK t={self._ms(now_us)}")
            if words[0] == "QUIT":
                self._lines.end()
                return b""


def _fault(words: list[str]) -> str | None:
    """Return what is wrong with a command, or None."""
    name = words[0]
    if name not in _COMMAND_WORDS:
        return f"unknown command {name}: {', '.join(_COMMAND_WORDS)}"
    if len(words) != _COMMAND_WORDS[name]:
        return f"{name} takes {_COMMAND_WORDS[name] - 1} arguments"
    if name == "SEND":
        return _send_fault(*words[1:])
    if name == "RUN" and not _number(words[1], 1 << 40):
        return "RUN takes whole milliseconds"
    if name == "DR" and not _number(words[1], 6):
        return "DR takes 0 to 6"
    return None


def _send_fault(port: str, confirmed: str, payload: str) -> str | None:
    if not _number(port, 255) or int(port) == 0:
        return "SEND: the port is 1 to 255"
    if confirmed not in ("0", "1"):
        return "SEND: confirmed is 0 or 1"
    if payload != "-":
        try:
            bytes.fromhex(payload)
        except ValueError:
            return "SEND: the payload is hexadecimal, or -"
    return None


def _number(text: str, highest: int) -> bool:
    return text.isascii() and text.isdigit() and int(text) <= highest


class State:
    """Keeps the NVS of the node in one file of the caller's."""

    def __init__(self, file: Path, nvs: Path) -> None:
        self._file = file / _NVS_FILE if file.is_dir() else file
        self._nvs = nvs
        self._seen: tuple[int, int, int] | None = None
        if self._file.exists() and self._file.stat().st_size:
            kept = self._file.read_bytes()
            try:
                json.loads(kept)
            except ValueError:
                raise SimulatorError(f"{file} is no state of this program: name a new file") from None
            nvs.parent.mkdir(parents=True, exist_ok=True)
            nvs.write_bytes(kept)

    def keep(self) -> None:
        """Copy what the node has committed since."""
        try:
            status = self._nvs.stat()
        except FileNotFoundError:
            return
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        if stamp == self._seen:
            return
        self._seen = stamp
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_name(self._file.name + ".new")
        fresh.write_bytes(self._nvs.read_bytes())
        fresh.replace(self._file)


async def _live(options: argparse.Namespace, lines: Lines, folder: Path) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    ended = asyncio.Event()
    lines.on_end = ended.set

    def ms(now_us: int) -> int:
        return (now_us - START_US + 500) // 1000

    def cut_power() -> None:
        node.power_off()
        node.power_on()

    async with World(folder) as world:
        description = boards.describe(options.board)
        radio = boards.radio_mount(description, DutChannel(lines, ms), options.board)
        console = Console(lines, ms, lambda: loop.call_soon(cut_power))
        board = Board(
            options.board, spi={description["radio"]["spi"]: [radio]}, uart={_CONSOLE_UART: console}
        )
        config: dict[str, Any] = {
            "board": options.board,
            "duty_cycle": bool(options.duty),
            "dr": options.dr,
            "certification": options.certification,
            "dev_eui": options.dev_eui.hex(),
            "join_eui": options.join_eui.hex(),
            "app_key": options.app_key.hex(),
        }
        settings = NodeSettings("dut", board, config, options.seed, BOARD / "_lorawan_dut.py")
        node: SimNode = world.add_node(settings)
        state = State(options.state, node.folder / _NVS_FILE)
        lines.before_saying = state.keep
        node.power_on()
        living = asyncio.create_task(world.run_until(_FOR_EVER_US))
        waiting = asyncio.create_task(ended.wait())
        await asyncio.wait([living, waiting], return_when=asyncio.FIRST_COMPLETED)
        if living.done():
            waiting.cancel()
            living.result()
        living.cancel()
        state.keep()


def _hex(length: int) -> Callable[[str], bytes]:
    def parse(text: str) -> bytes:
        data = bytes.fromhex(text)
        if len(data) != length:
            raise ValueError
        return data

    parse.__name__ = f"{2 * length} hex digits"
    return parse


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulator.lorawan_dut",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("state", type=Path, help="file that keeps the device's flash")
    parser.add_argument("duty", type=int, choices=(0, 1), help="1: keep to the duty cycle")
    parser.add_argument("dr", type=int, choices=range(7), help="data rate to start with")
    parser.add_argument("dev_eui", type=_hex(8))
    parser.add_argument("join_eui", type=_hex(8))
    parser.add_argument("app_key", type=_hex(16))
    parser.add_argument("--board", default="sim_bin", help="which radio: a board of hardware/boards")
    parser.add_argument("--certification", action="store_true", help="with the TS009 package on port 224")
    parser.add_argument("--seed", type=int, default=1, help="for everything that is random in the device")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the adapter; return its exit status."""
    options = _parser().parse_args(arguments)
    lines = Lines(sys.stdin, sys.stdout)
    with tempfile.TemporaryDirectory(prefix="lorawan-dut-") as folder:
        try:
            run(_live(options, lines, Path(folder)), start_us=START_US)
        except SimulatorError as error:
            print(f"lorawan_dut: {error}", file=sys.stderr)  # noqa: T201
            return 1
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # no waiting for interpreter shutdown: a suite starts many of these
