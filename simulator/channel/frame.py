"""A LoRa frame on the air, what a receiver is tuned to, and what every radio channel offers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from wire.lorawan import airtime

LORAWAN_SYNC_WORD = 0x3444  # SX126x register form of the public 0x34
_SYNC_QUARTER_SYMBOLS = 17  # 4.25 symbols between preamble and header
_HEADER_SYMBOLS = 8


@dataclass(slots=True, eq=False)
class Frame:
    """One LoRa transmission in world microseconds; `inverted` None is a polarity that nobody hears."""

    start_us: int
    freq_hz: int
    sf: int
    bw_khz: int
    payload: bytes
    power_dbm: float = 14.0
    inverted: bool | None = False
    sync_word: int = LORAWAN_SYNC_WORD
    crc: bool = True
    preamble: int = 8
    coding_rate: int = 1
    ldro: bool | None = None
    sender: object = None
    damaged: bool = False
    symbol_us: int = field(init=False)
    end_us: int = field(init=False)

    def __post_init__(self) -> None:
        self.symbol_us = airtime.symbol_us(self.sf, self.bw_khz)
        length = len(self.payload)
        self.end_us = self.start_us + airtime.time_on_air_us(
            self.sf, self.bw_khz, length, self.crc, self.preamble, self.coding_rate
        )
        if self.ldro is None:
            self.ldro = self.symbol_us >= 16000

    @property
    def preamble_end_us(self) -> int:
        """When the last plain preamble symbol ends and the sync symbols begin."""
        return self.start_us + self.preamble * self.symbol_us

    @property
    def header_us(self) -> int:
        """When a receiver has the explicit header."""
        return self.preamble_end_us + (_SYNC_QUARTER_SYMBOLS + 4 * _HEADER_SYMBOLS) * self.symbol_us // 4

    def cut(self, now_us: int) -> None:
        """End the transmission early: whoever receives it gets damaged bytes."""
        if now_us < self.end_us:
            self.end_us = max(now_us, self.start_us)
            self.damaged = True


@dataclass(slots=True, frozen=True)
class Tuning:
    """What a receiver listens for."""

    freq_hz: int
    sf: int
    bw_khz: int
    inverted: bool | None
    sync_word: int
    ldro: bool

    def matches(self, frame: Frame) -> bool:
        """Tell whether this receiver can demodulate the frame (carrier within a quarter of the bandwidth)."""
        return (
            self.inverted is not None
            and frame.inverted == self.inverted
            and frame.sf == self.sf
            and frame.bw_khz == self.bw_khz
            and frame.sync_word == self.sync_word
            and frame.ldro == self.ldro
            and abs(frame.freq_hz - self.freq_hz) <= self.bw_khz * 250
        )


class Listener(Protocol):
    """Who is told of each frame as it is put on the air (a gateway)."""

    def __call__(self, frame: Frame) -> None:
        """Take a frame at the instant its transmission is decided; it lasts until `frame.end_us`."""
        ...


class Channel(Protocol):
    """The air between radios."""

    def transmit(self, frame: Frame) -> None:
        """Put a frame on the air; its start may lie ahead of now."""
        ...

    def audible(self, tuning: Tuning, since_us: int, until_us: int, receiver: object) -> list[Frame]:
        """Return the frames that a receiver could demodulate and that overlap the interval, by start."""
        ...

    def link(self, frame: Frame, receiver: object) -> tuple[float, float]:
        """Return (RSSI in dBm, SNR in dB) of a frame at a receiver."""
        ...

    def received(self, frame: Frame, receiver: object) -> bool:
        """Tell of a frame that has ended whether a receiver got it whole."""
        ...

    def subscribe(self, listener: Listener) -> None:
        """Tell a gateway of each frame from now on."""
        ...
