"""The SX1262 driver and the MAC on CPython, wired to the chip model, in virtual time without a world.

`Rig` is one node: clock, wires, chip, driver. Each bus access costs some microseconds, as on a chip.
`Network` answers what it hears: give it a function from an uplink `Frame` to downlinks.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from radio.sx126x import Sx126x
from simulator.channel.frame import Frame
from simulator.channel.ideal import IdealChannel
from simulator.chips.sx1262 import Sx1262

_TICKS_MASK = (1 << 30) - 1  # ticks wrap as on the ESP32


class PowerCut(BaseException):
    """The supply is gone; no `except Exception` of the firmware may catch it."""


class VirtualClock:
    """MicroPython's `time` functions over world microseconds; `ppm` is the error of the node's crystal."""

    def __init__(self, start_us: int = 0, ppm: int = 0) -> None:
        self.now_us = start_us
        self.ppm = ppm
        self.cut_at_us: int | None = None

    def advance(self, us: int) -> None:
        self.now_us += us
        if self.cut_at_us is not None and self.now_us >= self.cut_at_us:
            self.cut_at_us = None
            raise PowerCut

    def _node_us(self) -> int:
        return self.now_us + self.now_us * self.ppm // 1_000_000

    def ticks_us(self) -> int:
        return self._node_us() & _TICKS_MASK

    def ticks_ms(self) -> int:
        return self._node_us() // 1000 & _TICKS_MASK

    def ticks_diff(self, a: int, b: int) -> int:
        half = (_TICKS_MASK + 1) // 2
        return (a - b + half & _TICKS_MASK) - half

    def ticks_add(self, a: int, n: int) -> int:
        return a + n & _TICKS_MASK

    def sleep_us(self, n: int) -> None:
        self.advance(max(n - n * self.ppm // 1_000_000, 1))

    def sleep_ms(self, n: int) -> None:
        self.sleep_us(n * 1000)


class Wires:
    """SPI and pins between driver and chip model, with faults to inject by name."""

    def __init__(self, chip: Sx1262, clock: VirtualClock, access_us: int = 20) -> None:
        self.chip = chip
        self.clock = clock
        self.access_us = access_us
        self.faults: set[str] = set()
        self.log: list[bytes] = []
        self._selected = False
        self._transfers = 0

    def pin(self, name: str) -> Any:
        wires = self

        class Pin:
            def value(self, level: int | None = None) -> int | None:
                wires.clock.advance(wires.access_us)
                if level is None:
                    return wires.read(name)
                wires.write(name, level)
                return None

        return Pin()

    def read(self, name: str) -> int:
        for level in (0, 1):
            if f"{name} stuck {level}" in self.faults:
                return level
        return self.chip.pin(name, self.clock.now_us)

    def write(self, name: str, level: int) -> None:
        if name == "nss":
            assert level or not self._selected, "NSS driven low twice"
            if level and self._selected:
                assert self._transfers == 1, "one SPI call for each NSS-low window"
            self._selected, self._transfers = not level, 0
        elif "reset cut" not in self.faults:
            self.chip.set_pin(name, level, self.clock.now_us)

    def write_readinto(self, mosi: bytearray, miso: bytearray) -> None:
        assert self._selected, "SPI without NSS"
        self._transfers += 1
        sent = bytes(mosi)
        self.log.append(sent)
        self.clock.advance(self.access_us + len(sent))
        for level, name in ((0, "miso stuck 0"), (255, "miso stuck 1")):
            if name in self.faults:
                miso[:] = bytes([level]) * len(miso)
                return
        miso[:] = self.chip.transfer(sent, self.clock.now_us)


class Downlink:
    """What the network sends `delay_us` after the end of an uplink."""

    def __init__(
        self, payload: bytes, delay_us: int = 1_000_000, freq_hz: int = 0, sf: int = 0, **more: Any
    ) -> None:
        self.payload, self.delay_us, self.freq_hz, self.sf, self.more = payload, delay_us, freq_hz, sf, more

    def frame(self, uplink: Frame) -> Frame:
        keywords = {"inverted": True, "crc": False, "sender": "network", "bw_khz": uplink.bw_khz} | self.more
        return Frame(
            start_us=uplink.end_us + self.delay_us,
            freq_hz=self.freq_hz or uplink.freq_hz,
            sf=self.sf or uplink.sf,
            payload=self.payload,
            **keywords,
        )


class Network:
    """Hears every uplink; `answer(frame)` returns the downlinks to it."""

    def __init__(self, channel: IdealChannel) -> None:
        self.channel = channel
        self.heard: list[Frame] = []
        self.answer: Callable[[Frame], list[Downlink]] = lambda _frame: []
        channel.subscribe(self._hear)

    def _hear(self, frame: Frame) -> None:
        if frame.sender == "network" or frame.inverted is not False or frame.sync_word != 0x3444:
            return
        self.heard.append(frame)
        for downlink in self.answer(frame):
            self.channel.transmit(downlink.frame(frame))


class Rig:
    """One node with its radio."""

    def __init__(self, *, ppm: int = 0, seed: int = 1, access_us: int = 20, **chip: Any) -> None:
        self.clock = VirtualClock(ppm=ppm)
        self.channel = IdealChannel()
        self.network = Network(self.channel)
        self.chip = Sx1262(self.channel, **chip)
        self.wires = Wires(self.chip, self.clock, access_us)
        self.random = Random(seed)
        self.phy = self.make_phy()

    def make_phy(self, **settings: Any) -> Sx126x:
        w = self.wires
        w._selected, w._transfers = False, 0
        return Sx126x(w, w.pin("nss"), w.pin("reset"), w.pin("busy"), w.pin("dio1"), self.clock, **settings)


class Aes:
    """AES-128-ECB of `cryptography` in the shape that the firmware wants."""

    def __init__(self, key: bytes) -> None:
        self._cipher = Cipher(algorithms.AES(bytes(key)), modes.ECB())

    def encrypt(self, data: bytes) -> bytes:
        return self._cipher.encryptor().update(bytes(data))

    def decrypt(self, data: bytes) -> bytes:
        return self._cipher.decryptor().update(bytes(data))


class FlashStore:
    """NVS: save is durable on return. `on_save` may raise PowerCut before or after the write, or tear it."""

    def __init__(self) -> None:
        self.records: dict[str, bytes] = {}
        self.saves = 0
        self.on_save: Callable[[FlashStore, str, bytes], None] | None = None

    def load(self, name: str) -> bytes | None:
        return self.records.get(name)

    def save(self, name: str, data: bytes) -> None:
        assert len(name) <= 15, "an NVS key has at most 15 characters"
        self.saves += 1
        if self.on_save is not None:
            self.on_save(self, name, bytes(data))
        self.records[name] = bytes(data)
