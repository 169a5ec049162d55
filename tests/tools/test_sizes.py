"""The size table counts what goes on a chip."""

from __future__ import annotations

from pathlib import Path

from simulator.where import FIRMWARE
from tools import mpy, sizes, viper_rv32

KERNELS = FIRMWARE / "kernels"


def test_the_unix_ports_kernels_stay_at_home() -> None:
    names = {path.name for path in sizes.chip_files()}
    assert "_noise48.py" in names
    assert not any(name.endswith("_x64.py") for name in names)


def test_a_kernel_for_riscv_is_counted_with_the_code_that_ships(tmp_path: Path) -> None:
    source = KERNELS / "_octaves.py"
    size, error = sizes.compile_file(source, "rv32imc", tmp_path / "out.mpy")
    assert error == ""
    assert size == len(viper_rv32.compile_file(source)) < len(mpy.cross_compile(source, "rv32imc"))


def test_what_the_compiler_refuses_is_an_error_with_its_words(tmp_path: Path) -> None:
    source = tmp_path / "bad.py"
    source.write_text("def f(:\n")
    size, error = sizes.compile_file(source, "xtensawin", tmp_path / "out.mpy")
    assert size == 0
    assert "SyntaxError" in error


def test_a_kernel_beyond_the_subset_keeps_the_code_of_mpy_cross(tmp_path: Path) -> None:
    source = tmp_path / "bytes.py"
    source.write_text("@micropython.viper\ndef f(p: ptr8) -> int:\n    return p[0]\n")
    assert viper_rv32.compile_firmware(source, "rv32imc") == mpy.cross_compile(source, "rv32imc")
