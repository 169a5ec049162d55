"""A small RV32IM assembler: instructions in, bytes out, labels resolved. Encodings: the ISA manual."""

from __future__ import annotations

from dataclasses import dataclass

ZERO, RA, SP = 0, 1, 2
A = tuple(range(10, 18))
S = (8, 9, *range(18, 28))
T = (5, 6, 7, 28, 29, 30, 31)

_OP = {
    "add": (0, 0),
    "sub": (0x20, 0),
    "sll": (0, 1),
    "sltu": (0, 3),
    "xor": (0, 4),
    "srl": (0, 5),
    "sra": (0x20, 5),
    "or": (0, 6),
    "and": (0, 7),
    "mul": (1, 0),
}
_OP_IMM = {"addi": 0, "xori": 4, "ori": 6, "andi": 7}
_SHIFT = {"slli": (0, 1), "srli": (0, 5), "srai": (0x20, 5)}
_BRANCH = {"beq": 0, "bne": 1, "blt": 4, "bge": 5, "bltu": 6, "bgeu": 7}


class AssemblyError(ValueError):
    """An operand that its field cannot hold."""


def fits(value: int, bits: int) -> bool:
    """Return whether a signed value fits a field."""
    return -(1 << bits - 1) <= value < 1 << bits - 1


@dataclass
class _Branch:
    name: str
    left: int
    right: int
    label: str


@dataclass
class _Jump:
    label: str


class Assembler:
    """Collects instructions; every instruction is four bytes long."""

    def __init__(self) -> None:
        self._items: list[int | _Branch | _Jump] = []
        self._labels: dict[str, int] = {}

    def label(self, name: str) -> None:
        """Put a label here."""
        self._labels[name] = len(self._items)

    def op(self, name: str, rd: int, rs1: int, rs2: int) -> None:
        """Register-register operation."""
        f7, f3 = _OP[name]
        self._items.append(f7 << 25 | rs2 << 20 | rs1 << 15 | f3 << 12 | rd << 7 | 0x33)

    def imm(self, name: str, rd: int, rs1: int, value: int) -> None:
        """Operation with a 12-bit immediate, or a shift by a constant."""
        if name in _SHIFT:
            f7, f3 = _SHIFT[name]
            if not 0 <= value < 32:
                raise AssemblyError(f"{name} by {value}")
            self._items.append(f7 << 25 | value << 20 | rs1 << 15 | f3 << 12 | rd << 7 | 0x13)
            return
        if not fits(value, 12):
            raise AssemblyError(f"{name} {value}")
        self._items.append((value & 0xFFF) << 20 | rs1 << 15 | _OP_IMM[name] << 12 | rd << 7 | 0x13)

    def li(self, rd: int, value: int) -> None:
        """Load a constant: one or two instructions."""
        if fits(value, 12):
            self.imm("addi", rd, ZERO, value)
            return
        upper = (value + 0x800) >> 12
        self._items.append((upper & 0xFFFFF) << 12 | rd << 7 | 0x37)
        if value - (upper << 12):
            self.imm("addi", rd, rd, value - (upper << 12))

    def mv(self, rd: int, rs: int) -> None:
        """Copy a register."""
        self.imm("addi", rd, rs, 0)

    def lw(self, rd: int, base: int, offset: int) -> None:
        """Load a word."""
        if not fits(offset, 12):
            raise AssemblyError(f"lw at {offset}")
        self._items.append((offset & 0xFFF) << 20 | base << 15 | 2 << 12 | rd << 7 | 0x03)

    def sw(self, rs: int, base: int, offset: int) -> None:
        """Store a word."""
        if not fits(offset, 12):
            raise AssemblyError(f"sw at {offset}")
        low, high = offset & 0x1F, offset >> 5 & 0x7F
        self._items.append(high << 25 | rs << 20 | base << 15 | 2 << 12 | low << 7 | 0x23)

    def branch(self, name: str, left: int, right: int, label: str) -> None:
        """Conditional branch, within 4 KB."""
        self._items.append(_Branch(name, left, right, label))

    def jump(self, label: str) -> None:
        """Unconditional jump."""
        self._items.append(_Jump(label))

    def call(self, register: int) -> None:
        """Call the address in a register: jalr ra."""
        self._items.append(register << 15 | RA << 7 | 0x67)

    def ret(self) -> None:
        """Return."""
        self._items.append(RA << 15 | 0x67)

    def code(self) -> bytes:
        """Return the machine code."""
        return b"".join(self._encode(i, item).to_bytes(4, "little") for i, item in enumerate(self._items))

    def _encode(self, at: int, item: int | _Branch | _Jump) -> int:
        if isinstance(item, int):
            return item
        offset = 4 * (self._labels[item.label] - at)
        if isinstance(item, _Jump):
            if not fits(offset, 21):
                raise AssemblyError(f"jump of {offset} bytes")
            field = (
                (offset >> 20 & 1) << 19
                | (offset >> 1 & 0x3FF) << 9
                | (offset >> 11 & 1) << 8
                | offset >> 12 & 0xFF
            )
            return field << 12 | 0x6F
        if not fits(offset, 13):
            raise AssemblyError(f"branch of {offset} bytes")
        high = (offset >> 12 & 1) << 6 | offset >> 5 & 0x3F
        low = (offset >> 1 & 0xF) << 1 | offset >> 11 & 1
        f3 = _BRANCH[item.name]
        return high << 25 | item.right << 20 | item.left << 15 | f3 << 12 | low << 7 | 0x63
