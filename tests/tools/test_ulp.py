"""The coprocessor's program: each word against published encodings, and the file that follows from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools import ulp

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "ulp_opcodes.json").read_text())


@pytest.mark.parametrize("family", ulp.FAMILIES)
def test_every_encoding_is_that_of_espressifs_assembler(family: str) -> None:
    for op, args, register, published in VECTORS[family]:
        word = ulp.encode(family, op, *args, register=register)
        assert word.to_bytes(4, "little").hex() == published, (op, args)


@pytest.mark.parametrize("family", ulp.FAMILIES)
def test_the_program_uses_only_instructions_with_a_published_encoding(family: str) -> None:
    known = {(op, register) for op, _, register, _ in VECTORS[family]}
    for line in ulp.PROGRAM.strip().splitlines():
        op, _, operands = line.rpartition(":")[2].strip().partition(" ")
        register = op in ("add", "sub", "move") and operands.split(",")[-1].strip()[0] == "r"
        assert (op, register) in known


def test_the_generated_file_is_up_to_date() -> None:
    assert ulp.main(["--check"]) == 0


def test_both_programs_have_code_and_data_of_the_same_size() -> None:
    assert {len(ulp.assemble(family)) for family in ulp.FAMILIES} == {17 + len(ulp.DATA)}
