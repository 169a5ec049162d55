"""The ultra-low-power coprocessor (finite state machine) of ESP32 and ESP32-S3: it runs a program's words.

As the technical reference manuals have it: 32-bit instructions in 8 KB of RTC memory, four 16-bit registers,
a timer that starts the program again a period after it halted. Registers hold nothing from run to run (here:
rubbish). Memory and timer survive deep sleep and resets, not a power cut. Instructions that nobody here uses
(ADC, I2C, temperature, stage counter) end the simulation instead of doing something wrong.
"""

from __future__ import annotations

import struct
from typing import Protocol

MEMORY = 0x5000_0000
SIZE = 8192
_RTC_GPIO_IN = 9  # register 0x24 of RTC_IO, in words
_FIRST_BIT = {"esp32": 14, "esp32s3": 10}
_LONGEST = 10_000  # instructions of one run


class UlpError(RuntimeError):
    """A program that the coprocessor would not run either, or an instruction that is not modelled."""


class Contact(Protocol):
    """A switch to ground: closed is level 0."""

    def edges(self, to_us: int) -> list[tuple[int, int]]:
        """Return what changed since the last call, until then: (time, level) in order."""
        ...


class Ulp:
    """Pads by RTC channel. `runs`: how often the program ran; `instructions` of the last run."""

    def __init__(self, family: str, contacts: dict[int, Contact]) -> None:
        self.family = family
        self.contacts = contacts
        self.runs = self.instructions = 0
        self.power_off()

    def power_off(self) -> None:
        """Forget everything, as RTC memory does."""
        self.memory = bytearray(SIZE)
        self.registers: dict[int, int] = {}
        self._levels = dict.fromkeys(self.contacts, 1)
        self._period_us = 0
        self._entry = 0
        self._next_us: int | None = None

    # -- what the main processor does ------------------------------------------------------------------

    def set_period(self, us: int) -> None:
        """Take the time from a halt to the next run."""
        self._period_us = us

    def load(self, address: int, binary: bytes) -> None:
        """Put a binary with its header into memory (ulp_load_binary)."""
        if len(binary) < 12:
            raise UlpError("a binary begins with a header of 12 bytes")
        magic, begin, *sizes = struct.unpack_from("<IHHHH", binary)
        if magic != 0x00706C75 or begin + sizes[0] + sizes[1] > len(binary):
            raise UlpError("this is no binary of the coprocessor")
        body = binary[begin : begin + sizes[0] + sizes[1]] + bytes(sizes[2])
        self.memory[address : address + len(body)] = body

    def run(self, entry: int, now_us: int) -> None:
        """Start the program and its timer."""
        self._advance(now_us)
        self._entry = entry // 4
        self._next_us = now_us + self._period_us

    def peek(self, address: int, now_us: int) -> int:
        """Return a word of RTC memory or of a register."""
        self._advance(now_us)
        if MEMORY <= address < MEMORY + SIZE:
            return int.from_bytes(self.memory[address - MEMORY : address - MEMORY + 4], "little")
        return self.registers.get(address, 0)

    def poke(self, address: int, value: int, now_us: int) -> None:
        """Write a word of RTC memory or of a register."""
        self._advance(now_us)
        if MEMORY <= address < MEMORY + SIZE:
            self.memory[address - MEMORY : address - MEMORY + 4] = value.to_bytes(4, "little")
        else:
            self.registers[address] = value

    # -- time ------------------------------------------------------------------------------------------

    def _advance(self, now_us: int) -> None:
        """Run as often as the timer did since the last call.

        A run that changes no word, with pins that do not move, is followed by others just like it: these
        are left out.
        """
        changes = sorted(
            (t, channel, level) for channel, c in self.contacts.items() for t, level in c.edges(now_us)
        )
        if self._next_us is None:
            for _, channel, level in changes:
                self._levels[channel] = level
            return
        at = 0
        while self._next_us <= now_us:
            while at < len(changes) and changes[at][0] <= self._next_us:
                self._levels[changes[at][1]] = changes[at][2]
                at += 1
            changed = self._run()
            self._next_us += self._period_us
            if not changed:
                until = changes[at][0] if at < len(changes) else now_us
                skipped = max(0, -(-(until - self._next_us) // self._period_us))
                self._next_us += skipped * self._period_us
                self.runs += skipped
        for _, channel, level in changes[at:]:
            self._levels[channel] = level

    def _run(self) -> bool:
        """Run once; return whether a word of memory changed."""
        self.runs += 1
        r = [0xDEAD, 0xBEEF, 0xDEAD, 0xBEEF]
        pc, zero, overflow, changed = self._entry, False, False, False
        for count in range(_LONGEST):
            word = int.from_bytes(self.memory[4 * pc : 4 * pc + 4], "little")
            op = word >> 28
            here, pc = pc, pc + 1
            if op == 11:
                self.instructions = count + 1
                return changed
            if op == 2:
                r[0] = self._register(word)
            elif op == 7:
                target, source = word & 3, word >> 2 & 3
                kind = word >> 25 & 7 if self.family == "esp32" else word >> 26 & 3
                if kind > 1:
                    raise UlpError(f"word {here}: the stage counter is not modelled")
                b = word >> 4 & 0xFFFF if kind else r[word >> 4 & 3]
                a = b if word >> 21 & 15 == 4 and kind else r[source]
                value = self._alu(word >> 21 & 15, a, b, here)
                if word >> 21 & 15 != 4:  # a move leaves the flags
                    zero, overflow = value & 0xFFFF == 0, not 0 <= value <= 0xFFFF
                r[target] = value & 0xFFFF
            elif op == 13:
                at = 4 * ((r[word >> 2 & 3] + (word >> 10 & 0x7FF)) & 0x7FF)
                high = self.family != "esp32" and word >> 27 & 1
                r[word & 3] = int.from_bytes(self.memory[at + 2 * high : at + 2 * high + 2], "little")
            elif op == 6:
                changed |= self._store(word, r, here)
            elif op == 8:
                pc = self._branch(word, r, here, zero, overflow)
            elif op == 4:
                pass  # wait
            else:
                raise UlpError(f"word {here}: opcode {op} is not modelled")
        raise UlpError("the program does not halt")

    def _alu(self, sel: int, a: int, b: int, here: int) -> int:
        if sel > 6:
            raise UlpError(f"word {here}: no ALU operation {sel}")
        return (a + b, a - b, a & b, a | b, a, a << (b & 15), a >> (b & 15))[sel]

    def _store(self, word: int, r: list[int], here: int) -> bool:
        if word >> 25 & 7 != 4:
            raise UlpError(f"word {here}: this way of storing is not modelled")
        at = 4 * ((r[word >> 2 & 3] + (word >> 10 & 0x7FF)) & 0x7FF)
        value = r[word & 3]
        if self.family == "esp32":  # the upper half tells where it was stored from
            new = here << 21 | (word >> 2 & 3) << 16 | value
        else:
            if word >> 7 & 3 != 3:
                raise UlpError(f"word {here}: storing with a label is not modelled")
            old = int.from_bytes(self.memory[at : at + 4], "little")
            new = old & 0xFFFF | value << 16 if word >> 6 & 1 else old & 0xFFFF0000 | value
        before = int.from_bytes(self.memory[at : at + 4], "little")
        self.memory[at : at + 4] = new.to_bytes(4, "little")
        return before != new

    def _branch(self, word: int, r: list[int], here: int, zero: bool, overflow: bool) -> int:
        kind = word >> 25 & 7 if self.family == "esp32" else word >> 26 & 3
        if kind != (0 if self.family == "esp32" else 1):
            raise UlpError(f"word {here}: relative jumps are not modelled")
        if not (True, zero, overflow)[word >> 22 & 3]:
            return here + 1
        return r[word & 3] if word >> 21 & 1 else word >> 2 & 0x7FF

    def _register(self, word: int) -> int:
        if (word >> 8 & 3, word & 0xFF) != (1, _RTC_GPIO_IN):
            raise UlpError(f"register {word & 0xFF} of peripheral {word >> 8 & 3} is not modelled")
        low, high = word >> 18 & 31, word >> 23 & 31
        bits = 0
        for channel, level in self._levels.items():
            bits |= level << (channel + _FIRST_BIT[self.family])
        return bits >> low & (1 << high - low + 1) - 1
