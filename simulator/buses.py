"""A simulated board: chip models on its buses and pins, and what a transaction with them gives.

All of this is private to one node, so a transaction is answered at the node's own time, at once, even
when that lies a little ahead of the world. Only a radio shares something with other nodes, the air: while
it sends or listens (`on_air`), it is asked when the world has reached the transaction's time.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from simulator.chips.base import AdcChip, I2cChip, Microphone, Nak, OneWireChip, PulseChip, SpiChip, UartChip
from simulator.chips.ulp import Ulp

FAR_US = 1 << 62


@runtime_checkable
class AirChip(Protocol):
    """What a radio says beside its bus: when other nodes have a part in what it does."""

    @property
    def deaf_us(self) -> int:
        """How long a frame that nobody has begun yet cannot change the pins."""
        ...

    def on_air(self, mosi: bytes = b"") -> bool:
        """Tell whether the channel has a part in this transaction, or (without one) in the pins."""
        ...


class OutputPin(Protocol):
    """What a pin leads to that the node drives."""

    def set_pin(self, name: str, value: int, now_us: int) -> None:
        """Take the level of a wire."""
        ...


@dataclass
class SpiMount:
    """A chip on SPI: its NSS pin, the pins that the node reads, and the pins that the node drives."""

    chip: SpiChip
    nss: int
    inputs: Mapping[str, int]  # wire name -> pin number, e.g. {"busy": 4, "dio1": 5}
    outputs: Mapping[str, int] = field(default_factory=dict[str, int])  # e.g. {"reset": 8}


@dataclass
class _Uart:
    chip: UartChip
    baudrate: int = 0
    rxbuf: int = 256
    waiting: bytearray = field(default_factory=bytearray)


DMA_FRAMES = 256  # of one DMA buffer, ports/esp32/machine_i2s.c


@dataclass
class _Stream:
    rate: int
    bits: int
    stereo: bool
    capacity: int  # frames that the DMA buffers hold
    start_us: int
    position: int = 0  # frames taken or lost since the start

    def __post_init__(self) -> None:
        self.nominal = self.rate

    def turn(self, rate: int, t_us: int) -> None:
        """Go on at another rate from now on."""
        if rate != self.rate:
            produced = (t_us - self.start_us) * self.rate // 1_000_000
            self.rate = rate
            self.start_us = t_us - produced * 1_000_000 // rate

    @staticmethod
    def whole(frames: int) -> int:
        """Return how many of so many frames lie in full DMA buffers."""
        return frames // DMA_FRAMES * DMA_FRAMES


@dataclass
class BusAnswer:
    """Answer to one transaction: an errno (0 is success), data, a number, and the node's time after it."""

    status: int = 0
    data: bytes = b""
    n: int = 0
    t_us: int | None = None


class Board:
    """Chips by bus and address, or by pin.

    i2c: {bus: [chip]}; spi: {bus: [SpiMount]}; uart: {bus: chip}; adc: {pin: chip};
    counters: {pin: chip}; i2s: {bus: microphone}; one_wire: {pin: chip}; switches: {pin: chip that
    the pin drives}; ulp: the coprocessor, where a pin of its leads to something.
    """

    def __init__(
        self,
        name: str = "sim",
        *,
        i2c: Mapping[int, list[I2cChip]] | None = None,
        spi: Mapping[int, list[SpiMount]] | None = None,
        uart: Mapping[int, UartChip] | None = None,
        adc: Mapping[int, AdcChip] | None = None,
        counters: Mapping[int, PulseChip] | None = None,
        i2s: Mapping[int, Microphone] | None = None,
        one_wire: Mapping[int, OneWireChip] | None = None,
        switches: Mapping[int, OutputPin] | None = None,
        ulp: Ulp | None = None,
    ) -> None:
        self.name = name
        self.ulp = ulp
        self._mapped: dict[int, int] = {}
        self.chips: dict[str, object] = {}  # models by driver name, for faults and tests
        self._i2c = {(bus, chip.address): chip for bus, chips in (i2c or {}).items() for chip in chips}
        self.spi = {(bus, mount.nss): mount for bus, mounts in (spi or {}).items() for mount in mounts}
        self._uart = {bus: _Uart(chip) for bus, chip in (uart or {}).items()}
        self._adc = dict(adc or {})
        self._counters = dict(counters or {})
        self._microphones = dict(i2s or {})
        self._one_wire = dict(one_wire or {})
        self._streams: dict[int, _Stream] = {}
        self.i2s_heard_frames = 0  # what the program read, and what its DMA buffers had to drop
        self.i2s_lost_frames = 0
        self.i2s_ppm = 0  # how much the clock of the bus is off
        self._i2s_to_lose = 0
        self._radios: dict[int, AirChip] = {
            id(mount.chip): mount.chip for mount in self.spi.values() if isinstance(mount.chip, AirChip)
        }
        self.watched = [
            (mount.chip, wire, pin) for mount in self.spi.values() for wire, pin in mount.inputs.items()
        ]
        self.driven: dict[int, tuple[OutputPin, str]] = {
            pin: (mount.chip, wire) for mount in self.spi.values() for wire, pin in mount.outputs.items()
        }
        self.driven |= {pin: (chip, "switch") for pin, chip in (switches or {}).items()}

    def power_off(self) -> None:
        """Forget what the chip itself keeps as long as it has power: RTC memory and registers."""
        self._mapped.clear()
        if self.ulp is not None:
            self.ulp.power_off()

    def peek(self, address: int, t_us: int) -> int:
        """Return a word of the chip's memory map: RTC memory, or a register as it was written."""
        return self._mapped.get(address, 0) if self.ulp is None else self.ulp.peek(address, t_us)

    def poke(self, address: int, value: int, t_us: int) -> None:
        """Write a word of the chip's memory map."""
        if self.ulp is None:
            self._mapped[address] = value
        else:
            self.ulp.poke(address, value, t_us)

    def coprocessor(self, what: int, payload: bytes, t_us: int) -> BusAnswer:
        """Set its period (what 0), load a program (1), run it (2); payload: a number, then the binary."""
        if self.ulp is None:
            return BusAnswer(errno.ENODEV)
        number = int.from_bytes(payload[:4], "little")
        if what == 0:
            self.ulp.set_period(number)
        elif what == 1:
            self.ulp.load(number, payload[4:])
        else:
            self.ulp.run(number, t_us)
        return BusAnswer()

    def unplug_i2c(self, bus: int, address: int) -> None:
        """Take a chip off its bus: from now on nobody acknowledges there."""
        self._i2c.pop((bus, address), None)

    def plug_i2c(self, bus: int, chip: I2cChip) -> None:
        """Put a chip on a bus."""
        self._i2c[bus, chip.address] = chip

    # -- one transaction each ------------------------------------------------------------------
    def i2c_write(self, bus: int, address: int, data: bytes, t_us: int) -> BusAnswer:
        """Run a write transaction; ENODEV when nobody acknowledges, as ports/esp32 reports it."""
        chip = self._i2c.get((bus, address))
        if chip is None:
            return BusAnswer(errno.ENODEV)
        if not data:  # an address alone: what scan() does
            return BusAnswer()
        try:
            chip.write(data, t_us)
        except Nak:
            return BusAnswer(errno.ENODEV)
        return BusAnswer()

    def i2c_read(self, bus: int, address: int, n: int, t_us: int) -> BusAnswer:
        """Run a read transaction of n bytes."""
        chip = self._i2c.get((bus, address))
        if chip is None:
            return BusAnswer(errno.ENODEV)
        try:
            data = chip.read(n, t_us)
        except Nak:
            return BusAnswer(errno.ENODEV)
        if len(data) != n:
            raise ValueError(f"{type(chip).__name__}.read({n}) gave {len(data)} bytes")
        return BusAnswer(data=data)

    def spi_transfer(self, bus: int, nss: int, mosi: bytes, t_us: int) -> BusAnswer:
        """Run one NSS-low transaction."""
        mount = self.spi.get((bus, nss))
        if mount is None:
            return BusAnswer(data=b"\xff" * len(mosi))
        miso = mount.chip.transfer(mosi, t_us)
        if len(miso) != len(mosi):
            raise ValueError(f"{type(mount.chip).__name__}.transfer gave {len(miso)} bytes for {len(mosi)}")
        return BusAnswer(data=miso)

    def shared(self, bus: int, nss: int, mosi: bytes) -> bool:
        """Tell whether a transaction is one that other nodes have a part in."""
        mount = self.spi.get((bus, nss))
        radio = None if mount is None else self._radios.get(id(mount.chip))
        return radio is not None and radio.on_air(mosi)

    def pins_shared(self) -> bool:
        """Tell whether other nodes may have a part in the watched pins' levels."""
        return any(radio.on_air() for radio in self._radios.values())

    def drive(self, pin: int, level: int, t_us: int) -> None:
        """Set a pin that leads to a chip."""
        if pin in self.driven:
            chip, wire = self.driven[pin]
            chip.set_pin(wire, level, t_us)

    def levels(self, t_us: int) -> tuple[int, int]:
        """Return the watched pins as bits, and until when they hold."""
        bits, until = 0, FAR_US
        for i, (chip, wire, _) in enumerate(self.watched):
            bits |= chip.pin(wire, t_us) << i
            change = chip.next_change_us(wire, t_us)
            if change is not None:
                until = min(until, max(change, t_us + 1))
        for radio in self._radios.values():
            until = min(until, t_us + radio.deaf_us)
        return bits, until

    def uart_init(self, bus: int, baudrate: int, rxbuf: int, t_us: int) -> BusAnswer:
        """Open a serial port; what the chip said before is lost."""
        port = self._uart.get(bus)
        if port is not None:
            port.baudrate, port.rxbuf = baudrate, rxbuf
            port.chip.read_available(t_us)
            port.waiting.clear()
        return BusAnswer()

    def uart_write(self, bus: int, data: bytes, t_us: int) -> None:
        """Send bytes to the chip; nothing arrives at a wrong baud rate."""
        port = self._uart.get(bus)
        if port is not None and port.baudrate == port.chip.baudrate:
            port.chip.host_wrote(data, t_us)

    def uart_read(self, bus: int, want: int, wait_us: int, t_us: int) -> BusAnswer:
        """Return all bytes received, waiting up to wait_us until there are `want`."""
        port = self._uart.get(bus)
        end = t_us + wait_us
        if port is None:
            return BusAnswer(t_us=end)
        self._uart_fill(port, t_us)
        while len(port.waiting) < want and t_us < end:
            t_us = min(end, t_us + 1000)  # one character at 9600 baud
            self._uart_fill(port, t_us)
        data = bytes(port.waiting)
        port.waiting.clear()
        return BusAnswer(data=data, t_us=t_us)

    @staticmethod
    def _uart_fill(port: _Uart, t_us: int) -> None:
        data = port.chip.read_available(t_us)
        if port.baudrate != port.chip.baudrate:
            data = bytes(b ^ 0xA5 for b in data)  # framing noise: no byte of it is what was sent
        port.waiting += data[: max(0, port.rxbuf - len(port.waiting))]  # a full buffer drops what comes

    def adc_uv(self, pin: int, t_us: int) -> BusAnswer:
        """Return microvolts at a pin; an open pin reads near nothing."""
        chip = self._adc.get(pin)
        return BusAnswer(n=max(0, chip.read_uv(t_us)) if chip else 142_000)

    def pulses(self, pin: int, t_us: int) -> BusAnswer:
        """Return pulses so far at a pin."""
        chip = self._counters.get(pin)
        return BusAnswer(n=chip.count(t_us) if chip else 0)

    def one_wire(self, pin: int, what: int, byte: int, t_us: int) -> BusAnswer:
        """Run a reset (what 0), a byte to (1) or from (2) the chip at a pin; an open line reads as ones."""
        chip = self._one_wire.get(pin)
        if what == 0:
            return BusAnswer(n=int(chip is not None and chip.reset(t_us)))
        if what == 1:
            if chip is not None:
                chip.write_byte(byte, t_us)
            return BusAnswer()
        return BusAnswer(n=0xFF if chip is None else chip.read_byte(t_us))

    def i2s_init(self, bus: int, rate: int, packed: int, t_us: int) -> BusAnswer:
        """Start the microphone clock. packed: DMA bytes * 4 + (2 for 32 bits) + (1 for stereo)."""
        self._streams[bus] = _Stream(
            rate, 32 if packed & 2 else 16, bool(packed & 1), _Stream.whole((packed >> 2) // 8), t_us
        )
        return BusAnswer()

    def lose_i2s(self, buffers: int) -> None:
        """Have so many DMA buffers vanish before the next read."""
        self._i2s_to_lose += buffers * DMA_FRAMES

    def i2s_read(self, bus: int, n: int, t_us: int) -> BusAnswer:
        """Return n frames in the format asked for, at the time the DMA buffer with the last of them is full.

        When the node comes too late, the DMA buffer has overrun and the frames in between are lost
        without a word, as on the chip.
        """
        stream = self._streams.get(bus)
        if stream is None:
            return BusAnswer(errno.EIO)
        stream.turn(round(stream.nominal * (1 + self.i2s_ppm / 1e6)), t_us)
        produced = stream.whole((t_us - stream.start_us) * stream.rate // 1_000_000)
        lost = max(0, produced - stream.capacity - stream.position, self._i2s_to_lose)
        self._i2s_to_lose = 0
        stream.position += lost
        self.i2s_lost_frames += lost
        begin_us = stream.start_us + stream.position * 1_000_000 // stream.rate
        stream.position += n
        self.i2s_heard_frames += n
        there = stream.whole(stream.position + DMA_FRAMES - 1)
        t_us = max(t_us, stream.start_us + -(-there * 1_000_000 // stream.rate))
        microphone = self._microphones.get(bus)
        raw = microphone.frames(n, begin_us) if microphone else bytes(8 * n)
        if stream.bits == 32 and stream.stereo:
            return BusAnswer(data=raw, t_us=t_us)
        words = np.frombuffer(raw, dtype="<i4").reshape(-1, 2)
        if not stream.stereo:
            words = words[:, :1]  # MONO keeps the left slot
        if stream.bits == 16:
            words = (words >> 16).astype("<i2")
        return BusAnswer(data=words.tobytes(), t_us=t_us)
