"""The compiler for RISC-V: what it accepts computes what viper means, what it does not know it refuses."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench.emulator import Core, viper_core
from tools import mpy, rv32, viper_rv32

KERNELS = Path(__file__).resolve().parents[2] / "firmware" / "kernels"
WORD = st.integers(-(2**31), 2**31 - 1)


def wrap(value: int) -> int:
    """Return the low 32 bits, signed."""
    return (value + 2**31) % 2**32 - 2**31


def source(body: str, args: str = "a: int, b: int, p: ptr32") -> str:
    lines = "\n".join("    " + line for line in body.splitlines())
    return f"import micropython\n\n@micropython.viper\ndef f({args}):\n{lines}\n"


def run(text: str, a: int, b: int, words: int = 4) -> list[int]:
    core = Core("rv32imc", viper_rv32.compile_functions(text)["f"])
    p = core.put(struct.pack("<4i", 11, -22, 33, -44))
    core.call(a, b, p)
    return core.words(p, words)


EXPRESSIONS = {
    "a + b": lambda a, b: a + b,
    "a - b": lambda a, b: a - b,
    "a * b": lambda a, b: a * b,
    "a * -115 + b": lambda a, b: a * -115 + b,
    "(a * -115 >> 3) + b": lambda a, b: (wrap(a * -115) >> 3) + b,
    "a * 4096 - b": lambda a, b: a * 4096 - b,
    "a & 65535": lambda a, b: a & 65535,
    "(a ^ b) | 12": lambda a, b: (a ^ b) | 12,
    "a >> 7": lambda a, b: a >> 7,
    "int(uint(a) >> 7)": lambda a, b: (a % 2**32) >> 7,
    "a >> (b & 31)": lambda a, b: a >> (b & 31),
    "(6 - a) << 3": lambda a, b: (6 - a) << 3,
    "a + 123456789": lambda a, b: a + 123456789,
    "a - 2048 - -5": lambda a, b: a - 2048 + 5,
    "((a + 1) * 3 + (b - 1)) - (a >> 2)": lambda a, b: (a + 1) * 3 + (b - 1) - (a >> 2),
}


@pytest.mark.parametrize("text", EXPRESSIONS)
@settings(max_examples=25)
@given(a=WORD, b=WORD)
def test_expressions_wrap_as_32_bit_words(text: str, a: int, b: int) -> None:
    assert run(source(f"p[0] = {text}"), a, b)[0] == wrap(EXPRESSIONS[text](a, b))


@settings(max_examples=40)
@given(a=WORD, b=WORD)
def test_comparisons_are_signed_and_unsigned_as_written(a: int, b: int) -> None:
    body = """p[0] = 0
p[1] = 0
p[2] = 0
if a < b:
    p[0] = 1
if uint(a) > uint(b):
    p[1] = 1
if a == b:
    p[2] = 1
else:
    p[2] = 2"""
    got = run(source(body), a, b)
    assert got[:3] == [int(a < b), int(a % 2**32 > b % 2**32), 1 if a == b else 2]


def test_more_locals_than_registers_live_on_the_stack() -> None:
    names = [f"v{i}" for i in range(40)]
    body = "\n".join(
        [f"{n} = a + {i}" for i, n in enumerate(names)] + ["s = b"] + [f"s = s + {n}" for n in names]
    )
    assert run(source(body + "\np[0] = s"), 5, 7)[0] == 7 + sum(5 + i for i in range(40))


def test_loops_and_rare_branches_inside_them() -> None:
    body = """n = a
s = 0
while n:
    if n & 1:
        s = s + n
        if n > 6:
            s = s + 100
    else:
        s = s - 1
    n -= 1
p[0] = s"""
    expected = sum((n + (100 if n > 6 else 0)) if n & 1 else -1 for n in range(1, 11))
    assert run(source(body), 10, 0)[0] == expected
    assert run(source(body), 0, 0)[0] == 0


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("p[a] = 1", "constant index"),
        ("for i in range(3):\n    p[0] = i", "For"),
        ("p[0] = abs(a)", "call"),
        ("x = a // 2", "operator"),
        ("p[0] = c", "read before"),
        ("p[0] = a + (a := b)", "changes on the right"),
        ("x = a\nx = uint(b)", "changes its type"),
        ("if a < b < 3:\n    p[0] = 1", "one comparison"),
        ("return a", "Return"),
    ],
)
def test_what_it_does_not_know_it_refuses(body: str, complaint: str) -> None:
    with pytest.raises(viper_rv32.Unsupported, match=complaint):
        viper_rv32.compile_functions(source(body))


def test_an_argument_needs_a_type() -> None:
    with pytest.raises(viper_rv32.Unsupported, match="needs a type"):
        viper_rv32.compile_functions(source("p[0] = a", "a, p: ptr32"))


@pytest.mark.parametrize("module", ["_noise48", "_noise32", "_octaves"])
def test_the_file_keeps_its_frame_and_changes_its_code(module: str) -> None:
    path = KERNELS / f"{module}.py"
    before = mpy.parse(mpy.cross_compile(path, "rv32imc"))
    after = mpy.parse(viper_rv32.compile_file(path))
    assert (after.head, after.tables, after.code.code) == (before.head, before.tables, before.code.code)
    assert len(after.code.children) == len(before.code.children)
    for old, new in zip(before.code.children, after.code.children, strict=True):
        assert (new.kind, new.tail) == (old.kind, old.tail)
        assert len(new.code) < len(old.code) * 1.3


@pytest.mark.parametrize(("module", "architecture"), [("ilog", "rv32imc"), ("_octaves", "xtensawin")])
def test_what_is_no_riscv_kernel_stays_mpy_cross_s(module: str, architecture: str) -> None:
    path = KERNELS / f"{module}.py"
    assert viper_rv32.compile_firmware(path, architecture) == mpy.cross_compile(path, architecture)
    kernel = KERNELS / "_octaves.py"
    assert viper_rv32.compile_firmware(kernel, "rv32imc") == viper_rv32.compile_file(kernel)


def test_another_calling_convention_is_refused() -> None:
    path = KERNELS / "_octaves.py"
    parsed = mpy.parse(mpy.cross_compile(path, "rv32imc"))
    parsed.code.children[0].code = bytes(len(parsed.code.children[0].code))
    with pytest.raises(mpy.MpyError, match="calling convention"):
        viper_rv32.replace(mpy.write(parsed), path.read_text())


@pytest.mark.parametrize("architecture", ["x64", "xtensawin", "armv7em"])
def test_a_file_for_another_chip_is_refused(architecture: str) -> None:
    path = KERNELS / "_octaves.py"
    with pytest.raises(mpy.MpyError, match="rv32imc"):
        viper_rv32.replace(mpy.cross_compile(path, architecture), path.read_text())


@pytest.mark.parametrize("architecture", sorted(mpy.ARCHITECTURES))
def test_reading_and_writing_a_file_changes_nothing(architecture: str) -> None:
    file = mpy.cross_compile(KERNELS / "_octaves.py", architecture)
    assert mpy.write(mpy.parse(file)) == file


@settings(max_examples=60)
@given(st.data())
def test_damaged_files_are_an_error_never_a_crash(data: st.DataObject) -> None:
    file = bytearray(_FILE)
    at = data.draw(st.integers(0, len(file) - 1))
    file[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(file)))
    for damaged in (bytes(file), bytes(file[:cut])):
        with contextlib.suppress(mpy.MpyError):
            mpy.parse(damaged)


_FILE = mpy.cross_compile(KERNELS / "_octaves.py", "rv32imc")


def test_operands_that_do_not_fit_are_an_error() -> None:
    asm = rv32.Assembler()
    for call in (
        lambda: asm.imm("addi", 5, 5, 2048),
        lambda: asm.lw(5, 2, -2049),
        lambda: asm.imm("slli", 5, 5, 32),
    ):
        with pytest.raises(rv32.AssemblyError):
            call()


def test_a_function_is_found_by_its_name() -> None:
    with pytest.raises(ValueError, match="not in list"):
        viper_core(_FILE, "nothing")
