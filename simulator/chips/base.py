"""What a chip model looks like from its bus: one Protocol a bus, and the error of an unanswered address.

Every call carries `now_us`, the world's clock in whole microseconds (int, never decreasing for
one model). A model computes its state up to that instant by itself; nothing ticks it. Bytes are
what the wires carry, readings are set in physical units through attributes or a `Source`.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable


class Nak(Exception):  # noqa: N818 - the bus's own word
    """The chip did not acknowledge its address or a byte. The world turns it into OSError on the node."""


class Source(Protocol):
    """Where a model takes its physical quantity from: a city model, a recording, a constant."""

    def __call__(self, quantity: str, now_us: int) -> float:
        """Return `quantity` (name with unit, such as `temperature_c`, `pm2_5_ug_m3`) at world time."""
        ...


@runtime_checkable
class I2cChip(Protocol):
    """A chip on an I2C bus."""

    address: int

    def write(self, data: bytes, now_us: int) -> None:
        """Take one write transaction (address byte not included). Raises Nak."""
        ...

    def read(self, n: int, now_us: int) -> bytes:
        """Return exactly `n` bytes of one read transaction. Raises Nak."""
        ...


@runtime_checkable
class UartChip(Protocol):
    """A chip on a serial line."""

    baudrate: int

    def host_wrote(self, data: bytes, now_us: int) -> None:
        """Take bytes that the node sent."""
        ...

    def read_available(self, now_us: int) -> bytes:
        """Return all bytes that the chip has emitted since the last call."""
        ...


@runtime_checkable
class SpiChip(Protocol):
    """A chip on SPI, with its other wires."""

    def transfer(self, mosi: bytes, now_us: int) -> bytes:
        """Run one transaction (NSS low to NSS high); return as many MISO bytes as MOSI bytes."""
        ...

    def pin(self, name: str, now_us: int) -> int:
        """Return the level (0 or 1) that the chip drives on `name`, such as "busy" or "dio1"."""
        ...

    def set_pin(self, name: str, value: int, now_us: int) -> None:
        """Take a level that the node drives on a wire of the chip, such as "reset"."""
        ...

    def next_change_us(self, name: str, now_us: int) -> int | None:
        """Return the first instant after `now_us` at which `name` will change, as far as known now.

        None: no change is under way. What others do meanwhile (a command on the bus, a frame on
        the air) may bring the change forward, so ask again after anything happened.
        """
        ...


@runtime_checkable
class Microphone(Protocol):
    """An I2S microphone."""

    def frames(self, n: int, now_us: int) -> bytes:
        """Return `n` stereo frames, each two signed 32-bit little-endian words (8 bytes)."""
        ...


@runtime_checkable
class AdcChip(Protocol):
    """A voltage on an ADC pin."""

    def read_uv(self, now_us: int) -> int:
        """Return microvolts at the pin."""
        ...


@runtime_checkable
class PulseChip(Protocol):
    """A switch that gives pulses (reed contact of a rain gauge)."""

    def count(self, now_us: int) -> int:
        """Return pulses since the model was made."""
        ...


@runtime_checkable
class OneWireChip(Protocol):
    """A chip on a 1-Wire line."""

    def reset(self, now_us: int) -> bool:
        """Take a reset pulse; return whether somebody shows presence."""
        ...

    def write_byte(self, byte: int, now_us: int) -> None:
        """Take one byte."""
        ...

    def read_byte(self, now_us: int) -> int:
        """Give one byte."""
        ...


class Constants:
    """A `Source` of fixed values, for tests: `Constants(temperature_c=21.5)`; set attributes to change."""

    def __init__(self, **values: float) -> None:
        self._values = dict(values)

    def set(self, **values: float) -> None:
        """Replace values from now on."""
        self._values.update(values)

    def __call__(self, quantity: str, now_us: int) -> float:
        """Return the value of `quantity`; KeyError names one that was never set."""
        return self._values[quantity]
