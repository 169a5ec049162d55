"""The subset check: finds what CPython accepts and MicroPython refuses, or silently does otherwise.

Run `python -m tools.subset` (all of firmware/) or give files. Exit code 1 when something was found.
What mpy-cross rejects by itself (match, positional-only parameters, ...) is listed too, so that the
message names the remedy. Facts behind each rule: 210 features were probed on both Pythons.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from simulator.where import FIRMWARE

MISSING_MODULES = frozenset(
    "__future__ typing dataclasses enum abc functools itertools logging contextlib pathlib datetime operator "
    "warnings unittest copy string base64 hmac decimal fractions traceback types inspect numbers secrets "
    "statistics textwrap threading queue signal".split()
)
MISSING_ATTRIBUTES = frozenset(
    "bit_length bit_count removeprefix removesuffix zfill ljust rjust isascii cast iter_unpack Struct "
    "_asdict _replace _fields monotonic add_note casefold".split()
)
DEAD_METHODS = frozenset("__init_subclass__ __set_name__ __bytes__ __index__ __format__".split())
NO_KEYWORDS = frozenset("zip sum unpack_from pack_into namedtuple".split())


class Finding(NamedTuple):
    """One place that the two Pythons do not share."""

    path: str
    line: int
    message: str


def check(source: str, path: str) -> list[Finding]:
    """Return what MicroPython refuses or does otherwise in one source text."""
    return [Finding(path, line, message) for line, message in sorted(_walk(ast.parse(source, path)))]


def _walk(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        for rule in _RULES:
            message = rule(node)
            if message:
                yield getattr(node, "lineno", 0), message


def _imports(node: ast.AST) -> str | None:
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        names = [node.module]
    for name in names:
        if name.split(".")[0] in MISSING_MODULES or name == "collections.abc":
            return f"module {name} is not on the chip"
    return None


def _attributes(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute) and node.attr in MISSING_ATTRIBUTES:
        return f".{node.attr} is not on the chip: write a small function"
    if isinstance(node, ast.Attribute) and node.attr == "error" and _name(node.value) == "struct":
        return "struct.error does not exist on the chip: check lengths first"
    return None


def _classes(node: ast.AST) -> str | None:
    if isinstance(node, ast.ClassDef):
        if node.keywords:
            return "class keywords and metaclasses do not exist on the chip"
        if len(node.bases) > 1:
            return "more than one base: super() skips a class there"
    if isinstance(node, ast.FunctionDef) and node.name in DEAD_METHODS:
        return f"{node.name} is never called on the chip"
    return None


def _statements(node: ast.AST) -> str | None:
    if isinstance(node, ast.Raise) and node.cause is not None:
        return "`raise ... from` only prints a warning there: raise without cause"
    if isinstance(node, ast.Match):
        return "match does not exist there: if/elif"
    if isinstance(node, (ast.FunctionDef, ast.Lambda, ast.AsyncFunctionDef)) and node.args.posonlyargs:
        return "positional-only parameters are a syntax error there"
    if isinstance(node, ast.Delete) and any(_is_slice(target) for target in node.targets):
        return "`del b[i:j]` does not work on a bytearray there"
    return None


def _is_slice(node: ast.AST) -> bool:
    return isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice)


def _has_star(node: ast.AST) -> bool:
    if isinstance(node, (ast.List, ast.Tuple)) and not isinstance(node.ctx, ast.Load):
        return False
    return isinstance(node, (ast.List, ast.Tuple, ast.Set)) and any(
        isinstance(item, ast.Starred) for item in node.elts
    )


def _displays(node: ast.AST) -> str | None:
    if _has_star(node):
        return "star in a literal is a syntax error there: add lists"
    if isinstance(node, ast.Dict) and any(key is None for key in node.keys):
        return "`**` in a literal is a syntax error there"
    if isinstance(node, ast.Slice) and node.step is not None and not _is_one(node.step):
        return "slice steps work on lists only there: loop"
    return None


def _calls(node: ast.AST) -> str | None:
    if not isinstance(node, ast.Call):
        return None
    name = _name(node.func)
    keywords = {word.arg for word in node.keywords if word.arg}
    if name in NO_KEYWORDS and keywords:
        return f"{name} takes no keywords there"
    if name == "from_bytes" and "signed" in keywords:
        return "int.from_bytes(signed=) is refused there: fix the sign by hand"
    if name in {"sorted", "sort"} and "key" in keywords:
        return "sort is not stable there, so a partial key gives another order: sort tuples without key="
    if name == "dumps" and "sort_keys" in keywords:
        return "json.dumps(sort_keys=) is refused there"
    if name in {"pack", "pack_into"}:
        return "struct.pack wraps silently there: use int.to_bytes, which raises on both"
    return None


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _is_one(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value == 1


_RULES = (_imports, _attributes, _classes, _statements, _displays, _calls)


def firmware_files() -> list[Path]:
    """Return every Python file of firmware/, in order."""
    return sorted(FIRMWARE.rglob("*.py"))


def main(arguments: list[str]) -> int:
    """Check the given files, or all of firmware/."""
    files = [Path(a) for a in arguments] or firmware_files()
    findings = [f for path in files for f in check(path.read_text(), str(path))]
    for finding in findings:
        print(f"{finding.path}:{finding.line}: {finding.message}")
    print(f"subset check: {len(files)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
