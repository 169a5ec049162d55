"""The subset check, judged by the real MicroPython: what it flags does fail, or differ, there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.dual import micropython
from tools.subset import check, firmware_files

# Each snippet works on CPython (it prints True) and not on MicroPython.
REFUSED = {
    "missing module": "import typing\nprint(True)",
    "missing sub-module": "import collections.abc\nprint(True)",
    "bit_length": "print((5).bit_length() == 3)",
    "removeprefix": "print('ab'.removeprefix('a') == 'b')",
    "zfill": "print('7'.zfill(2) == '07')",
    "star in a literal": "a = [1]\nprint([*a, 2] == [1, 2])",
    "double star in a literal": "a = {1: 2}\nprint({**a} == {1: 2})",
    "bytes slice step": "print(b'ab'[::-1] == b'ba')",
    "zip strict": "print(list(zip([1], [2], strict=True)) == [(1, 2)])",
    "from_bytes signed": "print(int.from_bytes(b'\\xff', 'little', signed=True) == -1)",
    "sum start": "print(sum([1], start=2) == 3)",
    "sort_keys": "import json\nprint(json.dumps({'a': 1}, sort_keys=True) == '{\"a\": 1}')",
    "pack wraps": (
        "import struct\ntry:\n    struct.pack('B', 300)\n    print(False)\nexcept Exception:\n    print(True)"
    ),
    "struct.error": "import struct\nprint(issubclass(struct.error, Exception))",
    "match": "match 1:\n    case 1:\n        print(True)",
    "positional only": "def f(a, /):\n    return a\nprint(f(1) == 1)",
    "two bases": (
        "class A:\n    def f(self):\n        return 'A'\n"
        "class B(A):\n    def f(self):\n        return 'B' + super().f()\n"
        "class C(A):\n    def f(self):\n        return 'C' + super().f()\n"
        "class D(B, C):\n    pass\nprint(D().f() == 'BCA')"
    ),
    "memoryview cast": "print(len(memoryview(bytearray(4)).cast('I')) == 1)",
}


@pytest.mark.mpy
@pytest.mark.parametrize("name", REFUSED)
def test_what_the_check_flags_fails_or_differs_on_micropython(name: str) -> None:
    code = REFUSED[name]
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "True"
    )
    try:
        there = micropython(code).strip()
    except AssertionError:
        there = "failed"
    assert there != "True", "MicroPython can do this now: the rule may go"
    assert check(code, name), "the subset check lets it pass"


GOOD = """
from ._compat import const
_X = const(5)
class A:
    __slots__ = ("a",)
    def __init__(self, a):
        self.a = a
def f(a, *, b=2):
    first, *rest = a
    return f"{first}{b!r}", rest, a[1:], {1: 2} | {3: 4}
"""


def test_the_common_subset_passes() -> None:
    assert check(GOOD, "good.py") == []


def test_the_firmware_passes() -> None:
    findings = [f for path in firmware_files() for f in check(path.read_text(), path.name)]
    assert findings == []
